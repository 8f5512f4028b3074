--TEST--
Signals while a client waits: PHP's handlers run at once where the program wants that, and what they throw leaves the wait
--EXTENSIONS--
grpc
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

use Viaduct\ChannelOptions;
use function Viaduct\{async, await, delay};

$peer = new Peer();
$channel = $peer->channel();
$address = substr($peer->target, 7);
$gate = tempnam(sys_get_temp_dir(), 'gate');
unlink($gate);
$batch = function () use ($address, $gate): Grpc\Call {
    $call = new Grpc\Call(new Grpc\Channel($address, []), '/test.Peer/Gate', Grpc\Timeval::infFuture());
    $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => $gate], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
    return $call;
};
$receive = [Grpc\OP_RECV_INITIAL_METADATA => true, Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true];
$later = fn(float $seconds) => Grpc\Timeval::now()->add(new Grpc\Timeval((int) ($seconds * 1e6)));
// Nobody accepts there; the port is ours for as long as the socket lives.
$bound = stream_socket_server('tcp://127.0.0.1:0');
$silent = stream_socket_get_name($bound, false);

// Each is waited for twice: the first wait, which would not end, is left by what the handler throws; then the gate is opened, and
// the second goes to the end.
$start = fn() => $channel->start('/test.Peer/Gate', $gate, timeout: 60.0);
$stream = fn() => $channel->serverStream('/test.Peer/GateStream', $gate, timeout: 60.0);
$join = function () use ($channel, $gate) {
    $call = $channel->clientStream('/test.Peer/GateJoin', timeout: 60.0);
    $call->send($gate);
    return $call;
};
$waits = [
    'delay' => [fn() => null, fn($nothing, $first) => delay($first ? 60 : 0)],
    'unary' => [$start, fn($call) => $call->wait()],
    'await' => [$start, fn($call) => await($call)[0]],
    'task' => [fn() => async(fn() => $start()->wait()), fn($task) => $task->wait()],
    'receive' => [$stream, fn($stream) => $stream->receive()],
    'foreach' => [$stream, fn($stream) => implode(iterator_to_array($stream))],
    'headers' => [$stream, fn($stream) => is_array($stream->headers())],
    'finish' => [$join, fn($call) => $call->finish()],
    'batch' => [$batch, fn($call) => $call->startBatch($receive)->message],
    'waitForReady' => [fn() => new Viaduct\Channel("http://$silent"), fn($channel, $first) => $channel->waitForReady($first ? 60 : 0.01)],
    'watch' => [fn() => new Grpc\Channel($silent, []), fn($channel, $first) => $channel->watchConnectivityState(0, $later($first ? 60 : 0))],
    'sleepUntil' => [fn() => null, fn($nothing, $first) => $later($first ? 60 : 0)->sleepUntil()],
];
pcntl_async_signals(true);
pcntl_signal(SIGALRM, function () { throw new RuntimeException('alarm'); });
foreach ($waits as $name => [$begin, $wait]) {
    $what = $begin();
    $start = microtime(true);
    try {
        // From another process, which is slower than this one is to begin its wait.
        $child = pcntl_fork();
        if (!$child) {
            pcntl_signal(SIGALRM, SIG_DFL);
            usleep(100_000);
            posix_kill(posix_getppid(), SIGALRM);
            posix_kill(getmypid(), SIGKILL);
        }
        $wait($what, true);
        $thrown = 'nothing thrown';
    } catch (RuntimeException $e) {
        $thrown = $e->getMessage() . (microtime(true) - $start < 30 ? '' : ' late');
    }
    pcntl_waitpid($child, $status);
    touch($gate);
    echo "$name: $thrown, ", json_encode($wait($what, false)), "\n";
    unlink($gate);
}

// A batch that begins the call is left before there is a connection: it begins all the same.
echo "a batch that begins\n";
$call = new Grpc\Call(new Grpc\Channel($silent, []), '/a.B/C', $later(1.5));
pcntl_alarm(1);
try {
    $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => []] + $receive);
    echo "not left\n";
} catch (RuntimeException $e) {
    echo $e->getMessage(), "\n";
}
echo $call->startBatch([Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status->code, "\n";

// Without pcntl_async_signals the handlers wait for pcntl_signal_dispatch().
pcntl_async_signals(false);
$ran = 0;
pcntl_signal(SIGALRM, function () use (&$ran) { $ran++; });
pcntl_alarm(1);
delay(1.3);
echo $ran, ' ';
pcntl_signal_dispatch();
echo $ran, "\n";
// Another task may call it, while the main stack waits.
pcntl_alarm(1);
$other = async(function () use (&$ran) { while ($ran < 2) { delay(0.05); pcntl_signal_dispatch(); } });
$other->wait();
echo $ran, "\n";
$peer->stop();
?>
--EXPECT--
delay: alarm, null
unary: alarm, "open"
await: alarm, "open"
task: alarm, "open"
receive: alarm, "open"
foreach: alarm, "open"
headers: alarm, true
finish: alarm, "open"
batch: alarm, "open"
waitForReady: alarm, false
watch: alarm, false
sleepUntil: alarm, null
a batch that begins
alarm
4
0 1
2
