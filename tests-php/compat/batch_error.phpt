--TEST--
Grpc\Call::startBatch: what is wrong with a batch, and which exception says so
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use const Grpc\{OP_RECV_CLOSE_ON_SERVER, OP_RECV_INITIAL_METADATA, OP_RECV_MESSAGE, OP_RECV_STATUS_ON_CLIENT,
    OP_SEND_CLOSE_FROM_CLIENT, OP_SEND_INITIAL_METADATA, OP_SEND_MESSAGE, OP_SEND_STATUS_FROM_SERVER};

[$server, $channel] = pair();

echo "-- values\n";
$status = ['code' => 0, 'details' => ''];
$call = call($channel);
foreach ([
    ['key' => []],
    [99 => true],
    [-1 => true],
    [8 => true],
    [OP_SEND_INITIAL_METADATA => 'k'],
    [OP_SEND_INITIAL_METADATA => ['k' => 'v']],
    [OP_SEND_INITIAL_METADATA => ['k' => [1]]],
    [OP_SEND_INITIAL_METADATA => [['v']]],
    [OP_SEND_INITIAL_METADATA => ['Upper' => ['v']]],
    [OP_SEND_INITIAL_METADATA => ['a b' => ['v']]],
    [OP_SEND_INITIAL_METADATA => ['' => ['v']]],
    [OP_SEND_INITIAL_METADATA => [':path' => ['v']]],
    [OP_SEND_INITIAL_METADATA => ['k' => ["line\nbreak"]]],
    [OP_SEND_INITIAL_METADATA => ['k' => ["\xc3\xa9"]]],
    [OP_SEND_INITIAL_METADATA => ['k' => array_fill(0, 5000, 'v')]],
    [OP_SEND_MESSAGE => 'message'],
    [OP_SEND_MESSAGE => []],
    [OP_SEND_MESSAGE => ['message' => 1]],
    [OP_SEND_MESSAGE => ['message' => 'm', 'flags' => 'none']],
    [OP_SEND_MESSAGE => ['message' => 'm', 'flags' => 8]],
    [OP_SEND_MESSAGE => ['message' => 'm', 'flags' => -1]],
    [OP_SEND_STATUS_FROM_SERVER => ['metadata' => 'm'] + $status],
    [OP_SEND_STATUS_FROM_SERVER => ['metadata' => ['A' => ['b']]] + $status],
    [OP_SEND_STATUS_FROM_SERVER => ['code' => '0'] + $status],
    [OP_SEND_STATUS_FROM_SERVER => ['details' => '']],
    [OP_SEND_STATUS_FROM_SERVER => true],
    [OP_SEND_STATUS_FROM_SERVER => ['code' => 0, 'details' => 7]],
    [OP_SEND_STATUS_FROM_SERVER => ['code' => 0]],
] as $batch) {
    echo thrown(fn() => $call->startBatch($batch)), "\n";
}
echo thrown(fn() => $call->startBatch('batch')), "\n";
echo thrown(fn() => $call->startBatch()), "\n";
echo thrown(fn() => $call->startBatch([], [])), "\n";

echo "-- nothing of it was sent: the call can begin\n";
echo thrown(fn() => $call->startBatch([OP_SEND_INITIAL_METADATA => [], OP_SEND_MESSAGE => 'no'])), "\n";

echo "-- before it has begun\n";
foreach ([OP_SEND_MESSAGE => ['message' => ''], OP_SEND_CLOSE_FROM_CLIENT => true, OP_RECV_INITIAL_METADATA => true,
    OP_RECV_MESSAGE => true, OP_RECV_STATUS_ON_CLIENT => true] as $op => $value) {
    echo $op, ' ', thrown(fn() => $call->startBatch([$op => $value])), "\n";
}

echo "-- what belongs to the server\n";
echo thrown(fn() => $call->startBatch([OP_SEND_INITIAL_METADATA => [], OP_SEND_STATUS_FROM_SERVER => $status])), "\n";
echo thrown(fn() => $call->startBatch([OP_RECV_CLOSE_ON_SERVER => true])), "\n";

echo "-- once more, and too late\n";
$call->startBatch([OP_SEND_INITIAL_METADATA => []]);
echo thrown(fn() => $call->startBatch([OP_SEND_INITIAL_METADATA => []])), "\n";
$call->startBatch([OP_SEND_MESSAGE => ['message' => 'm'], OP_SEND_CLOSE_FROM_CLIENT => true]);
echo thrown(fn() => $call->startBatch([OP_SEND_CLOSE_FROM_CLIENT => true])), "\n";
echo thrown(fn() => $call->startBatch([OP_SEND_MESSAGE => ['message' => 'm']])), "\n";
$incoming = $server->requestCall()->call;
foreach ([OP_SEND_CLOSE_FROM_CLIENT, OP_RECV_INITIAL_METADATA, OP_RECV_STATUS_ON_CLIENT] as $op) {
    echo 'server ', thrown(fn() => $incoming->startBatch([$op => true])), "\n";
}
echo 'server ', $incoming->startBatch([OP_RECV_MESSAGE => true])->message, "\n";
$incoming->startBatch([OP_SEND_INITIAL_METADATA => []]);
echo 'server ', thrown(fn() => $incoming->startBatch([OP_SEND_INITIAL_METADATA => []])), "\n";
$incoming->startBatch([OP_SEND_STATUS_FROM_SERVER => $status, OP_RECV_CLOSE_ON_SERVER => true]);
echo 'server ', thrown(fn() => $incoming->startBatch([OP_SEND_STATUS_FROM_SERVER => $status])), "\n";
echo 'server ', thrown(fn() => $incoming->startBatch([OP_RECV_CLOSE_ON_SERVER => true])), "\n";
echo 'server ', thrown(fn() => $incoming->startBatch([OP_SEND_MESSAGE => ['message' => '']])), "\n";
$call->startBatch(RESPONSE);
echo thrown(fn() => $call->startBatch([OP_RECV_INITIAL_METADATA => true])), "\n";
echo thrown(fn() => $call->startBatch([OP_RECV_STATUS_ON_CLIENT => true])), "\n";

echo "-- a closed channel\n";
$call = call($channel);
$begun = call($channel);
$begun->startBatch(request('x'));
$channel->close();
echo thrown(fn() => $call->startBatch([OP_SEND_INITIAL_METADATA => []])), "\n";
echo thrown(fn() => $begun->startBatch([OP_RECV_MESSAGE => true])), "\n";
// A server's call has no channel.
$incoming = $server->requestCall()->call;
echo $incoming->startBatch([OP_RECV_MESSAGE => true])->message, "\n";
?>
--EXPECT--
-- values
InvalidArgumentException(1): batch keys must be integers
InvalidArgumentException(1): Unrecognized key in batch
InvalidArgumentException(1): Unrecognized key in batch
InvalidArgumentException(1): Unrecognized key in batch
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Bad metadata value given
InvalidArgumentException(1): Expected an array for send message
InvalidArgumentException(1): Expected a string for send message
InvalidArgumentException(1): Expected a string for send message
InvalidArgumentException(1): Expected an int for message flags
LogicException(9): start_batch was called incorrectly
LogicException(9): start_batch was called incorrectly
InvalidArgumentException(1): Bad trailing metadata value given
InvalidArgumentException(1): Bad trailing metadata value given
InvalidArgumentException(1): Status code must be an integer
InvalidArgumentException(1): Integer status code is required
InvalidArgumentException(1): Integer status code is required
InvalidArgumentException(1): Status details must be a string
InvalidArgumentException(1): String status details is required
InvalidArgumentException(1): start_batch expects an array
InvalidArgumentException(1): start_batch expects an array
InvalidArgumentException(1): start_batch expects an array
-- nothing of it was sent: the call can begin
InvalidArgumentException(1): Expected an array for send message
-- before it has begun
1 LogicException(6): start_batch was called incorrectly
2 LogicException(6): start_batch was called incorrectly
4 LogicException(6): start_batch was called incorrectly
5 LogicException(6): start_batch was called incorrectly
6 LogicException(6): start_batch was called incorrectly
-- what belongs to the server
LogicException(3): start_batch was called incorrectly
LogicException(3): start_batch was called incorrectly
-- once more, and too late
LogicException(8): start_batch was called incorrectly
LogicException(8): start_batch was called incorrectly
LogicException(7): start_batch was called incorrectly
server LogicException(2): start_batch was called incorrectly
server LogicException(2): start_batch was called incorrectly
server LogicException(2): start_batch was called incorrectly
server m
server LogicException(8): start_batch was called incorrectly
server LogicException(8): start_batch was called incorrectly
server LogicException(8): start_batch was called incorrectly
server LogicException(7): start_batch was called incorrectly
LogicException(8): start_batch was called incorrectly
LogicException(8): start_batch was called incorrectly
-- a closed channel
RuntimeException(1): startBatch Error. Channel is closed
RuntimeException(1): startBatch Error. Channel is closed
x
