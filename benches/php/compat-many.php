<?php
/** Calls with credentials of their own, all started, then waited for, as gax does it; and one such call alone. */

declare(strict_types=1);

require __DIR__ . '/compat.php';

$roots = array_pop($argv);
[$port, $calls] = numbers('PORT CALLS');
$channel = grpc($port, $roots);

$run = function (int $calls) use ($channel): float {
    $all = [];
    $begin = hrtime(true);
    for ($i = 0; $i < $calls; $i++) {
        $call = new Grpc\Call($channel, UNARY, Grpc\Timeval::now()->add(new Grpc\Timeval(60_000_000)));
        $call->setCredentials(Grpc\CallCredentials::createFromPlugin(
            fn (object $context): array => ['authorization' => ["Bearer $i"]],
        ));
        $call->startBatch([
            Grpc\OP_SEND_INITIAL_METADATA => [],
            Grpc\OP_SEND_MESSAGE => ['message' => 'x'],
            Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
        ]);
        $all[] = $call;
    }
    foreach ($all as $call) {
        expect(waited($call) === 'x', 'a call has no answer');
    }
    return (hrtime(true) - $begin) / 1e6;
};

$run(1);
report(['one_ms' => $run(1), 'many_ms' => $run($calls)]);
