<?php

namespace Viaduct;

/**
 * What all exceptions of Viaduct's have in common. (Mistakes of the program's, such as a wait that could never end, are
 * PHP's own \Error and \TypeError.)
 */
interface Exception extends \Throwable
{
}

/**
 * A call that did not end Ok; in a handler, the way to end one so.
 *
 * The message is the status' own. Where nobody catches it, PHP's text has code and method before that.
 */
class RpcException extends \RuntimeException implements Exception
{
    /**
     * @param list<array{type: string, value: string}|object> $details messages that say more: serialized with
     *        their type's URL or name, or google/protobuf objects
     * @param array<string, string|list<string>> $trailers
     * @throws InvalidArgumentException where the code is Ok, or a detail or trailer is not legal
     */
    public function __construct(
        StatusCode $code,
        string $message = '',
        array $details = [],
        array $trailers = [],
        ?\Throwable $previous = null,
    ) {}

    /** The code; getCode() has its number. */
    public function statusCode(): StatusCode {}

    /** The method that was called, "/package.Service/Method"; null where it was no call of this side's. */
    public function method(): ?string {}

    /** @return list<array{type: string, value: string}> */
    public function details(): array {}

    /** @return array<string, list<string>> the trailing metadata that came with the status */
    public function trailers(): array {}

    /** Code, method and message, and what every exception's text has. */
    public function __toString(): string {}
}

/**
 * The call was cancelled: by this side, by the peer, or by its deadline (see statusCode()).
 *
 * A handler that waits gets it where it waits.
 */
class CancelledException extends RpcException
{
}

/**
 * Something that cannot be used: the message says what it was and what was expected. Nothing was sent.
 */
class InvalidArgumentException extends \InvalidArgumentException implements Exception
{
}

/**
 * A use that is out of turn: sending after the half-close, a second listen() on one address.
 */
class LogicException extends \LogicException implements Exception
{
}

/**
 * Something that the system refused: an address that cannot be bound, a fiber's stack that cannot be had.
 */
class RuntimeException extends \RuntimeException implements Exception
{
}
