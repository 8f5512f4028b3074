--TEST--
Grpc\Call::cancel() before the caller has seen a status is CANCELLED, whatever has arrived meanwhile
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{Channel, Server};

const SEND_STATUS = Grpc\OP_SEND_STATUS_FROM_SERVER;
const STATUS = [Grpc\OP_RECV_STATUS_ON_CLIENT => true];

/** What the client sends in each kind of call. */
$kinds = [
    'unary' => [request('x')],
    'server streaming' => [request('x')],
    'client streaming' => [[Grpc\OP_SEND_INITIAL_METADATA => []], [Grpc\OP_SEND_MESSAGE => ['message' => 'x']]],
    'bidirectional' => [[Grpc\OP_SEND_INITIAL_METADATA => []]],
];
$answers = [
    'an error' => [SEND_STATUS => ['code' => Grpc\STATUS_UNAVAILABLE, 'details' => 'no'], Grpc\OP_RECV_CLOSE_ON_SERVER => true],
    'an answer' => answer('there'),
];
$retry = ['grpc.service_config' => json_encode(['methodConfig' => [[
    'name' => [['service' => 'test.Echo']],
    'retryPolicy' => ['maxAttempts' => 2, 'initialBackoff' => '0.001s', 'maxBackoff' => '0.001s', 'backoffMultiplier' => 1, 'retryableStatusCodes' => ['INTERNAL']],
]]])];

/** A whole call on the same connection: what was sent before it has been read after it. */
function roundTrip(Server $server, Channel $channel): void
{
    $call = call($channel, '/test.Other/Any');
    $call->startBatch(request('y'));
    $server->requestCall()->call->startBatch(answer('z'));
    $call->startBatch(RESPONSE);
}

foreach (['plain' => [], 'with a retryPolicy' => $retry] as $policy => $args) {
    [$server, $channel] = pair([], $args);
    foreach ($kinds as $kind => $batches) {
        foreach ($answers as $which => $answer) {
            $before = call($channel);
            array_map($before->startBatch(...), $batches);
            $server->requestCall()->call->startBatch($answer);
            roundTrip($server, $channel);
            $before->cancel();
            // Once is enough.
            $before->cancel();
            $status = $before->startBatch(STATUS)->status;

            $after = call($channel);
            array_map($after->startBatch(...), $batches);
            $server->requestCall()->call->startBatch($answer);
            $seen = $after->startBatch(STATUS)->status;
            $after->cancel();
            echo "$policy, $kind, $which: $status->code, ", count($status->metadata), ", seen first: $seen->code\n";
        }
    }
}
echo "--- a message that was read, and the rest\n";
[$server, $channel] = pair([], $retry);
$call = call($channel);
$call->startBatch(request('x'));
$seen = $server->requestCall();
$seen->call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'one']]);
$seen->call->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => 'two'], SEND_STATUS => ['code' => 0, 'details' => ''], Grpc\OP_RECV_CLOSE_ON_SERVER => true]);
roundTrip($server, $channel);
echo $call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, "\n";
$call->cancel();
echo $call->startBatch(STATUS)->status->code, "\n";
echo "--- what was never sent\n";
[$server, $channel] = pair([], ['grpc.max_send_message_length' => 10]);
$refused = [
    'credentials without TLS' => function (Grpc\Call $call): void {
        $call->setCredentials(Grpc\CallCredentials::createFromPlugin(fn() => []));
        $call->startBatch(request('x'));
    },
    'a message that is too long' => fn(Grpc\Call $call) => $call->startBatch(request('more than ten bytes')),
];
foreach ($refused as $why => $begin) {
    $begin($before = call($channel));
    $before->cancel();
    $begin($after = call($channel));
    $seen = $after->startBatch(STATUS)->status;
    $after->cancel();
    echo "$why: {$before->startBatch(STATUS)->status->code}, seen first: $seen->code\n";
}
echo "--- at any moment\n";
$codes = [];
for ($n = 0; $n < 200; $n++) {
    $call = call($channel);
    $call->startBatch(request('x'));
    if ($n % 2) {
        $server->requestCall()->call->startBatch($answers['an error']);
    }
    usleep($n);
    $call->cancel();
    $codes[$call->startBatch(STATUS)->status->code] = true;
    unset($call);
}
echo implode(', ', array_keys($codes)), "\n";
?>
--EXPECT--
plain, unary, an error: 1, 0, seen first: 14
plain, unary, an answer: 1, 0, seen first: 0
plain, server streaming, an error: 1, 0, seen first: 14
plain, server streaming, an answer: 1, 0, seen first: 0
plain, client streaming, an error: 1, 0, seen first: 14
plain, client streaming, an answer: 1, 0, seen first: 0
plain, bidirectional, an error: 1, 0, seen first: 14
plain, bidirectional, an answer: 1, 0, seen first: 0
with a retryPolicy, unary, an error: 1, 0, seen first: 14
with a retryPolicy, unary, an answer: 1, 0, seen first: 0
with a retryPolicy, server streaming, an error: 1, 0, seen first: 14
with a retryPolicy, server streaming, an answer: 1, 0, seen first: 0
with a retryPolicy, client streaming, an error: 1, 0, seen first: 14
with a retryPolicy, client streaming, an answer: 1, 0, seen first: 0
with a retryPolicy, bidirectional, an error: 1, 0, seen first: 14
with a retryPolicy, bidirectional, an answer: 1, 0, seen first: 0
--- a message that was read, and the rest
one
1
--- what was never sent
credentials without TLS: 1, seen first: 16
a message that is too long: 1, seen first: 8
--- at any moment
1
