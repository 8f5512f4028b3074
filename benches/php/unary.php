<?php
/** Sequential unary calls: latency and CPU per call. The twin of h2-client. */

declare(strict_types=1);

require __DIR__ . '/common.php';

[$port, $size, $calls] = numbers('PORT SIZE CALLS');
$channel = channel($port);
$request = str_repeat('x', $size);

for ($i = 0; $i < WARM_UP; $i++) {
    expect($channel->unary(UNARY, $request) === $request, 'the answer is not the request');
}
$times = array_fill(0, $calls, 0);
$cpu = cpu();
$begin = hrtime(true);
for ($i = 0; $i < $calls; $i++) {
    $start = hrtime(true);
    $reply = $channel->unary(UNARY, $request);
    $times[$i] = hrtime(true) - $start;
}
$wall = hrtime(true) - $begin;
$cpu = cpu() - $cpu;
expect($reply === $request, 'the last answer is not the request');
sort($times);
report([
    'p50_us' => percentile($times, 0.5) / 1000,
    'p99_us' => percentile($times, 0.99) / 1000,
    'cpu_us' => $cpu / $calls,
    'calls_per_s' => $calls / $wall * 1e9,
]);
