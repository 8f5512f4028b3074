--TEST--
Grpc: how a call ends is data: cancelled, late, refused, never connected, cut
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/wrong.php';

use const Grpc\{OP_RECV_CLOSE_ON_SERVER, OP_RECV_INITIAL_METADATA, OP_RECV_MESSAGE, OP_RECV_STATUS_ON_CLIENT,
    OP_SEND_CLOSE_FROM_CLIENT, OP_SEND_INITIAL_METADATA, OP_SEND_MESSAGE};

/** What the two batches of a unary call bring. */
function ended(Grpc\Call $call, bool $send = true): string
{
    if ($send) {
        $sent = $call->startBatch(request('x'));
        echo json_encode($sent), ' ';
    }
    $event = $call->startBatch(RESPONSE);
    return json_encode([$event->metadata, $event->message, $event->status->metadata, $event->status->code]) . ' ' . $event->status->details;
}
[$server, $channel] = pair();

echo "-- cancelled before it began\n";
$call = call($channel);
var_dump($call->cancel(), $call->cancel());
echo ended($call), "\n";
echo "-- cancelled after it began, twice\n";
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall()->call;
$call->cancel();
$call->cancel();
echo ended($call, false), "\n";
var_dump($incoming->startBatch([OP_RECV_CLOSE_ON_SERVER => true])->cancelled);
// Its answer comes too late, and that is no exception.
var_dump(count((array) $incoming->startBatch([OP_SEND_MESSAGE => ['message' => 'late']])));
echo "-- cancelled after it ended\n";
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall()->call;
$incoming->startBatch(answer('y'));
$event = $call->startBatch(RESPONSE);
$call->cancel();
$incoming->cancel();
echo $event->message, ' ', status($event->status), "\n";
echo "-- cancelled in the middle of a stream\n";
$call = call($channel);
$call->startBatch([OP_SEND_INITIAL_METADATA => []]);
$incoming = $server->requestCall()->call;
$incoming->startBatch([OP_SEND_INITIAL_METADATA => ['i' => ['1']], OP_SEND_MESSAGE => ['message' => 'first']]);
echo json_encode($call->startBatch([OP_RECV_INITIAL_METADATA => true, OP_RECV_MESSAGE => true])), "\n";
$call->cancel();
echo json_encode($call->startBatch([OP_SEND_MESSAGE => ['message' => 'to nobody'], OP_SEND_CLOSE_FROM_CLIENT => true])), "\n";
var_dump($call->startBatch([OP_RECV_MESSAGE => true])->message);
echo status($call->startBatch([OP_RECV_STATUS_ON_CLIENT => true])->status), "\n";
echo "-- cancelled by the server\n";
$call = call($channel);
$call->startBatch(request('x'));
$server->requestCall()->call->cancel();
echo ended($call, false), "\n";
echo "-- an error after a message\n";
$call = call($channel);
$call->startBatch(request('x'));
$server->requestCall()->call->startBatch(answer('half', ['i' => ['1']], ['t' => ['2']], 10, 'torn'));
echo ended($call, false), "\n";

echo "-- a deadline that has passed\n";
foreach ([0, -10] as $seconds) {
    echo ended(call($channel, '/a.B/Late', $seconds)), "\n";
}
echo ended(new Grpc\Call($channel, '/a.B/Past', Grpc\Timeval::infPast())), "\n";
echo "-- a deadline that passes\n";
$call = call($channel, '/a.B/Slow', 0.2);
$call->startBatch(request('x'));
$incoming = $server->requestCall()->call;
// The server keeps the same deadline; either may be the first to say so.
echo preg_replace('/deadline .*/', 'deadline …', ended($call, false)), "\n";
var_dump($incoming->startBatch([OP_RECV_CLOSE_ON_SERVER => true])->cancelled);
echo "-- one that passes while PHP is elsewhere, but the answer was there\n";
$call = call($channel, '/a.B/Quick', 1.5);
$call->startBatch(request('x'));
$server->requestCall()->call->startBatch(answer('in time'));
usleep(1_700_000);
$event = $call->startBatch(RESPONSE);
echo $event->message, ' ', status($event->status), "\n";

echo "-- nobody listens\n";
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) substr(strrchr(stream_socket_get_name($reserved, false), ':'), 1);
fclose($reserved);
$away = new Grpc\Channel("127.0.0.1:$port", ['force_new' => true]);
$call = call($away);
echo preg_replace('/ cannot connect.*refused.*/', ' cannot connect … refused', ended($call)), "\n";
echo $call->getPeer() === "127.0.0.1:$port" ? "target\n" : $call->getPeer();
echo "-- not gRPC, and cut\n";
foreach (['echo', 'html-404', 'http1', 'rst-refused-stream', 'cut-before-headers', 'cut-mid-message', 'no-trailers', 'garbage'] as $behaviour) {
    $wrong = new Wrong($behaviour);
    $call = call(new Grpc\Channel("127.0.0.1:$wrong->port", ['force_new' => true]), '/test.Echo/Unary', 10);
    // All six in one batch.
    $event = $call->startBatch(request('x') + RESPONSE);
    echo $behaviour, ' ', count((array) $event), ' ', json_encode($event->message), ' ', $event->status->code, "\n";
}
echo "-- too long\n";
$short = new Grpc\Channel("127.0.0.1:" . ($server2 = new Grpc\Server())->addHttp2Port('127.0.0.1:0'), ['grpc.max_send_message_length' => 10, 'grpc.max_receive_message_length' => 10, 'force_new' => true]);
$server2->start();
$call = call($short);
$call->startBatch(request('more than ten bytes'));
echo status($call->startBatch(RESPONSE)->status), "\n";
$call = call($short);
$call->startBatch([OP_SEND_INITIAL_METADATA => []]);
$call->startBatch([OP_SEND_MESSAGE => ['message' => 'more than ten bytes']]);
echo status($call->startBatch(RESPONSE)->status), "\n";
$call = call($short);
$call->startBatch(request('x'));
// Of the two before one was not sent, and one was reset, perhaps after the server had seen it.
do {
    $incoming = $server2->requestCall()->call;
} while ($incoming->startBatch([OP_RECV_MESSAGE => true])->message !== 'x');
$incoming->startBatch(answer('more than ten bytes'));
echo status($call->startBatch(RESPONSE)->status), "\n";
$small = new Grpc\Server(['grpc.max_send_message_length' => 10, 'grpc.max_receive_message_length' => 10]);
$channel = new Grpc\Channel('127.0.0.1:' . $small->addHttp2Port('127.0.0.1:0'), ['force_new' => true]);
$small->start();
foreach (['more than ten bytes', 'few'] as $request) {
    $call = call($channel);
    $call->startBatch(request($request));
    $incoming = $small->requestCall()->call;
    if ($incoming->startBatch([OP_RECV_MESSAGE => true])->message !== null) {
        $incoming->startBatch(answer('more than ten bytes'));
    }
    echo status($call->startBatch(RESPONSE)->status), "\n";
}
?>
--EXPECT--
-- cancelled before it began
NULL
NULL
{"send_metadata":true,"send_message":true,"send_close":true} [[],null,[],1] the call was cancelled by this side
-- cancelled after it began, twice
[[],null,[],1] the call was cancelled by this side
bool(true)
int(1)
-- cancelled after it ended
y 0
-- cancelled in the middle of a stream
{"metadata":{"i":["1"]},"message":"first"}
{"send_message":true,"send_close":true}
NULL
1 the call was cancelled by this side
-- cancelled by the server
[[],null,[],1] the server cancelled the call
-- an error after a message
[{"i":["1"]},"half",{"t":["2"]},10] torn
-- a deadline that has passed
{"send_metadata":true,"send_message":true,"send_close":true} [[],null,[],4] the deadline of /a.B/Late passed before there was a connection
{"send_metadata":true,"send_message":true,"send_close":true} [[],null,[],4] the deadline of /a.B/Late passed before there was a connection
{"send_metadata":true,"send_message":true,"send_close":true} [[],null,[],4] the deadline of /a.B/Past passed before there was a connection
-- a deadline that passes
[[],null,[],4] the deadline …
bool(true)
-- one that passes while PHP is elsewhere, but the answer was there
in time 0
-- nobody listens
{"send_metadata":true,"send_message":true,"send_close":true} [[],null,[],14] cannot connect … refused
target
-- not gRPC, and cut
echo 6 "x" 0
html-404 6 null 12
http1 6 null 14
rst-refused-stream 6 null 14
cut-before-headers 6 null 14
cut-mid-message 6 null 14
no-trailers 6 "x" 2
garbage 6 null 14
-- too long
8 a message of 19 bytes is over the limit of 10 bytes (maxSendBytes); it was not sent
8 a message of 19 bytes is over the limit of 10 bytes (maxSendBytes); it was not sent
8 received a message of 19 bytes; the limit is 10 bytes (maxReceiveBytes)
8 received a message of 19 bytes; the limit is 10 bytes (maxReceiveBytes)
8 a message of 19 bytes is over the limit of 10 bytes (grpc.max_send_message_length); it was not sent
