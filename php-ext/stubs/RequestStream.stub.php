<?php

namespace Viaduct;

/**
 * The messages a client streams to a handler: iterate it.
 *
 * @template T of string|object what each message is: a string, or an object of the class that as() has set
 * @implements RequestStreamInterface<T>
 */
final class RequestStream implements RequestStreamInterface
{
    private function __construct() {}

    /**
     * Makes the messages objects of a class: `foreach ($requests->as(HelloRequest::class) as $request)`. Without it
     * they are strings.
     *
     * @template M of object
     * @param class-string<M> $messageClass a google/protobuf class
     * @return RequestStream<M> this stream
     * @throws InvalidArgumentException where there is no such class, or it has no mergeFromString
     */
    public function as(string $messageClass): RequestStream {}

    /**
     * The next message; null once the client half-closed.
     *
     * @return T|null a string, an object of the class that as() has set, or null
     * @throws CancelledException where the client went away or the deadline passed
     */
    public function receive(): mixed {}

    /**
     * @return T
     * @throws CancelledException where the client went away or the deadline passed
     */
    public function current(): mixed {}

    /** @throws CancelledException where the client went away or the deadline passed */
    public function next(): void {}

    public function key(): int {}

    /** @throws CancelledException where the client went away or the deadline passed */
    public function valid(): bool {}

    /**
     * Does nothing: a loop begins with the next message, behind those that receive() has returned.
     *
     * @throws LogicException once a loop has gone past a message
     */
    public function rewind(): void {}
}
