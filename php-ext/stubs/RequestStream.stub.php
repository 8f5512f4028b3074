<?php

namespace Viaduct;

/**
 * The messages a client streams to a handler: iterate it.
 */
final class RequestStream implements \Iterator
{
    private function __construct() {}

    /**
     * The next message; null once the client half-closed.
     *
     * @return mixed a string, an object of the request class, or null
     * @throws CancelledException where the client went away or the deadline passed
     */
    public function receive(): mixed {}

    /** @throws CancelledException where the client went away or the deadline passed */
    public function current(): mixed {}

    /** @throws CancelledException where the client went away or the deadline passed */
    public function next(): void {}

    public function key(): int {}

    /** @throws CancelledException where the client went away or the deadline passed */
    public function valid(): bool {}

    /**
     * Does nothing on a stream that was not read yet.
     *
     * @throws LogicException once a message was passed over
     */
    public function rewind(): void {}
}
