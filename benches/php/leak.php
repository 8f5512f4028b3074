<?php
/** Whether memory stays where it is: unary calls, then stream messages each way. RSS in KiB. */

declare(strict_types=1);

require __DIR__ . '/common.php';

[$port, $calls, $messages] = numbers('PORT CALLS MESSAGES');
$channel = channel($port);
$request = str_repeat('x', 100);
$a_stream = 1000;

$unary = fn () => $channel->unary(UNARY, $request);
$down = function () use ($channel, $a_stream): void {
    $got = 0;
    foreach ($channel->serverStream(SERVER_STREAM, "$a_stream 100") as $message) {
        $got++;
    }
    expect($got === $a_stream, "$got of $a_stream messages came");
};
$up = function () use ($channel, $a_stream, $request): void {
    $stream = $channel->clientStream(CLIENT_STREAM);
    for ($i = 0; $i < $a_stream; $i++) {
        $stream->send($request);
    }
    $got = $stream->finish();
    expect($got === "$a_stream", "$got of $a_stream messages arrived");
};

/** RSS after the first twentieth, and after all. */
$measure = function (callable $act, int $times): array {
    $first = 0;
    for ($i = 1; $i <= $times; $i++) {
        $act();
        if ($i === intdiv($times, 20)) {
            $first = rss();
        }
    }
    $last = rss();
    return ['first_kib' => $first, 'last_kib' => $last, 'growth_kib' => $last - $first];
};

rss();
report([
    'unary' => $measure($unary, $calls),
    'down' => $measure($down, intdiv($messages, $a_stream)),
    'up' => $measure($up, intdiv($messages, $a_stream)),
]);
