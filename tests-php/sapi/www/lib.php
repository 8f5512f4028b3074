<?php

// What the scripts under FPM share. BACKEND is the backend's address.

/** One call: text of the answer, status code, details. */
function call(string $text, string $method = 'Echo', ?string $target = null, array $args = []): array
{
    $call = start($text, $method, $target, $args);
    $event = $call->startBatch([
        Grpc\OP_RECV_INITIAL_METADATA => true,
        Grpc\OP_RECV_MESSAGE => true,
        Grpc\OP_RECV_STATUS_ON_CLIENT => true,
    ]);
    return [$event->message, $event->status->code, $event->status->details];
}

/** A call whose request has left. */
function start(string $text, string $method, ?string $target = null, array $args = []): Grpc\Call
{
    $channel = new Grpc\Channel($target ?? getenv('BACKEND'), [
        'credentials' => Grpc\ChannelCredentials::createInsecure(),
        // So that calls do not fail for long after the backend has come back.
        'grpc.initial_reconnect_backoff_ms' => 20,
        'grpc.max_reconnect_backoff_ms' => 20,
    ] + $args);
    $deadline = Grpc\Timeval::now()->add(new Grpc\Timeval(60_000_000));
    $call = new Grpc\Call($channel, "/sapi.Backend/$method", $deadline);
    $call->startBatch([
        Grpc\OP_SEND_INITIAL_METADATA => [],
        Grpc\OP_SEND_MESSAGE => ['message' => getmypid() . " $text"],
        Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
    ]);
    return $call;
}

/** A call that the backend has begun to answer and will not end. */
function begun(string $text): Grpc\Call
{
    $call = start($text, 'Hang');
    $call->startBatch([Grpc\OP_RECV_INITIAL_METADATA => true]);
    return $call;
}

/** Ends the request with the outcome of a call. 424: the call failed; 5xx is left to nginx and FPM. */
function answer(bool $good, string $text): void
{
    if ($log = getenv('CALLS')) {
        $times = [$_SERVER['REQUEST_TIME_FLOAT'], microtime(true)];
        $line = json_encode([getmypid(), ...$times, $good, $text], JSON_UNESCAPED_SLASHES);
        file_put_contents($log, "$line\n", FILE_APPEND);
    }
    http_response_code($good ? 200 : 424);
    echo $text;
}

function threads(): int
{
    return count(scandir('/proc/self/task')) - 2;
}

/** What the descriptors of this process are: "anon_inode:[eventfd]" and so on. */
function descriptors(): array
{
    // The directory's own descriptor is gone by the time it is asked for.
    return array_filter(array_map(fn($fd) => @readlink("/proc/self/fd/$fd"), array_diff(scandir('/proc/self/fd'), ['.', '..'])));
}
