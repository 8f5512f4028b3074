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
     * @param float|null $keepalive PING the peer after this much silence while calls run; null: never
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
     * @throws InvalidArgumentException where a number is not in its range, a text not legal in a header, or the
     *         service config has a value that it cannot have
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
    ) {}
}
