<?php

namespace Grpc;

/** A server that is asked for one call after the other. */
class Server
{
    /**
     * @param array|null $args channel arguments: grpc.so_reuseport, grpc.max_concurrent_streams, …
     * @throws \InvalidArgumentException
     */
    public function __construct($args = null) {}

    /**
     * Waits for one call.
     *
     * @return object with `call`, `method`, `host`, `absolute_deadline` and `metadata`
     */
    public function requestCall() {}

    /**
     * @param string $addr address:port; port 0 chooses one
     * @return int the port; 0 where the address cannot be bound
     * @throws \InvalidArgumentException
     */
    public function addHttp2Port($addr) {}

    /**
     * @param string $addr
     * @param ServerCredentials $server_creds
     * @return int the port; 0 where the address cannot be bound
     * @throws \InvalidArgumentException
     */
    public function addSecureHttp2Port($addr, $server_creds) {}

    /**
     * Begins to take calls.
     *
     * @return void
     */
    public function start() {}
}
