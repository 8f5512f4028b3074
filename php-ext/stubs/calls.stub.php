<?php

namespace Viaduct;

/**
 * A call with one request and one response that was started.
 *
 * @template-covariant T of string|object what the response is: a string, or an object of the response class
 * @implements UnaryCallInterface<T>
 */
final class UnaryCall implements UnaryCallInterface
{
    private function __construct() {}

    /**
     * Waits for the response. May be called again: the outcome stays.
     *
     * @return T a string, or an object of the response class
     * @throws RpcException where the call does not end Ok
     */
    public function wait(): mixed {}

    /** Whether wait() would return at once. */
    public function done(): bool {}

    /** @return array<string, list<string>> the headers the server sent; waits for the end of the call */
    public function headers(): array {}

    /** @return array<string, list<string>> the trailers the server sent; waits for the end of the call */
    public function trailers(): array {}

    /** How the call ended; waits for the end of the call. Throws nothing for a status that is not Ok. */
    public function status(): Status {}

    /** "ipv4:127.0.0.1:50051", "unix:/run/x.sock"; the target while there is no connection. */
    public function peer(): string {}

    /** Ends the call with Cancelled, unless it has ended and you were told so or how. */
    public function cancel(): void {}
}

/**
 * A call with one request and many responses: iterate it.
 *
 * @template-covariant T of string|object what each response is: a string, or an object of the response class
 * @implements ServerStreamInterface<T>
 */
final class ServerStream implements ServerStreamInterface
{
    private function __construct() {}

    /**
     * The next response; null at the end of the stream. In a loop over the stream: the one after the loop's, which
     * goes on behind it.
     *
     * @return T|null a string, an object of the response class, or null
     * @throws RpcException where the call does not end Ok
     */
    public function receive(): mixed {}

    /**
     * @return T
     * @throws RpcException where the call does not end Ok
     */
    public function current(): mixed {}

    /** @throws RpcException where the call does not end Ok */
    public function next(): void {}

    public function key(): int {}

    /** @throws RpcException where the call does not end Ok */
    public function valid(): bool {}

    /**
     * Does nothing: a loop begins with the next response, behind those that receive() has returned.
     *
     * @throws LogicException once a loop has gone past a response
     */
    public function rewind(): void {}

    /** @return array<string, list<string>> the headers the server sent; waits for them */
    public function headers(): array {}

    /** @return array<string, list<string>> the trailers; empty while the stream has not ended */
    public function trailers(): array {}

    /** How the call ended; null while the stream has not ended. */
    public function status(): ?Status {}

    /** "ipv4:127.0.0.1:50051", "unix:/run/x.sock"; the target while there is no connection. */
    public function peer(): string {}

    /** Ends the call with Cancelled, unless it has ended and you were told so or how. */
    public function cancel(): void {}
}

/**
 * A call with many requests and one response.
 *
 * @template-covariant T of string|object what the response is: a string, or an object of the response class
 * @implements ClientStreamInterface<T>
 */
final class ClientStream implements ClientStreamInterface
{
    private function __construct() {}

    /**
     * Sends one message. Waits while the server takes none.
     *
     * @param string|object $message
     * @throws RpcException where the call has ended: with its status, which may be Ok
     * @throws LogicException after finish()
     * @throws InvalidArgumentException where it is no message
     */
    public function send(mixed $message): void {}

    /**
     * Half-closes, and waits for the response. May be called again: the outcome stays.
     *
     * @return T a string, or an object of the response class
     * @throws RpcException where the call does not end Ok
     */
    public function finish(): mixed {}

    /** @return array<string, list<string>> the headers the server sent; waits for them */
    public function headers(): array {}

    /** @return array<string, list<string>> the trailers; empty while the call has not ended */
    public function trailers(): array {}

    /** How the call ended; null while it has not. */
    public function status(): ?Status {}

    /** "ipv4:127.0.0.1:50051", "unix:/run/x.sock"; the target while there is no connection. */
    public function peer(): string {}

    /** Ends the call with Cancelled, unless it has ended and you were told so or how. */
    public function cancel(): void {}
}

/**
 * A call with many requests and many responses: send() and iterate, in any order.
 *
 * @template-covariant T of string|object what each response is: a string, or an object of the response class
 * @implements BidiStreamInterface<T>
 */
final class BidiStream implements BidiStreamInterface
{
    private function __construct() {}

    /**
     * Sends one message. Waits while the server takes none.
     *
     * @param string|object $message
     * @throws RpcException where the call has ended: with its status, which may be Ok
     * @throws LogicException after halfClose()
     * @throws InvalidArgumentException where it is no message
     */
    public function send(mixed $message): void {}

    /** Says that no more messages will be sent. */
    public function halfClose(): void {}

    /**
     * The next response; null at the end of the stream. In a loop over the stream: the one after the loop's, which
     * goes on behind it.
     *
     * @return T|null a string, an object of the response class, or null
     * @throws RpcException where the call does not end Ok
     */
    public function receive(): mixed {}

    /**
     * @return T
     * @throws RpcException where the call does not end Ok
     */
    public function current(): mixed {}

    /** @throws RpcException where the call does not end Ok */
    public function next(): void {}

    public function key(): int {}

    /** @throws RpcException where the call does not end Ok */
    public function valid(): bool {}

    /**
     * Does nothing: a loop begins with the next response, behind those that receive() has returned.
     *
     * @throws LogicException once a loop has gone past a response
     */
    public function rewind(): void {}

    /** @return array<string, list<string>> the headers the server sent; waits for them */
    public function headers(): array {}

    /** @return array<string, list<string>> the trailers; empty while the stream has not ended */
    public function trailers(): array {}

    /** How the call ended; null while the stream has not ended. */
    public function status(): ?Status {}

    /** "ipv4:127.0.0.1:50051", "unix:/run/x.sock"; the target while there is no connection. */
    public function peer(): string {}

    /** Ends the call with Cancelled, unless it has ended and you were told so or how. */
    public function cancel(): void {}
}
