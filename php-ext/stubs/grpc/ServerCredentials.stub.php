<?php

namespace Grpc;

/** What a secure port proves, and demands of its clients. */
class ServerCredentials
{
    private function __construct() {}

    /**
     * @param string|null $pem_root_certs PEM: clients must show a certificate that comes from these. null: clients are
     *        not asked for one
     * @param string $pem_private_key PEM
     * @param string $pem_cert_chain PEM, the server's own certificate first
     * @return ServerCredentials
     * @throws \InvalidArgumentException where they do not parse, or the key is not the certificate's
     */
    public static function createSsl($pem_root_certs, $pem_private_key, $pem_cert_chain) {}
}
