--TEST--
Server::stop(): from a handler, from a signal handler, from a task; several servers one after the other
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
$server->handle('/st.A/Stop', function (string $in) use ($server): string { $server->stop(); return 'stopping'; });
$server->handle('/st.A/StopMany', function (string $in) use ($server): iterable { yield 'a'; $server->stop(); delay(0.05); yield 'b'; });
$server->handle('/st.A/Echo', fn(string $in): string => $in);
$stop = function (int $signal) use ($server): void { say("signal $signal"); $server->stop(); };
if ($argv[2] !== '') {
    pcntl_async_signals($argv[2] === 'async');
    pcntl_signal(SIGTERM, $stop);
    pcntl_signal(SIGUSR1, $stop);
    pcntl_signal(SIGHUP, fn() => say('hup'));
}
if ($argv[2] === 'ignore') {
    pcntl_signal(SIGTERM, SIG_IGN);
    pcntl_signal(SIGINT, SIG_DFL);
}
serve($server);
say('after');
PHP;
foreach ([256, 1] as $concurrency) {
    foreach (['Stop', 'StopMany'] as $method) {
        echo "--- $method, concurrency $concurrency\n";
        $server = ServerProcess::start($code, arguments: [$concurrency, '']);
        $channel = new Channel($server->address);
        outcome(fn() => $method === 'Stop' ? $channel->unary('/st.A/Stop', '') : iterator_to_array($channel->serverStream('/st.A/StopMany', '')));
        echo $server->wait(5), "\n", $server->rest(), $server->errors(), $server->log();
    }
    foreach (['async', 'dispatched'] as $mode) {
        foreach ([SIGTERM, SIGUSR1] as $signal) {
            echo "--- signal $signal, $mode, concurrency $concurrency\n";
            $server = ServerProcess::start($code, arguments: [$concurrency, $mode]);
            $channel = new Channel($server->address);
            outcome(fn() => $channel->unary('/st.A/Echo', 'before'));
            // The loop comes round for it while nothing else happens.
            $server->send(SIGHUP);
            echo $server->line(5), "\n";
            outcome(fn() => $channel->unary('/st.A/Echo', 'between'));
            $server->send($signal);
            echo $server->wait(5), "\n", $server->rest(), $server->errors(), $server->log();
        }
    }
}
echo "--- SIGTERM ignored\n";
$server = ServerProcess::start($code, arguments: [256, 'ignore']);
$channel = new Channel($server->address);
$server->send(SIGTERM);
usleep(200_000);
outcome(fn() => $channel->unary('/st.A/Echo', 'still here'));
$server->send(SIGINT);
echo $server->wait(5), "\n", $server->rest(), $server->errors(), $server->log();
echo "--- one after the other, and what was there is put back\n";
$server = ServerProcess::start(<<<'PHP'
foreach ([1, 2, 3] as $n) {
    $server = new Server();
    $server->handle('/st.A/N', function (string $in) use ($n, $server): string { $server->stop(); return "server $n"; });
    serve($server);
}
async(function () use (&$server) { delay(0.05); $server->stop(); });
$server = new Server();
serve($server);
say('now SIGTERM ends it');
while (true) usleep(10_000);
PHP, serves: false);
foreach ([1, 2, 3] as $n) {
    $channel = new Channel(json_decode($server->line())[0]);
    outcome(fn() => $channel->unary('/st.A/N', ''));
    echo $server->line(), "\n";
}
$server->line();
echo $server->line(), "\n", $server->line(), "\n";
$server->send(SIGTERM);
$server->wait(5);
echo "signal $server->signal\n", $server->errors(), $server->log();
?>
--EXPECT--
--- Stop, concurrency 256
OK stopping
0
run() has returned
after
--- StopMany, concurrency 256
OK ["a","b"]
0
run() has returned
after
--- signal 15, async, concurrency 256
OK before
hup
OK between
0
signal 15
run() has returned
after
--- signal 10, async, concurrency 256
OK before
hup
OK between
0
signal 10
run() has returned
after
--- signal 15, dispatched, concurrency 256
OK before
hup
OK between
0
signal 15
run() has returned
after
--- signal 10, dispatched, concurrency 256
OK before
hup
OK between
0
signal 10
run() has returned
after
--- Stop, concurrency 1
OK stopping
0
run() has returned
after
--- StopMany, concurrency 1
OK ["a","b"]
0
run() has returned
after
--- signal 15, async, concurrency 1
OK before
hup
OK between
0
signal 15
run() has returned
after
--- signal 10, async, concurrency 1
OK before
hup
OK between
0
signal 10
run() has returned
after
--- signal 15, dispatched, concurrency 1
OK before
hup
OK between
0
signal 15
run() has returned
after
--- signal 10, dispatched, concurrency 1
OK before
hup
OK between
0
signal 10
run() has returned
after
--- SIGTERM ignored
OK still here
0
run() has returned
after
--- one after the other, and what was there is put back
OK server 1
run() has returned
OK server 2
run() has returned
OK server 3
run() has returned
run() has returned
now SIGTERM ends it
signal 15
