<?php

namespace Viaduct;

// The classes of this namespace are final. What code needs of them stands here, so that a test can put something else
// in their place.

/**
 * What makes calls: a Channel, or a test's stand-in. The parameters are those of Channel.
 */
interface ChannelInterface
{
    /**
     * @template T of object
     * @param string|object $request
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? string : T)
     * @throws RpcException where the call does not end Ok
     */
    public function unary(
        string $method,
        mixed $request,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): mixed;

    /**
     * @template T of object
     * @param string|object $request
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? UnaryCallInterface<string> : UnaryCallInterface<T>)
     */
    public function start(
        string $method,
        mixed $request,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): UnaryCallInterface;

    /**
     * @template T of object
     * @param string|object $request
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? ServerStreamInterface<string> : ServerStreamInterface<T>)
     */
    public function serverStream(
        string $method,
        mixed $request,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): ServerStreamInterface;

    /**
     * @template T of object
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? ClientStreamInterface<string> : ClientStreamInterface<T>)
     */
    public function clientStream(
        string $method,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): ClientStreamInterface;

    /**
     * @template T of object
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? BidiStreamInterface<string> : BidiStreamInterface<T>)
     */
    public function bidi(
        string $method,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): BidiStreamInterface;
}

/** What all four kinds of call have. */
interface CallInterface
{
    /** @return array<string, list<string>> */
    public function headers(): array;

    /** @return array<string, list<string>> */
    public function trailers(): array;

    public function status(): ?Status;

    public function peer(): string;

    public function cancel(): void;
}

/** @template-covariant T of string|object */
interface UnaryCallInterface extends CallInterface
{
    /**
     * @return T
     * @throws RpcException where the call does not end Ok
     */
    public function wait(): mixed;

    public function done(): bool;

    public function status(): Status;
}

/**
 * @template-covariant T of string|object
 * @extends \Iterator<int, T>
 */
interface ServerStreamInterface extends CallInterface, \Iterator
{
    /**
     * @return T|null
     * @throws RpcException where the call does not end Ok
     */
    public function receive(): mixed;
}

/** @template-covariant T of string|object */
interface ClientStreamInterface extends CallInterface
{
    /**
     * @param string|object $message
     * @throws RpcException where the call has ended
     */
    public function send(mixed $message): void;

    /**
     * @return T
     * @throws RpcException where the call does not end Ok
     */
    public function finish(): mixed;
}

/**
 * @template-covariant T of string|object
 * @extends \Iterator<int, T>
 */
interface BidiStreamInterface extends CallInterface, \Iterator
{
    /**
     * @param string|object $message
     * @throws RpcException where the call has ended
     */
    public function send(mixed $message): void;

    public function halfClose(): void;

    /**
     * @return T|null
     * @throws RpcException where the call does not end Ok
     */
    public function receive(): mixed;
}

/**
 * What a handler knows and says about its call beside the messages: a Context, or a test's stand-in.
 *
 * Context::method() is not in it: PHPUnit 12 refuses to make a mock of what has a method of that name.
 */
interface ContextInterface
{
    public function peer(): string;

    public function authority(): string;

    /** @return array<string, list<string>> */
    public function metadata(): array;

    public function deadline(): ?float;

    public function timeRemaining(): ?float;

    public function isCancelled(): bool;

    /**
     * @param array<string, string|list<string>> $metadata
     */
    public function sendHeaders(array $metadata): void;

    /**
     * @param array<string, string|list<string>> $metadata
     */
    public function setTrailers(array $metadata): void;
}

/**
 * The messages a client streams to a handler: a RequestStream, or a test's stand-in.
 *
 * @template T of string|object
 * @extends \Iterator<int, T>
 */
interface RequestStreamInterface extends \Iterator
{
    /**
     * @template M of object
     * @param class-string<M> $messageClass
     * @return RequestStreamInterface<M>
     */
    public function as(string $messageClass): RequestStreamInterface;

    /**
     * @return T|null
     * @throws CancelledException where the client went away or the deadline passed
     */
    public function receive(): mixed;
}
