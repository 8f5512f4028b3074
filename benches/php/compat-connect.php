<?php
/** New channels, each until it is connected, and one call on it: microseconds. TLS where there is a file with roots. */

declare(strict_types=1);

require __DIR__ . '/compat.php';

$roots = $argc > 3 ? array_pop($argv) : '';
[$port, $channels] = numbers('PORT CHANNELS');

$run = function () use ($port, $roots): int {
    // With it the credentials, which read the roots, and resume no session.
    $begin = hrtime(true);
    $channel = grpc($port, $roots);
    $deadline = Grpc\Timeval::now()->add(new Grpc\Timeval(10_000_000));
    while (($state = $channel->getConnectivityState(true)) !== Grpc\CHANNEL_READY) {
        expect($channel->watchConnectivityState($state, $deadline), 'the channel does not connect');
    }
    expect(waited(started($channel, UNARY, 'x')) === 'x', 'the answer is not the request');
    $time = hrtime(true) - $begin;
    $channel->close();
    return $time;
};

$run();
for ($times = []; count($times) < $channels;) {
    $times[] = $run();
}
sort($times);
report(['p50_us' => percentile($times, 0.5) / 1000]);
