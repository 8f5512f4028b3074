<?php

namespace Grpc;

/**
 * A server that PHP asks for one call after the other. It goes on while PHP does something else, and ends with its
 * object: calls that are under way are cut then.
 */
class Server
{
    /**
     * @param array<string, int|string>|null $args grpc.max_receive_message_length, grpc.max_send_message_length (−1: no
     *        limit), grpc.max_concurrent_streams, grpc.max_metadata_size, grpc.keepalive_time_ms,
     *        grpc.keepalive_timeout_ms, grpc.default_compression_algorithm, grpc.so_reuseport (1: other servers that say
     *        the same may listen on the same port). Others are taken and have no effect
     * @throws \InvalidArgumentException
     */
    public function __construct($args = null) {}

    /**
     * Listens on a port in plaintext. Connections wait until the server is started.
     *
     * @param string $addr host:port, unix:path or unix-abstract:name; port 0 takes a free one. A name stands for all of
     *        its addresses, and 0.0.0.0 for IPv6, too, where there is any
     * @return int the port; 1 for a Unix socket; 0 where the address cannot be bound
     * @throws \InvalidArgumentException
     * @throws \LogicException where the server was started
     */
    public function addHttp2Port($addr) {}

    /**
     * As addHttp2Port(), with TLS.
     *
     * @param string $addr
     * @param ServerCredentials $server_creds
     * @return int
     * @throws \InvalidArgumentException
     * @throws \LogicException where the server was started
     */
    public function addSecureHttp2Port($addr, $server_creds) {}

    /**
     * Waits for the next call of any method. Handlers of signals run meanwhile where pcntl_async_signals() is on.
     *
     * @return \stdClass object{method: string, host: string, absolute_deadline: Timeval, metadata: array<string,
     *         string[]>, call: Call}
     * @throws \LogicException where the server was not started
     * @throws \RuntimeException in a forked child: the server is its parent's
     */
    public function requestCall() {}

    /**
     * Begins to take connections.
     *
     * @throws \LogicException where it was started before
     * @throws \RuntimeException where the system refuses
     */
    public function start() {}
}
