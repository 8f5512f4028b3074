--TEST--
Grpc: client and server in one thread, all kinds of calls, in either order
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use const Grpc\{OP_RECV_CLOSE_ON_SERVER, OP_RECV_INITIAL_METADATA, OP_RECV_MESSAGE, OP_RECV_STATUS_ON_CLIENT,
    OP_SEND_CLOSE_FROM_CLIENT, OP_SEND_INITIAL_METADATA, OP_SEND_MESSAGE, OP_SEND_STATUS_FROM_SERVER};

[$server, $channel, $port] = pair(address: '0.0.0.0:0');

echo "-- unary\n";
$call = call($channel, '/test.Echo/Unary');
var_dump($call->startBatch(request('ping', ['k' => ['v']])));
$incoming = $server->requestCall();
echo implode(' ', array_keys((array) $incoming)), "\n";
var_dump($incoming->method, $incoming->host === "localhost:$port", $incoming->metadata['k']);
echo get_class($incoming->call), ' ', get_class($incoming->absolute_deadline), "\n";
// Thirty seconds from the client's now.
$thirty = Grpc\Timeval::similar($incoming->absolute_deadline, soon(30), new Grpc\Timeval(20_000_000));
var_dump($thirty, $incoming->call->startBatch([OP_RECV_MESSAGE => true])->message);
var_dump($incoming->call->startBatch(answer('pong', ['i' => ['1']], ['t' => ['2']])));
var_dump($call->startBatch(RESPONSE));

echo "-- without a deadline, a method without slashes, no request\n";
$call = new Grpc\Call($channel, 'plain_name', Grpc\Timeval::infFuture());
$call->startBatch([OP_SEND_INITIAL_METADATA => [], OP_SEND_CLOSE_FROM_CLIENT => true]);
$incoming = $server->requestCall();
var_dump($incoming->method, Grpc\Timeval::compare($incoming->absolute_deadline, Grpc\Timeval::infFuture()));
$event = $incoming->call->startBatch([
    OP_SEND_INITIAL_METADATA => [],
    OP_SEND_STATUS_FROM_SERVER => ['metadata' => [], 'code' => Grpc\STATUS_INVALID_ARGUMENT, 'details' => 'xyz'],
    OP_RECV_CLOSE_ON_SERVER => true,
]);
var_dump($event->cancelled);
$event = $call->startBatch([OP_RECV_INITIAL_METADATA => true, OP_RECV_STATUS_ON_CLIENT => true]);
echo json_encode($event), "\n";

echo "-- OK with details\n";
$call = call($channel);
$call->startBatch(request('x'));
$server->requestCall()->call->startBatch(answer('y', details: 'all is well ☺'));
echo status($call->startBatch(RESPONSE)->status), "\n";

echo "-- many responses\n";
$call = call($channel, '/test.Echo/ServerStream');
$call->startBatch(request('3'));
$incoming = $server->requestCall()->call;
$count = (int) $incoming->startBatch([OP_RECV_MESSAGE => true])->message;
var_dump($incoming->startBatch([OP_RECV_MESSAGE => true])->message);
$incoming->startBatch([OP_SEND_INITIAL_METADATA => []]);
for ($n = 0; $n < $count; $n++) {
    $incoming->startBatch([OP_SEND_MESSAGE => ['message' => "response $n"]]);
}
$incoming->startBatch([OP_SEND_STATUS_FROM_SERVER => ['code' => 0, 'details' => ''], OP_RECV_CLOSE_ON_SERVER => true]);
$event = $call->startBatch([OP_RECV_INITIAL_METADATA => true, OP_RECV_MESSAGE => true]);
while ($event->message !== null) {
    echo $event->message, "\n";
    $event = $call->startBatch([OP_RECV_MESSAGE => true]);
}
echo status($call->startBatch([OP_RECV_STATUS_ON_CLIENT => true])->status), "\n";

echo "-- many requests\n";
$call = call($channel, '/test.Echo/ClientStream');
$call->startBatch([OP_SEND_INITIAL_METADATA => ['a' => ['b']]]);
foreach (['one', '', 'three'] as $message) {
    var_dump($call->startBatch([OP_SEND_MESSAGE => ['message' => $message]])->send_message);
}
$call->startBatch([OP_SEND_CLOSE_FROM_CLIENT => true]);
$incoming = $server->requestCall();
echo implode($incoming->metadata['a']), "\n";
$got = [];
while (($message = $incoming->call->startBatch([OP_RECV_MESSAGE => true])->message) !== null) {
    $got[] = $message;
}
$incoming->call->startBatch(answer(json_encode($got)));
echo $call->startBatch(RESPONSE)->message, "\n";

echo "-- both, to and fro\n";
$call = call($channel, '/test.Echo/Bidi');
$call->startBatch([OP_SEND_INITIAL_METADATA => []]);
$incoming = $server->requestCall()->call;
for ($n = 0; $n < 3; $n++) {
    $call->startBatch([OP_SEND_MESSAGE => ['message' => "to $n"]]);
    echo $incoming->startBatch([OP_RECV_MESSAGE => true])->message, ', ';
    $incoming->startBatch([OP_SEND_MESSAGE => ['message' => "fro $n"]]);
    echo $call->startBatch([OP_RECV_MESSAGE => true])->message, "\n";
}
$call->startBatch([OP_SEND_CLOSE_FROM_CLIENT => true]);
var_dump($incoming->startBatch([OP_RECV_MESSAGE => true])->message);
$incoming->startBatch([OP_SEND_STATUS_FROM_SERVER => ['code' => 9, 'details' => 'enough', 'metadata' => ['t' => ['x', 'y']]]]);
var_dump($call->startBatch([OP_RECV_MESSAGE => true])->message);
echo json_encode($call->startBatch([OP_RECV_STATUS_ON_CLIENT => true])), "\n";
// The end of the streams is theirs still.
var_dump($call->startBatch([OP_RECV_MESSAGE => true])->message, $incoming->startBatch([OP_RECV_MESSAGE => true])->message);

echo "-- a message longer than any window\n";
$long = str_repeat('0123456789', 300_000);
$call = call($channel);
$call->startBatch(request($long));
$incoming = $server->requestCall()->call;
var_dump($incoming->startBatch([OP_RECV_MESSAGE => true])->message === $long);
$incoming->startBatch(answer($long));
var_dump($call->startBatch(RESPONSE)->message === $long);

echo "-- calls answered in another order\n";
$calls = $incoming = [];
for ($n = 0; $n < 20; $n++) {
    ($calls[$n] = call($channel, "/test.Echo/N$n"))->startBatch(request("$n"));
}
for ($n = 0; $n < 20; $n++) {
    $one = $server->requestCall();
    $incoming[$one->method] = $one->call;
}
foreach (array_reverse($incoming) as $method => $one) {
    $one->startBatch(answer("$method " . $one->startBatch([OP_RECV_MESSAGE => true])->message));
}
$wrong = array_filter($calls, fn($call, $n) => $call->startBatch(RESPONSE)->message !== "/test.Echo/N$n $n", ARRAY_FILTER_USE_BOTH);
var_dump(count($wrong));
?>
--EXPECTF--
-- unary
object(stdClass)#%d (3) {
  ["send_metadata"]=>
  bool(true)
  ["send_message"]=>
  bool(true)
  ["send_close"]=>
  bool(true)
}
method host absolute_deadline metadata call
string(16) "/test.Echo/Unary"
bool(true)
array(1) {
  [0]=>
  string(1) "v"
}
Grpc\Call Grpc\Timeval
bool(true)
string(4) "ping"
object(stdClass)#%d (4) {
  ["send_metadata"]=>
  bool(true)
  ["send_message"]=>
  bool(true)
  ["send_status"]=>
  bool(true)
  ["cancelled"]=>
  bool(false)
}
object(stdClass)#%d (3) {
  ["metadata"]=>
  array(1) {
    ["i"]=>
    array(1) {
      [0]=>
      string(1) "1"
    }
  }
  ["message"]=>
  string(4) "pong"
  ["status"]=>
  object(stdClass)#%d (3) {
    ["metadata"]=>
    array(1) {
      ["t"]=>
      array(1) {
        [0]=>
        string(1) "2"
      }
    }
    ["code"]=>
    int(0)
    ["details"]=>
    string(0) ""
  }
}
-- without a deadline, a method without slashes, no request
string(10) "plain_name"
int(0)
bool(false)
{"metadata":[],"status":{"metadata":[],"code":3,"details":"xyz"}}
-- OK with details
0 all is well ☺
-- many responses
NULL
response 0
response 1
response 2
0
-- many requests
bool(true)
bool(true)
bool(true)
b
["one","","three"]
-- both, to and fro
to 0, fro 0
to 1, fro 1
to 2, fro 2
NULL
NULL
{"status":{"metadata":{"t":["x","y"]},"code":9,"details":"enough"}}
NULL
NULL
-- a message longer than any window
bool(true)
bool(true)
-- calls answered in another order
int(0)
