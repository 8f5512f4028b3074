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
     * @param list<array{cert: string, key: string}> $more certificates for other names, which the official extension
     *        does not have: a client is shown the one for the name that it asks for (SNI), and the first where there is
     *        none
     * @return ServerCredentials
     * @throws \InvalidArgumentException where they do not parse, or a key is not its certificate's
     */
    public static function createSsl($pem_root_certs, #[\SensitiveParameter] $pem_private_key, $pem_cert_chain, #[\SensitiveParameter] $more = []) {}
}
