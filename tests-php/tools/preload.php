<?php

// For opcache.preload: classes that extend, use and name ours; and a channel and a task that are used before any script.

namespace ViaductPreloaded;

use Viaduct\{Channel, RpcException, StatusCode};

class NotFound extends RpcException
{
    public const CODE = StatusCode::NotFound;

    public function __construct(string $what, public readonly StatusCode $like = StatusCode::Unknown)
    {
        parent::__construct(self::CODE, "no $what");
    }
}

class Credentials extends \Grpc\ServerCredentials {}

new NotFound('greeting');
// Nobody listens there.
$channel = new Channel('http://127.0.0.1:1');
try {
    $channel->unary('/a.B/C', '', timeout: 0.2);
} catch (RpcException $e) {
    if (\Viaduct\async(fn() => \Viaduct\delay(0.001) ?? 'task')->wait() !== 'task') {
        echo "NO TASK\n";
    }
}
