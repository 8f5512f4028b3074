<?php

namespace Grpc;

/** What a server proves and demands of its clients. */
class ServerCredentials
{
    private function __construct() {}

    /**
     * @param string|null $pem_root_certs
     * @param string $pem_private_key
     * @param string $pem_cert_chain
     * @return ServerCredentials
     * @throws \InvalidArgumentException
     */
    public static function createSsl($pem_root_certs, $pem_private_key, $pem_cert_chain) {}
}
