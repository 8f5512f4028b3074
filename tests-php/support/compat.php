<?php

/** For tests of the namespace Grpc that have client and server in one thread. */

use Grpc\{Call, Channel, Server, Timeval};

require_once __DIR__ . '/process.php';

/** A server that was started, and a channel of its own to it. */
function pair(array $serverArgs = [], array $channelArgs = [], string $address = '127.0.0.1:0'): array
{
    $server = new Server($serverArgs);
    $port = $server->addHttp2Port($address);
    $server->start();
    $host = substr($address, 0, strrpos($address, ':'));
    return [$server, new Channel(($host === '0.0.0.0' ? 'localhost' : $host) . ":$port", $channelArgs + ['force_new' => true]), $port];
}

/** A point in time some seconds from now. */
function soon(float $seconds): Timeval
{
    return Timeval::now()->add(new Timeval((int) ($seconds * 1e6)));
}

function call(Channel $channel, string $method = '/test.Echo/Any', float $seconds = 30, string $host = ''): Call
{
    return new Call($channel, $method, soon($seconds), $host);
}

/** What a server's unary answer is made of. */
function answer(string $message, array $initial = [], array $trailing = [], int $code = 0, string $details = ''): array
{
    return [
        Grpc\OP_SEND_INITIAL_METADATA => $initial,
        Grpc\OP_SEND_MESSAGE => ['message' => $message],
        Grpc\OP_SEND_STATUS_FROM_SERVER => ['metadata' => $trailing, 'code' => $code, 'details' => $details],
        Grpc\OP_RECV_CLOSE_ON_SERVER => true,
    ];
}

/** What a unary client sends first, and what it asks for then. */
function request(string $message, array $metadata = []): array
{
    return [
        Grpc\OP_SEND_INITIAL_METADATA => $metadata,
        Grpc\OP_SEND_MESSAGE => ['message' => $message],
        Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
    ];
}

const RESPONSE = [
    Grpc\OP_RECV_INITIAL_METADATA => true,
    Grpc\OP_RECV_MESSAGE => true,
    Grpc\OP_RECV_STATUS_ON_CLIENT => true,
];

/** "3 details" */
function status(object $status): string
{
    return trim("$status->code $status->details");
}

/** How something ends that shall throw: "LogicException(8): message". */
function thrown(callable $do): string
{
    try {
        return 'returned ' . get_debug_type($do());
    } catch (Throwable $e) {
        return get_class($e) . "({$e->getCode()}): {$e->getMessage()}";
    }
}
