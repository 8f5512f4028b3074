<?php

namespace Viaduct;

/**
 * How a server behaves. All spans are in seconds.
 */
final class ServerOptions
{
    /**
     * @param int $concurrency how many handlers may run at once, each in its fiber; 1: one after the other, no fibers
     * @param int $maxQueued how many requests may wait while no handler is free; more: ResourceExhausted
     * @param int $maxReceiveBytes the longest message taken, after decompression; longer: ResourceExhausted
     * @param int|null $maxSendBytes the longest message sent; longer: ResourceExhausted
     * @param int $maxConcurrentStreams how many calls one connection may have open
     * @param int $maxConnections how many connections there may be; more are closed as they come
     * @param float $drainTimeout how long run() goes on for calls that still run, once it was told to stop
     * @param float|null $keepalive PING a client after this much silence; null: never
     * @param float $keepaliveTimeout close the connection where a PING is not answered within this
     * @param Compression $compression how messages are compressed, for clients that understand it
     * @param bool $exposeErrors send the text and trace of unexpected exceptions to the client (for development)
     * @throws InvalidArgumentException where a number is not in its range
     */
    public function __construct(
        int $concurrency = 256,
        int $maxQueued = 4096,
        int $maxReceiveBytes = 4194304,
        ?int $maxSendBytes = null,
        int $maxConcurrentStreams = 1024,
        int $maxConnections = 10000,
        float $drainTimeout = 30.0,
        ?float $keepalive = null,
        float $keepaliveTimeout = 20.0,
        Compression $compression = Compression::None,
        bool $exposeErrors = false,
    ) {}
}
