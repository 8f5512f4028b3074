--TEST--
Fibers of the user's inside tasks: waits end in the order of their events, and nobody else can resume a task
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

use function Viaduct\{async, await, delay};

$peer = new Peer();
$channel = $peer->channel();
$log = [];
function inFiber(callable $function): mixed
{
    $result = null;
    (new Fiber(function () use ($function, &$result) { $result = $function(); }))->start();
    return $result;
}

// The second waits for the first, whose fiber is under its own.
$first = async(function () use ($channel) {
    delay(0.01);
    return inFiber(fn() => $channel->unary('/test.Peer/Echo', 'first', timeout: 30.0));
});
$second = async(function () use ($first) {
    delay(0.02);
    return inFiber(fn() => inFiber(fn() => 'second after ' . $first->wait()));
});
echo json_encode(await($second, $first)), "\n";

// The one that begins first ends last.
$tasks = [];
foreach ([0.3, 0.2, 0.1] as $n => $seconds) {
    $tasks[] = async(function () use ($n, $seconds, &$log) { inFiber(function () use ($n, $seconds, &$log) { delay($seconds); $log[] = $n; }); });
}
await(...$tasks);
echo json_encode($log), "\n";

// All four kinds of call, and the official extension's.
$kinds = [
    'unary' => fn() => $channel->start('/test.Peer/Echo', 'u', timeout: 30.0)->wait(),
    'server' => fn() => implode(',', iterator_to_array($channel->serverStream('/test.Peer/Count', '3', timeout: 30.0))),
    'bidi' => function () use ($channel) {
        $chat = $channel->bidi('/test.Peer/Chat', timeout: 30.0);
        $chat->send('b');
        $chat->halfClose();
        return $chat->receive();
    },
    'batch' => function () use ($peer) {
        $call = new Grpc\Call(new Grpc\Channel(substr($peer->target, 7), []), '/test.Peer/Echo', Grpc\Timeval::infFuture());
        return $call->startBatch([
            Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'g'],
            Grpc\OP_SEND_CLOSE_FROM_CLIENT => true, Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true,
        ])->message;
    },
];
echo json_encode(array_combine(array_keys($kinds), await(...array_map(fn($kind) => async(fn() => inFiber($kind)), array_values($kinds))))), "\n";

// A fiber of ours is nobody else's.
$fiber = null;
$task = async(function () use (&$fiber) { $fiber = Fiber::getCurrent(); delay(0.05); return 'undisturbed'; });
foreach (['resume' => [], 'throw' => [new Exception('mine')]] as $method => $arguments) {
    try {
        $fiber->$method(...$arguments);
        echo "$method() did something\n";
    } catch (FiberError $e) {
        echo $e->getMessage(), "\n";
    }
}
var_dump($fiber->isSuspended(), $fiber->isTerminated());
$reflection = new ReflectionFiber($fiber);
echo basename($reflection->getExecutingFile() ?? ''), ' ', count($reflection->getTrace()) > 0 ? 'traced' : 'no trace', "\n";
gc_collect_cycles();
echo $task->wait(), "\n";
?>
--EXPECTF--
["second after first","first"]
[2,1,0]
{"unary":"u","server":"%s","bidi":"B","batch":"g"}
Cannot resume a fiber that is not suspended
Cannot resume a fiber that is not suspended
bool(false)
bool(false)
nested.php traced
undisturbed
