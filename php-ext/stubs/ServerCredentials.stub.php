<?php

namespace Viaduct;

/**
 * What a listener proves and demands of its clients.
 */
final class ServerCredentials
{
    private function __construct() {}

    /**
     * TLS. All certificates and keys are PEM texts, not file names.
     *
     * @param string $cert the server's certificate chain
     * @param string $key the key that belongs to it
     * @param string|null $clientCa where given, clients must show a certificate that these have signed
     * @throws InvalidArgumentException where a text does not parse or the key does not belong to the certificate
     */
    public static function tls(string $cert, string $key, ?string $clientCa = null): ServerCredentials {}
}
