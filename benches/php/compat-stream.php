<?php
/** Server streams by Grpc\Call, one message in each batch: messages per second. The twin of stream.php. */

declare(strict_types=1);

require __DIR__ . '/compat.php';

[$port, $count, $size, $calls] = numbers('PORT COUNT SIZE CALLS');
$channel = grpc($port);

$run = function (int $calls) use ($channel, $count, $size): int {
    $messages = $bytes = 0;
    for ($i = 0; $i < $calls; $i++) {
        $call = started($channel, SERVER_STREAM, "$count $size");
        $batch = [Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_INITIAL_METADATA => true];
        while (($message = $call->startBatch($batch)->message) !== null) {
            $messages++;
            $bytes += strlen($message);
            $batch = [Grpc\OP_RECV_MESSAGE => true];
        }
        $status = $call->startBatch([Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status;
        expect($status->code === Grpc\STATUS_OK, "a stream ended with $status->code: $status->details");
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
