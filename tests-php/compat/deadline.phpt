--TEST--
Grpc\Call: a deadline that passes during a batch, whatever the batch does
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/wrong.php';

use const Grpc\{OP_RECV_INITIAL_METADATA, OP_RECV_MESSAGE, OP_RECV_STATUS_ON_CLIENT, OP_SEND_CLOSE_FROM_CLIENT,
    OP_SEND_INITIAL_METADATA, OP_SEND_MESSAGE};

// It takes requests, and says nothing. Its window is full after 64 KiB.
$silent = new Wrong('silence');
$channel = new Grpc\Channel("127.0.0.1:$silent->port", []);
$channel->getConnectivityState(true);
$channel->watchConnectivityState(Grpc\CHANNEL_CONNECTING, Grpc\Timeval::infFuture());
$long = ['message' => str_repeat('x', 1 << 20)];
$more = array_fill(0, 3, [OP_SEND_MESSAGE => $long]);
$begin = [OP_SEND_INITIAL_METADATA => []];
foreach ([
    'for the headers' => [request('x'), [OP_RECV_INITIAL_METADATA => true]],
    'for a message' => [request('x'), [OP_RECV_MESSAGE => true]],
    'for headers and a message of a stream' => [$begin, [OP_RECV_INITIAL_METADATA => true, OP_RECV_MESSAGE => true]],
    'for the status' => [request('x'), [OP_RECV_STATUS_ON_CLIENT => true]],
    'all six operations' => [request('x') + RESPONSE],
    'a request that is too long for the window' => [request($long['message'])],
    'messages of a stream that are' => [$begin, ...$more],
    'the end of such a stream' => [$begin, ...$more, [OP_SEND_CLOSE_FROM_CLIENT => true]],
] as $what => $batches) {
    $call = call($channel, '/test.Echo/Any', 0.2);
    $events = array_map(fn(array $batch) => (array) $call->startBatch($batch), $batches);
    $last = end($events);
    echo "$what: ";
    if (!isset($last['status'])) {
        $last += (array) $call->startBatch([OP_RECV_STATUS_ON_CLIENT => true]);
    }
    $last['status'] = $last['status']->code . ' ' . preg_replace('/deadline .*/', 'deadline …', $last['status']->details);
    echo json_encode($last, JSON_UNESCAPED_UNICODE), "\n";
}
echo "the connection is none the worse: ", $channel->getConnectivityState() === Grpc\CHANNEL_READY ? 'ready' : 'NOT READY', "\n";
?>
--EXPECT--
for the headers: {"metadata":[],"status":"4 the deadline …"}
for a message: {"message":null,"status":"4 the deadline …"}
for headers and a message of a stream: {"metadata":[],"message":null,"status":"4 the deadline …"}
for the status: {"status":"4 the deadline …"}
all six operations: {"send_metadata":true,"send_message":true,"send_close":true,"metadata":[],"message":null,"status":"4 the deadline …"}
a request that is too long for the window: {"send_metadata":true,"send_message":true,"send_close":true,"status":"4 the deadline …"}
messages of a stream that are: {"send_message":true,"status":"4 the deadline …"}
the end of such a stream: {"send_close":true,"status":"4 the deadline …"}
the connection is none the worse: ready
