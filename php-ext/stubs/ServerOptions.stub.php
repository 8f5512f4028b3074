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
     * @param int $maxMetadataBytes the longest headers of a request, as HTTP/2 counts them (RFC 9113, section 6.5.2): name,
     *        value and 32 bytes for each. Longer: ResourceExhausted, for that call. 1 KiB to 16 MiB
     * @param float|null $maxConnectionIdle tell a connection to go away (GOAWAY) after this long without a call; null: never
     * @param float|null $maxConnectionAge tell a connection to go away after this long, give or take a tenth; its calls go
     *        on, and the client makes a new connection, perhaps to another server; null: never
     * @param float|null $maxConnectionAgeGrace how long those calls may take; null: as long as they like
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
        int $maxMetadataBytes = 16384,
        ?float $maxConnectionIdle = null,
        ?float $maxConnectionAge = null,
        ?float $maxConnectionAgeGrace = null,
    ) {}
}
