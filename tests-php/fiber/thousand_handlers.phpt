--TEST--
1,000 handlers wait at once on outgoing calls, in one process with fewer than 3 threads
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

define('N', underValgrind() ? 200 : 1000);
$go = scratch() . '/go';
$back = ServerProcess::start(<<<'PHP'
$server = new Server(new ServerOptions(concurrency: 2000, maxConcurrentStreams: 2000));
$waiting = 0;
$server->handle('/ba.A/Wait', function (string $in) use (&$waiting): string {
    if (++$waiting === (int) $in) say("$waiting wait");
    while (!is_file($GLOBALS['argv'][1])) delay(0.2);
    return 'back';
});
serve($server);
PHP, arguments: [$go]);
$front = ServerProcess::start(<<<'PHP'
$server = new Server(new ServerOptions(concurrency: 2000, maxConcurrentStreams: 2000));
$back = new Channel($argv[1]);
$server->handle('/fr.A/Wait', fn(string $in): string => $back->unary('/ba.A/Wait', $in) . ' and front');
serve($server);
PHP, arguments: [$back->address]);
$channel = new Viaduct\Channel($front->address);
$calls = array_map(fn() => $channel->start('/fr.A/Wait', (string) N), range(1, N));
Viaduct\delay(0);
eventually(function () use ($back) { Viaduct\delay(0.01); return $back->rest() !== ''; }, 30);
echo str_replace((string) N, 'all', $back->line()), "\n";
var_dump($front->threads() < 3, $back->threads() < 3, count(glob('/proc/self/task/*')) < 3);
echo count(array_filter($calls, fn($call) => $call->done())), " done\n";
touch($go);
echo str_replace((string) N, 'all', json_encode(array_count_values(Viaduct\await(...$calls)))), "\n";
echo $front->stop(), $back->stop(), "\n", $front->errors(), $front->log(), $back->errors(), $back->log();
?>
--EXPECT--
all wait
bool(true)
bool(true)
bool(true)
0 done
{"back and front":all}
00
