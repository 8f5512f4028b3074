<?php

namespace Viaduct;

/**
 * How a channel behaves. All spans are in seconds.
 */
final class ChannelOptions
{
    /**
     * @param int $maxReceiveBytes the longest message taken, after decompression; longer: ResourceExhausted
     * @param int|null $maxSendBytes the longest message sent; longer: ResourceExhausted, nothing is sent
     * @param float|null $keepalive PING the peer after this much silence while calls run; null: never. After two PINGs
     *        without DATA or HEADERS from this side, one a minute; after GOAWAY "too_many_pings" the interval doubles
     * @param float $keepaliveTimeout close the connection where a PING is not answered within this
     * @param bool $keepaliveWithoutCalls PING while no call runs, too
     * @param float $connectTimeout how long one attempt to connect may take, TLS included
     * @param float|null $idleTimeout close the connection after this long without a call; null: never
     * @param float $initialBackoff the pause after the first failed attempt; it grows by 1.6 each time
     * @param float $maxBackoff the longest pause between attempts
     * @param string|null $userAgent put before our own
     * @param string|null $authority sent as :authority, in the target's place
     * @param Compression $compression how messages are compressed where the call does not say
     * @param bool $waitForReady whether calls wait while the channel is in TransientFailure, where the call does
     *        not say
     * @param string|null $serviceConfig JSON, as gRPC's service_config.proto has it: timeouts, waitForReady,
     *        limits, retryPolicy or hedgingPolicy by method; retryThrottling; loadBalancingConfig
     * @param bool $retries whether calls are sent again at all: by policy, or because the server has certainly not
     *        processed them
     * @param string|null $loadBalancing where the target has several addresses, and the service config says nothing: 'pick_first', also for null, makes one
     *        connection, to the first that takes it; 'round_robin' makes one to each, and the calls rotate
     * @param string|null $proxy an HTTP proxy to CONNECT through: http://host:port or http://user:password@host:port.
     *        '' for none. null: the first of the environment's grpc_proxy, https_proxy and http_proxy, unless
     *        no_grpc_proxy or else no_proxy excepts the target (the loopback is an exception only if it is named
     *        there). Unix sockets are never proxied
     * @param int $maxMetadataBytes the longest headers or trailers of an answer, as HTTP/2 counts them (RFC 9113, section
     *        6.5.2): name, value and 32 bytes for each. Longer: ResourceExhausted, for that call. 1 KiB to 16 MiB
     * @param array<string, string|list<string>>|null $metadata sent with every call. A call's own metadata stands in the
     *        place of what is here under the same key
     * @param bool $persistent whether channels with the same target, credentials and options share their connections,
     *        which outlive the objects and, under FPM, the request: see Channel::close(). false: this one has its own
     * @throws InvalidArgumentException where a number is not in its range, a text not legal in a header, or a service
     *         config, a policy or a proxy not understood
     */
    public function __construct(
        int $maxReceiveBytes = 4194304,
        ?int $maxSendBytes = null,
        ?float $keepalive = null,
        float $keepaliveTimeout = 20.0,
        bool $keepaliveWithoutCalls = false,
        float $connectTimeout = 20.0,
        ?float $idleTimeout = null,
        float $initialBackoff = 1.0,
        float $maxBackoff = 120.0,
        ?string $userAgent = null,
        ?string $authority = null,
        Compression $compression = Compression::None,
        bool $waitForReady = false,
        ?string $serviceConfig = null,
        bool $retries = true,
        ?string $loadBalancing = null,
        ?string $proxy = null,
        int $maxMetadataBytes = 65536,
        ?array $metadata = null,
        bool $persistent = true,
    ) {}
}
