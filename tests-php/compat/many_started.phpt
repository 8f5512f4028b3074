--TEST--
Grpc: many calls are started first, each of them is on its way at once, all on one connection
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/wrong.php';

echo "-- 200, to a server that answers\n";
$server = new Wrong('echo');
$channel = new Grpc\Channel("127.0.0.1:$server->port", []);
$calls = [];
for ($n = 0; $n < 200; $n++) {
    ($calls[] = call($channel, '/test.Echo/Unary'))->startBatch(request("call $n"));
}
// The server has them all before anybody waits.
var_dump($server->reaches('streams', 200));
foreach ($calls as $n => $call) {
    $event = $call->startBatch(RESPONSE);
    if ($event->message !== "call $n" || $event->status->code !== 0) {
        echo "call $n: ", json_encode($event), "\n";
    }
}
var_dump($server->stats()['connections']);

echo "-- to one that never does: starting waits for nothing\n";
$silent = new Wrong('silence');
$channel = new Grpc\Channel("127.0.0.1:$silent->port", []);
$calls = [];
for ($n = 0; $n < 50; $n++) {
    ($calls[] = call($channel, '/test.Echo/Unary'))->startBatch(request("call $n"));
}
var_dump($silent->reaches('streams', 50));
foreach ($calls as $call) {
    $call->cancel();
}
echo array_sum(array_map(fn($call) => $call->startBatch(RESPONSE)->status->code, $calls)), "\n";
// A call that nobody holds any more is reset.
$calls = [];
($call = call($channel, '/test.Echo/Unary'))->startBatch(request('dropped'));
unset($call);
var_dump($silent->reaches('resets', 51));

echo "-- in one thread\n";
[$server, $channel] = pair();
$calls = [];
for ($n = 0; $n < 200; $n++) {
    ($calls[] = call($channel))->startBatch(request("call $n"));
}
$peers = [];
for ($n = 0; $n < 200; $n++) {
    $incoming = $server->requestCall()->call;
    $peers[$incoming->getPeer()] = true;
    $incoming->startBatch(answer($incoming->startBatch([Grpc\OP_RECV_MESSAGE => true])->message));
}
foreach ($calls as $n => $call) {
    if ($call->startBatch(RESPONSE)->message !== "call $n") {
        echo "call $n is wrong\n";
    }
}
var_dump(count($peers));

echo "-- a thousand messages in a row\n";
$server = new Wrong('echo');
$channel = new Grpc\Channel("127.0.0.1:$server->port", []);
$call = call($channel, '/test.Echo/Bidi');
$call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => []]);
for ($n = 0; $n < 1000; $n++) {
    $call->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => "message $n"]]);
}
$call->startBatch([Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
for ($n = 0; ($message = $call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message) !== null; $n++) {
    if ($message !== "message $n") {
        echo "message $n is $message\n";
    }
}
echo $n, ' ', status($call->startBatch([Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status), "\n";
?>
--EXPECT--
-- 200, to a server that answers
bool(true)
int(1)
-- to one that never does: starting waits for nothing
bool(true)
50
bool(true)
-- in one thread
int(1)
-- a thousand messages in a row
1000 0
