--TEST--
Several fibers wait for one object: all are woken, by what they wait for, by cancel(), by the deadline and by close()
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

use function Viaduct\{async, await, delay};

$peer = new Peer();
$channel = $peer->channel();
$address = substr($peer->target, 7);
$gate = tempnam(sys_get_temp_dir(), 'gate');
unlink($gate);
/** Three tasks that wait for the same; what each gets, in any order. */
$three = function (callable $wait, callable $then): string {
    $tasks = array_map(fn() => async(function () use ($wait) {
        try {
            return json_encode($wait());
        } catch (Throwable $e) {
            return $e::class . ' ' . $e->statusCode()->name;
        }
    }), range(1, 3));
    delay(0.02);
    $then();
    $got = await(...$tasks);
    sort($got);
    return implode(', ', $got);
};
$open = fn() => touch($gate);
$stream = fn(?float $timeout = 60.0) => $channel->serverStream('/test.Peer/GateStream', $gate, timeout: $timeout);
$join = function (?float $timeout = 60.0) use ($channel, $gate) { $call = $channel->clientStream('/test.Peer/GateJoin', timeout: $timeout); $call->send($gate); return $call; };
$kinds = [
    'receive' => [$stream, fn($call) => $call->receive()],
    'headers' => [$stream, fn($call) => is_array($call->headers())],
    'finish' => [$join, fn($call) => $call->finish()],
    'wait' => [fn(?float $timeout = 60.0) => $channel->start('/test.Peer/Gate', $gate, timeout: $timeout), fn($call) => $call->wait()],
];
foreach ($kinds as $name => [$begin, $wait]) {
    $call = $begin();
    echo "$name: ", $three(fn() => $wait($call), $open), "\n";
    unlink($gate);
    $call = $begin();
    echo "$name, cancelled: ", $three(fn() => $wait($call), fn() => $call->cancel()), "\n";
    $call = $begin(0.1);
    echo "$name, deadline: ", $three(fn() => $wait($call), fn() => null), "\n";
}
// Two messages for three.
$chat = $channel->bidi('/test.Peer/Chat', timeout: 60.0);
echo 'messages: ', $three(fn() => $chat->receive(), function () use ($chat) { $chat->send('a'); delay(0.02); $chat->send('b'); delay(0.02); $chat->halfClose(); }), "\n";
// One looks for the end, and takes nothing from the other.
$chat = $channel->bidi('/test.Peer/Chat', timeout: 60.0);
$reader = async(function () use ($chat) { $all = []; while (($m = $chat->receive()) !== null) $all[] = $m; return implode($all); });
$sender = async(function () use ($chat) { foreach (['a', 'b', 'c', 'bye'] as $m) { $chat->send($m); delay(0.01); } try { for (;;) { $chat->send('more'); delay(0.01); } } catch (Viaduct\RpcException $e) { return $e->statusCode()->name; } });
echo implode(' ', await($reader, $sender)), "\n";

// A channel that is closed wakes who waits for it and for its calls.
$closing = new Viaduct\Channel($peer->target);
$call = $closing->serverStream('/test.Peer/GateStream', $gate, timeout: 60.0);
echo 'closed: ', $three(fn() => $call->receive(), fn() => $closing->close()), "\n";

// Batches of one call: the second of a kind is refused, others are served.
$call = new Grpc\Call(new Grpc\Channel($address, []), '/test.Peer/Gate', Grpc\Timeval::infFuture());
$call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => $gate], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
$message = async(fn() => $call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message);
$status = async(fn() => $call->startBatch([Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status->code);
$headers = async(fn() => is_array($call->startBatch([Grpc\OP_RECV_INITIAL_METADATA => true])->metadata));
foreach ([Grpc\OP_RECV_MESSAGE, Grpc\OP_RECV_STATUS_ON_CLIENT, Grpc\OP_RECV_INITIAL_METADATA] as $op) {
    try { $call->startBatch([$op => true]); } catch (LogicException $e) { echo $e->getMessage(), ' ', $e->getCode(), "\n"; }
}
touch($gate);
echo json_encode(await($message, $status, $headers)), "\n";
unlink($gate);
$peer->stop();

// Calls go to every fiber that asks for one.
$server = new Grpc\Server();
$port = $server->addHttp2Port('127.0.0.1:0');
$server->start();
$got = [];
$serve = function (int $who) use ($server, &$got) {
    for (;;) {
        $call = $server->requestCall()->call;
        $got[$who] = ($got[$who] ?? 0) + 1;
        delay(0.01);
        $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'ok'], Grpc\OP_SEND_STATUS_FROM_SERVER => ['metadata' => [], 'code' => 0, 'details' => '']]);
    }
};
for ($n = 0; $n < 3; $n++) async($serve, $n);
$channel = new Viaduct\Channel("http://127.0.0.1:$port");
for ($round = 0; $round < 3; $round++) {
    await(...array_map(fn() => $channel->start('/a.B/C', '', timeout: 60.0), range(1, 6)));
}
ksort($got);
echo count($got), ' ', array_sum($got), "\n";
?>
--EXPECT--
receive: "open", null, null
receive, cancelled: Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled
receive, deadline: Viaduct\RpcException DeadlineExceeded, Viaduct\RpcException DeadlineExceeded, Viaduct\RpcException DeadlineExceeded
headers: true, true, true
headers, cancelled: true, true, true
headers, deadline: true, true, true
finish: "open", "open", "open"
finish, cancelled: Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled
finish, deadline: Viaduct\RpcException DeadlineExceeded, Viaduct\RpcException DeadlineExceeded, Viaduct\RpcException DeadlineExceeded
wait: "open", "open", "open"
wait, cancelled: Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled
wait, deadline: Viaduct\RpcException DeadlineExceeded, Viaduct\RpcException DeadlineExceeded, Viaduct\RpcException DeadlineExceeded
messages: "A", "B", null
ABCBYE Ok
closed: Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled, Viaduct\CancelledException Cancelled
start_batch was called incorrectly 8
start_batch was called incorrectly 8
start_batch was called incorrectly 8
["open",0,true]
3 18
