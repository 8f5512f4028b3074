<?php

namespace Grpc;

/**
 * What a channel proves and demands of its peer.
 *
 * The roots of trust are those given; else those of setDefaultRootsPem(); else those in the file that the environment
 * variable GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names; else the system's.
 */
class ChannelCredentials
{
    private function __construct() {}

    /**
     * Sets the roots of trust for the whole process. They are read when credentials are made.
     *
     * @param string $pem_roots
     * @return void
     * @throws \InvalidArgumentException
     */
    public static function setDefaultRootsPem($pem_roots) {}

    /** @return bool */
    public static function isDefaultRootsPemSet() {}

    /** @return void */
    public static function invalidateDefaultRootsPem() {}

    /**
     * TLS with Google's application default credentials.
     *
     * @return ChannelCredentials
     * @throws \RuntimeException where there are none
     */
    public static function createDefault() {}

    /**
     * TLS. A client certificate needs key and chain; an empty text is as good as none.
     *
     * @param string|null $pem_root_certs
     * @param string|null $pem_private_key
     * @param string|null $pem_cert_chain
     * @return ChannelCredentials
     * @throws \InvalidArgumentException where a text is not what it should be, or the key is another certificate's
     */
    public static function createSsl($pem_root_certs = null, #[\SensitiveParameter] $pem_private_key = null, $pem_cert_chain = null) {}

    /**
     * Adds call credentials for every call. Such channels are not persistent.
     *
     * @param ChannelCredentials $channel_creds
     * @param CallCredentials $call_creds
     * @return ChannelCredentials
     * @throws \InvalidArgumentException
     */
    public static function createComposite($channel_creds, $call_creds) {}

    /** @return null */
    public static function createInsecure() {}

    /**
     * @param ChannelCredentials $fallback_creds taken for all targets, as xds: is not supported
     * @return ChannelCredentials
     * @throws \InvalidArgumentException
     */
    public static function createXds($fallback_creds) {}
}
