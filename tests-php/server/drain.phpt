--TEST--
Server: SIGTERM and SIGINT drain it, a second one a second later aborts, drainTimeout bounds it
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions};

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1], drainTimeout: (float) $argv[2]));
$server->handle('/dr.A/Until', function (string $file): string {
    say('running');
    while (!is_file($file)) delay(0.01);
    return 'finished';
});
$server->handle('/dr.A/Count', function (string $file): iterable {
    yield 'first';
    while (!is_file($file)) delay(0.01);
    yield 'last';
});
$server->handle('/dr.A/Never', function (string $in): string {
    say('running');
    try {
        delay(60);
    } catch (CancelledException $e) {
        say('cancelled');
        throw $e;
    }
    return '';
});
serve($server);
say('after');
PHP;
function refused(ServerProcess $server): bool
{
    $port = parse_url($server->address, PHP_URL_PORT);
    return eventually(fn() => @fsockopen('127.0.0.1', $port, $errno, $error, 1) === false && $errno === 111);
}
foreach ([SIGTERM, SIGINT] as $signal) {
    foreach ([256, 1] as $concurrency) {
        echo "--- signal $signal, concurrency $concurrency\n";
        $server = ServerProcess::start($code, arguments: [$concurrency, 30]);
        $channel = new Channel($server->address);
        $file = scratch() . "/go-$signal-$concurrency";
        $call = $channel->start('/dr.A/Until', $file);
        Viaduct\delay(0);
        echo $server->line(), "\n";
        $stream = null;
        if ($concurrency > 1) {
            $stream = $channel->serverStream('/dr.A/Count', $file);
            echo $stream->receive(), "\n";
        }
        $server->send($signal);
        var_dump(refused($server), $server->alive());
        // The channel has seen the GOAWAY: a new call does not reach this server.
        $late = new Channel($server->address, options: new ChannelOptions(initialBackoff: 0.1));
        outcome(function () use ($late) {
            try {
                return $late->unary('/dr.A/Until', '/', timeout: 5);
            } catch (Viaduct\RpcException $e) {
                return $e->statusCode()->name;
            }
        });
        touch($file);
        outcome(fn() => $call->wait());
        if ($stream) {
            var_dump($stream->receive(), $stream->receive());
        }
        echo $server->wait(5), "\n", $server->rest(), $server->errors(), $server->log();
    }
}
echo "--- the second signal\n";
$server = ServerProcess::start($code, arguments: [256, 60]);
$channel = new Channel($server->address);
$call = $channel->start('/dr.A/Never', '');
Viaduct\delay(0);
echo $server->line(), "\n";
// Process groups and timeout(1) send two at once: that is one.
$server->send(SIGTERM);
$server->send(SIGTERM);
var_dump(refused($server));
usleep(200_000);
var_dump($server->alive(), $call->done());
echo $server->insist(SIGTERM), "\n", $server->rest(), $server->errors(), $server->log();
echo $call->status()->code->name, "\n";
echo "--- drainTimeout\n";
$server = ServerProcess::start($code, arguments: [256, 0.3]);
$channel = new Channel($server->address);
$call = $channel->start('/dr.A/Never', '');
Viaduct\delay(0);
echo $server->line(), "\n";
$start = microtime(true);
echo $server->stop(15), "\n", $server->rest(), $server->errors(), $server->log();
$took = microtime(true) - $start;
echo $call->status()->code->name, $took >= 0.29 && $took < 10 ? '' : " after $took", "\n";
echo "--- idle\n";
$server = ServerProcess::start($code, arguments: [256, 60]);
$channel = new Channel($server->address);
$channel->waitForReady(10);
echo $server->stop(5), "\n", $server->rest(), $server->errors(), $server->log();
?>
--EXPECT--
--- signal 15, concurrency 256
running
first
bool(true)
bool(true)
OK Unavailable
OK finished
string(4) "last"
NULL
0
run() has returned
after
--- signal 15, concurrency 1
running
bool(true)
bool(true)
OK Unavailable
OK finished
0
run() has returned
after
--- signal 2, concurrency 256
running
first
bool(true)
bool(true)
OK Unavailable
OK finished
string(4) "last"
NULL
0
run() has returned
after
--- signal 2, concurrency 1
running
bool(true)
bool(true)
OK Unavailable
OK finished
0
run() has returned
after
--- the second signal
running
bool(true)
bool(true)
bool(false)
0
run() has returned
after
Unavailable
--- drainTimeout
running
0
run() has returned
after
Unavailable
--- idle
0
run() has returned
after
