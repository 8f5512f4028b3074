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
     * @param list<array{cert: string, key: string}> $more certificates for other names: a client is shown the one
     *     for the name that it asks for (SNI), and the first where there is none
     * @throws InvalidArgumentException where a text does not parse or the key does not belong to the certificate
     */
    public static function tls(string $cert, #[\SensitiveParameter] string $key, ?string $clientCa = null, #[\SensitiveParameter] array $more = []): ServerCredentials {}
}
