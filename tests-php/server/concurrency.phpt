--TEST--
Server: concurrency bounds how many handlers run; 1 runs them in order; maxQueued bounds who waits
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1], maxQueued: (int) $argv[2]));
$now = $most = 0;
$order = [];
$server->handle('/con.A/Wait', function (string $in) use (&$now, &$most, &$order): string {
    $most = max($most, ++$now);
    $order[] = $in;
    delay(patient(0.1));
    $now--;
    return $in;
});
$server->handle('/con.A/Most', function (string $in) use (&$most, &$order): string {
    return json_encode([$most, implode(' ', $order)]);
});
$server->handle('/con.A/Sleep', function (string $in): string { usleep((int) $in); return 'slept'; });
$server->handle('/con.A/Until', function (string $file): string { say('runs'); while (!is_file($file)) delay(0.01); return 'seen'; });
serve($server);
PHP;
foreach ([[1, 4096], [3, 4096], [256, 4096]] as [$concurrency, $queued]) {
    $server = ServerProcess::start($code, arguments: [$concurrency, $queued]);
    $channel = new Channel($server->address);
    $calls = array_map(fn(int $i) => $channel->start('/con.A/Wait', (string) $i), range(1, 20));
    echo implode(' ', Viaduct\await(...$calls)), "\n";
    [$most, $order] = json_decode($channel->unary('/con.A/Most', ''));
    echo "$concurrency: at most $most at once\n";
    if ($concurrency === 1) {
        echo $order, "\n";
    }
    echo $server->stop(), "\n", $server->errors(), $server->log();
}
echo "--- maxQueued\n";
foreach ([1, 2] as $concurrency) {
    $server = ServerProcess::start($code, arguments: [$concurrency, 5]);
    $channel = new Channel($server->address);
    $file = scratch() . "/go$concurrency";
    $running = array_map(fn() => $channel->start('/con.A/Until', $file), range(1, $concurrency));
    foreach ($running as $_) $server->line();
    // All places are taken: 5 wait, the rest is refused at once.
    $calls = array_map(fn() => $channel->start('/con.A/Wait', 'x'), range(1, 12));
    eventually(function () use ($calls) { Viaduct\delay(0.01); return count(array_filter($calls, fn($c) => $c->done())) === 7; });
    touch($file);
    echo json_encode(Viaduct\await(...$running)), "\n";
    $ended = [];
    foreach ($calls as $call) {
        $name = $call->status()->code->name;
        $ended[$name] = ($ended[$name] ?? 0) + 1;
        $message = $name === 'Ok' ? $message ?? '' : $call->status()->message;
    }
    ksort($ended);
    echo json_encode($ended), " $message\n";
    echo $channel->unary('/con.A/Wait', 'after'), "\n";
    echo $server->stop(), "\n", $server->errors(), $server->log();
}
echo "--- free handlers\n";
// What one turn brings waits only where no handler is free.
foreach ([[256, 10, 50], [256, 0, 1], [1, 0, 2], [2, 3, 10]] as [$concurrency, $queued, $count]) {
    $server = ServerProcess::start($code, arguments: [$concurrency, $queued]);
    $channel = new Channel($server->address);
    $file = scratch() . "/go$concurrency-$queued";
    $calls = array_map(fn() => $channel->start('/con.A/Until', $file), range(1, $count));
    $refused = max(0, $count - $concurrency - $queued);
    eventually(function () use ($calls, $refused) { Viaduct\delay(0.01); return count(array_filter($calls, fn($c) => $c->done())) === $refused; });
    touch($file);
    $ended = array_count_values(array_map(fn($call) => $call->status()->code->name, $calls));
    ksort($ended);
    echo "$concurrency and $queued: ", json_encode($ended), ' ', $channel->unary('/con.A/Wait', 'after'), "\n";
    echo $server->stop(), "\n", $server->errors(), $server->log();
}
?>
--EXPECT--
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
1: at most 1 at once
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
0
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
3: at most 3 at once
0
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
256: at most 20 at once
0
--- maxQueued
["seen"]
{"Ok":5,"ResourceExhausted":7} the server has 5 calls waiting and takes no more
after
0
["seen","seen"]
{"Ok":5,"ResourceExhausted":7} the server has 5 calls waiting and takes no more
after
0
--- free handlers
256 and 10: {"Ok":50} after
0
256 and 0: {"Ok":1} after
0
1 and 0: {"Ok":1,"ResourceExhausted":1} after
0
2 and 3: {"Ok":5,"ResourceExhausted":5} after
0
