<?php
/** Sequential unary calls by Grpc\Call, in two batches each: latency and CPU per call. The twin of unary.php. */

declare(strict_types=1);

require __DIR__ . '/compat.php';

// TLS where there is a file with roots.
$roots = $argc > 4 ? array_pop($argv) : '';
[$port, $size, $calls] = numbers('PORT SIZE CALLS');
$channel = grpc($port, $roots);
$request = str_repeat('x', $size);

for ($i = 0; $i < WARM_UP; $i++) {
    expect(waited(started($channel, UNARY, $request)) === $request, 'the answer is not the request');
}
$times = array_fill(0, $calls, 0);
$cpu = cpu();
for ($i = 0; $i < $calls; $i++) {
    $start = hrtime(true);
    $reply = waited(started($channel, UNARY, $request));
    $times[$i] = hrtime(true) - $start;
}
$cpu = cpu() - $cpu;
expect($reply === $request, 'the last answer is not the request');
sort($times);
report([
    'p50_us' => percentile($times, 0.5) / 1000,
    'p99_us' => percentile($times, 0.99) / 1000,
    'cpu_us' => $cpu / $calls,
]);
