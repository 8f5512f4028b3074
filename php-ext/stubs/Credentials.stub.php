<?php

namespace Viaduct;

/**
 * What a channel proves and demands of its peer.
 */
final class Credentials
{
    private function __construct() {}

    /**
     * TLS. All certificates and keys are PEM texts, not file names.
     *
     * @param string|null $ca certificates to trust; the system's where none are given
     * @param string|null $cert the client's certificate chain, for servers that ask for one
     * @param string|null $key the key that belongs to $cert
     * @param string|null $serverName the name that the server's certificate must have, where it is not the target's
     * @throws InvalidArgumentException where a text does not parse, or key and certificate do not come together
     */
    public static function tls(
        ?string $ca = null,
        ?string $cert = null,
        #[\SensitiveParameter] ?string $key = null,
        ?string $serverName = null,
    ): Credentials {}

    /** No protection: plaintext HTTP/2. */
    public static function insecure(): Credentials {}
}
