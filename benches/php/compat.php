<?php
/** What the scripts of the drop-in share. They use its classes only: any extension that has them can run them. */

declare(strict_types=1);

require __DIR__ . '/common.php';

/** A channel with a connection of its own to a port on loopback; TLS where there is a file with roots. */
function grpc(int $port, string $roots = ''): Grpc\Channel
{
    $credentials = $roots === ''
        ? Grpc\ChannelCredentials::createInsecure()
        : Grpc\ChannelCredentials::createSsl(file_get_contents($roots));
    return new Grpc\Channel("localhost:$port", ['credentials' => $credentials, 'force_new' => true]);
}

/** A call as the library on top starts it: one batch sends all. */
function started(Grpc\Channel $channel, string $method, string $request): Grpc\Call
{
    $call = new Grpc\Call($channel, $method, Grpc\Timeval::infFuture());
    $call->startBatch([
        Grpc\OP_SEND_INITIAL_METADATA => [],
        Grpc\OP_SEND_MESSAGE => ['message' => $request],
        Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
    ]);
    return $call;
}

/** What a unary call brings, in one batch. */
function waited(Grpc\Call $call): ?string
{
    return $call->startBatch([
        Grpc\OP_RECV_INITIAL_METADATA => true,
        Grpc\OP_RECV_MESSAGE => true,
        Grpc\OP_RECV_STATUS_ON_CLIENT => true,
    ])->message;
}
