--TEST--
Grpc\Channel: what the arguments do
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/compat.php';

use Grpc\{Channel, Timeval};

$forever = Timeval::infFuture();

/** One unary call in this thread; what the server saw, and how it ended. */
function once(array $args, string $request = '', string $response = ''): array
{
    [$server, $channel] = pair(['grpc.max_receive_message_length' => -1], $args);
    $call = call($channel);
    $call->startBatch(request($request));
    $seen = $server->requestCall();
    $seen->call->startBatch([Grpc\OP_RECV_MESSAGE => true]);
    $seen->call->startBatch(answer($response));
    $got = $call->startBatch(RESPONSE);
    return [$seen, $got->status->code . ' ' . strlen($got->message ?? '')];
}
echo "--- lengths\n";
echo once([], '', str_repeat('r', 4 << 20))[1], ' ', once([], '', str_repeat('r', (4 << 20) + 1))[1], "\n";
foreach ([[100, 100], [100, 101], [-1, 5 << 20], [0, 0], [0, 1], [-2, 4 << 20]] as [$limit, $length]) {
    echo "receive at most $limit, $length: ", once(['grpc.max_receive_message_length' => $limit], '', str_repeat('r', $length))[1], "\n";
}
echo "a number as text: ", once(['grpc.max_receive_message_length' => '100'], '', str_repeat('r', 101))[1], "\n";
echo "send at most -1: ", once(['grpc.max_send_message_length' => -1], str_repeat('q', 5 << 20))[1], "\n";
echo "send at most 100: ", once(['grpc.max_send_message_length' => 100], str_repeat('q', 100))[1], ' ';
[, $channel] = pair([], ['grpc.max_send_message_length' => 100]);
echo call($channel)->startBatch(request(str_repeat('q', 101)) + RESPONSE)->status->code, "\n";

echo "--- names\n";
echo once(['grpc.default_authority' => 'greeter.example:5'])[0]->host, "\n";
echo once(['grpc.ssl_target_name_override' => 'other.example'])[0]->host, "\n";
echo once(['grpc.ssl_target_name_override' => 'other.example', 'grpc.default_authority' => 'first.example'])[0]->host, "\n";
$python = new Process([dirname(__DIR__, 2) . '/.venv/bin/python', '-uc', <<<'PYTHON'
import sys, grpc
from concurrent import futures
class All(grpc.GenericRpcHandler):
    def service(self, details):
        agent = dict(details.invocation_metadata)['user-agent']
        return grpc.unary_unary_rpc_method_handler(lambda request, context: agent.encode())
server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[All()])
print(server.add_insecure_port('127.0.0.1:0'))
server.start()
server.wait_for_termination()
PYTHON]);
$port = $python->line();
foreach ([[], ['grpc.primary_user_agent' => 'grpc-php/1.74.0']] as $args) {
    $call = call(new Channel("127.0.0.1:$port", $args));
    echo preg_replace('~[\d.]+$~', 'VERSION', $call->startBatch(request('') + RESPONSE)->message), "\n";
}
$python->stop();

echo "--- compression\n";
$echo = new Wrong('echo');
foreach ([0, 1, 2, 77] as $algorithm) {
    $call = call(new Channel("127.0.0.1:$echo->port", ['grpc.default_compression_algorithm' => $algorithm, 'force_new' => true]), '/test.Echo/Unary');
    $call->startBatch(request(str_repeat('a', 10_000)) + [Grpc\OP_RECV_STATUS_ON_CLIENT => true]);
    $bytes = array_column($echo->frames(), 'data_bytes');
    echo $algorithm, ' ', end($bytes) > 10_000 ? 'plain' : 'compressed', "\n";
}

echo "--- the connection's life\n";
function ready(Channel $channel): Channel
{
    $channel->getConnectivityState(true);
    while (($state = $channel->getConnectivityState()) === Grpc\CHANNEL_CONNECTING) {
        $channel->watchConnectivityState($state, Timeval::infFuture());
    }
    echo $state === Grpc\CHANNEL_READY ? 'ready ' : 'FAILED ';
    return $channel;
}
/** Waits for a count. */
$pinged = function () use ($echo): bool {
    for ($n = 0; $n < 1000 && $echo->stats()['pings_received'] === 0; $n++) {
        usleep(10_000);
    }
    return $n < 1000;
};
$idle = ready(new Channel("127.0.0.1:$echo->port", ['grpc.client_idle_timeout_ms' => 100, 'force_new' => true]));
$call = call($idle, '/test.Echo/Unary');
$call->startBatch(request('') + RESPONSE);
unset($call);
var_dump($idle->watchConnectivityState(Grpc\CHANNEL_READY, $forever), $idle->getConnectivityState() === Grpc\CHANNEL_IDLE);
$quiet = ready(new Channel("127.0.0.1:$echo->port", ['grpc.keepalive_time_ms' => 50, 'force_new' => true]));
$quiet->watchConnectivityState(Grpc\CHANNEL_READY, soon(0.3));
echo "pings without calls: ", $echo->stats()['pings_received'], "\n";
$alive = ready(new Channel("127.0.0.1:$echo->port", ['grpc.keepalive_time_ms' => 50, 'grpc.keepalive_permit_without_calls' => 1, 'force_new' => true]));
echo "permitted: ";
var_dump($pinged());
$mute = new Wrong('silence-no-ack');
$dead = ready(new Channel("127.0.0.1:$mute->port", ['grpc.keepalive_time_ms' => 500, 'grpc.keepalive_timeout_ms' => 500, 'grpc.keepalive_permit_without_calls' => 1]));
echo "no answer: ";
var_dump($dead->watchConnectivityState(Grpc\CHANNEL_READY, $forever));

echo "--- backoff\n";
/** Whether the next attempt after a failure begins before the deadline. */
$again = function (array $args, Timeval $deadline): void {
    $channel = new Channel('localhost:0', ['force_new' => true] + $args);
    $channel->getConnectivityState(true);
    $channel->watchConnectivityState(Grpc\CHANNEL_CONNECTING, Timeval::infFuture());
    var_dump($channel->watchConnectivityState(Grpc\CHANNEL_TRANSIENT_FAILURE, $deadline));
};
$again(['grpc.initial_reconnect_backoff_ms' => 10], $forever);
$again(['grpc.initial_reconnect_backoff_ms' => 3_600_000, 'grpc.max_reconnect_backoff_ms' => 3_600_000], soon(0.2));
$again(['grpc.initial_reconnect_backoff_ms' => 3_600_000, 'grpc.max_reconnect_backoff_ms' => 10], $forever);

echo "--- taken without an effect\n";
$call = call(new Channel("127.0.0.1:$echo->port", [
    'grpc.http2.max_pings_without_data' => 0,
    'grpc.max_connection_idle_ms' => 1000,
    'grpc.max_connection_age_ms' => 1000,
    'grpc.max_concurrent_streams' => 1,
    'grpc.so_reuseport' => 0,
    'grpc.dns_enable_srv_queries' => 0,
    'grpc.keepalive_time_ms' => 0,
    'grpc.keepalive_timeout_ms' => -5,
    'grpc.initial_reconnect_backoff_ms' => -1,
    'grpc.client_idle_timeout_ms' => 0x7fffffff,
    'grpc.never_heard_of' => 'x',
    '' => 1,
    'abc' => 'def',
]), '/test.Echo/Unary');
echo $call->startBatch(request('all the same') + RESPONSE)->message, "\n";
?>
--EXPECT--
--- lengths
0 4194304 8 0
receive at most 100, 100: 0 100
receive at most 100, 101: 8 0
receive at most -1, 5242880: 0 5242880
receive at most 0, 0: 0 0
receive at most 0, 1: 8 0
receive at most -2, 4194304: 0 4194304
a number as text: 8 0
send at most -1: 0 0
send at most 100: 0 0 8
--- names
greeter.example:5
other.example
first.example
viaduct/VERSION
grpc-php/1.74.0 viaduct/VERSION
--- compression
0 plain
1 compressed
2 compressed
77 plain
--- the connection's life
ready bool(true)
bool(true)
ready pings without calls: 0
ready permitted: bool(true)
ready no answer: bool(true)
--- backoff
bool(true)
bool(false)
bool(true)
--- taken without an effect
all the same
