<?php

namespace Viaduct;

/**
 * A call that did not end Ok; in a handler, the way to end one so.
 */
class RpcException extends \RuntimeException
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

    /** @return list<array{type: string, value: string}> */
    public function details(): array {}

    /** @return array<string, list<string>> the trailing metadata that came with the status */
    public function trailers(): array {}
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
class InvalidArgumentException extends \InvalidArgumentException
{
}

/**
 * A use that is out of turn: sending after the half-close, a second listen() on one address.
 */
class LogicException extends \LogicException
{
}
