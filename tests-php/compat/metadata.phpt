--TEST--
Grpc: metadata in both directions: order, binary values, what belongs to the protocol
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use const Grpc\{OP_RECV_MESSAGE, OP_SEND_STATUS_FROM_SERVER};

[$server, $channel] = pair(channelArgs: ['grpc.primary_user_agent' => 'mine/1']);
$bytes = implode(array_map(chr(...), range(0, 255)));
$sent = [
    'key' => ['one', 'two', 'three'],
    'empty' => [''],
    'none' => [],
    'with_under.score-1' => ['x y'],
    'raw-bin' => [$bytes, '', "\0"],
    'grpc-trace-bin' => ["\1\2"],
    'grpc-previous-rpc-attempts' => ['1'],
    'grpc-status-details-bin' => ["\x08\x05"],
    // What the protocol sets is not taken from here.
    'user-agent' => ['theirs/2'],
    'content-type' => ['text/html'],
    'te' => ['no'],
    'grpc-timeout' => ['1n'],
    'grpc-encoding' => ['gzip'],
];
$call = call($channel);
$call->startBatch(request('x', $sent));
$incoming = $server->requestCall();
$got = $incoming->metadata;
echo implode(' ', array_keys($got)), "\n";
foreach (['key', 'empty', 'with_under.score-1', 'raw-bin', 'grpc-trace-bin', 'grpc-previous-rpc-attempts', 'grpc-status-details-bin'] as $key) {
    echo $key, ' ', $got[$key] === $sent[$key] ? 'as sent' : var_export($got[$key], true), "\n";
}
echo preg_replace('/viaduct.*/', 'viaduct…', $got['user-agent'][0]), "\n";
// Echoed whole, as headers and as trailers.
unset($got['user-agent']);
$incoming->call->startBatch(answer('y', $got, $got, 5, "not\tfound ☺ 100%"));
$event = $call->startBatch(RESPONSE);
foreach ([$event->metadata, $event->status->metadata] as $back) {
    // Keys come in the order of their first value.
    var_dump($back == $got);
}
echo status($event->status), "\n";

echo "-- a status in one frame has its metadata as trailers\n";
$call = call($channel);
$call->startBatch(request('x'));
$server->requestCall()->call->startBatch([OP_SEND_STATUS_FROM_SERVER => ['code' => 7, 'details' => 'no', 'metadata' => ['t' => ['a', 'b']]]]);
echo json_encode($call->startBatch(RESPONSE)), "\n";
echo "-- headers with an error, too\n";
$call = call($channel);
$call->startBatch(request('x'));
$server->requestCall()->call->startBatch([
    Grpc\OP_SEND_INITIAL_METADATA => ['i' => ['1']],
    OP_SEND_STATUS_FROM_SERVER => ['code' => 7, 'details' => 'no'],
]);
echo json_encode($call->startBatch(RESPONSE)), "\n";
echo "-- codes that are none\n";
foreach ([17, -1, PHP_INT_MAX] as $code) {
    $call = call($channel);
    $call->startBatch(request('x'));
    $server->requestCall()->call->startBatch(answer('y', code: $code, details: "\xff"));
    echo status($call->startBatch(RESPONSE)->status), "\n";
}
// The batch is read, and stays as it was.
$batch = request('x', ['k' => ['v']]);
$key = &$batch[Grpc\OP_SEND_INITIAL_METADATA]['k'][0];
$call = call($channel);
$call->startBatch($batch);
$key = 'w';
echo $server->requestCall()->metadata['k'][0], ' ', $batch[Grpc\OP_SEND_INITIAL_METADATA]['k'][0], "\n";
?>
--EXPECT--
user-agent key empty with_under.score-1 raw-bin grpc-trace-bin grpc-previous-rpc-attempts grpc-status-details-bin
key as sent
empty as sent
with_under.score-1 as sent
raw-bin as sent
grpc-trace-bin as sent
grpc-previous-rpc-attempts as sent
grpc-status-details-bin as sent
mine/1 viaduct…
bool(true)
bool(true)
5 not	found ☺ 100%
-- a status in one frame has its metadata as trailers
{"metadata":[],"message":null,"status":{"metadata":{"t":["a","b"]},"code":7,"details":"no"}}
-- headers with an error, too
{"metadata":{"i":["1"]},"message":null,"status":{"metadata":[],"code":7,"details":"no"}}
-- codes that are none
2 �
2 �
2 �
v w
