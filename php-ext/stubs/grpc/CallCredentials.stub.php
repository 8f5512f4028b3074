<?php

namespace Grpc;

/** Metadata that proves who calls. It goes out on TLS only. */
class CallCredentials
{
    private function __construct() {}

    /**
     * What both add.
     *
     * @param CallCredentials $creds1
     * @param CallCredentials $creds2
     * @return CallCredentials
     * @throws \InvalidArgumentException
     */
    public static function createComposite($creds1, $creds2) {}

    /**
     * @param callable(object{service_url: string, method_name: string}): array<string, string[]> $callback called
     *        before each call is sent, on the thread that runs PHP
     * @return CallCredentials
     * @throws \InvalidArgumentException
     */
    public static function createFromPlugin($callback) {}
}
