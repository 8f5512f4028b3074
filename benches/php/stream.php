<?php
/** Server streams, each message taken by foreach: messages per second. The twin of rust-stream. */

declare(strict_types=1);

require __DIR__ . '/common.php';

[$port, $count, $size, $calls] = numbers('PORT COUNT SIZE CALLS');
$channel = channel($port);

$run = function (int $calls) use ($channel, $count, $size): int {
    $messages = $bytes = 0;
    for ($i = 0; $i < $calls; $i++) {
        foreach ($channel->serverStream(SERVER_STREAM, "$count $size") as $message) {
            $messages++;
            $bytes += strlen($message);
        }
    }
    expect($messages === $calls * $count && $bytes === $messages * $size, "$messages messages of $bytes bytes came");
    return $messages;
};

$run((int) ceil($calls / 10));
$cpu = cpu();
$start = hrtime(true);
$messages = $run($calls);
$wall = hrtime(true) - $start;
report(['messages_per_s' => $messages / $wall * 1e9, 'cpu_us' => (cpu() - $cpu) / $messages]);
