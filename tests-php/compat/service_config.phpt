--TEST--
Grpc\Channel: service config, retries, load balancing and proxies by argument
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{Channel, Server, Timeval};

$retrying = json_encode(['methodConfig' => [[
    'name' => [['service' => 'test.Echo']],
    'retryPolicy' => ['maxAttempts' => 3, 'initialBackoff' => '0.01s', 'maxBackoff' => '0.1s', 'backoffMultiplier' => 2, 'retryableStatusCodes' => ['UNAVAILABLE']],
]]]);
$unavailable = [
    Grpc\OP_SEND_STATUS_FROM_SERVER => ['code' => Grpc\STATUS_UNAVAILABLE, 'details' => 'not now'],
    Grpc\OP_RECV_CLOSE_ON_SERVER => true,
];
/** Answers with errors, and then with a message; says which attempt each call was. */
$serve = function (Server $server, int $errors) use ($unavailable): void {
    while ($errors-- >= 0) {
        $seen = $server->requestCall();
        echo 'attempts before: ', $seen->metadata['grpc-previous-rpc-attempts'][0] ?? 'none', "\n";
        $seen->call->startBatch($errors >= 0 ? $unavailable : answer('at last'));
    }
};

echo "--- unary calls\n";
[$server, $channel] = pair([], ['grpc.service_config' => $retrying]);
$call = call($channel);
$call->startBatch(request('x'));
$serve($server, 2);
$end = $call->startBatch(RESPONSE);
echo $end->message, ' ', status($end->status), "\n";

echo "--- a stream is sent again from its beginning\n";
$call = call($channel);
$call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => []]);
$call->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => 'one']]);
$first = $server->requestCall();
echo $first->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, "\n";
$first->call->startBatch($unavailable);
$again = $server->requestCall();
echo $again->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, "\n";
$call->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => 'two'], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
echo $again->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, "\n";
$again->call->startBatch(answer('both'));
$end = $call->startBatch(RESPONSE);
echo $end->message, ' ', status($end->status), "\n";

echo "--- too many, not that code, not allowed\n";
$fails = function (array $args, int $code, int $times) {
    [$server, $channel] = pair([], $args);
    $call = call($channel);
    $call->startBatch(request('x'));
    while ($times-- > 0) {
        $server->requestCall()->call->startBatch([
            Grpc\OP_SEND_STATUS_FROM_SERVER => ['code' => $code, 'details' => 'no'],
            Grpc\OP_RECV_CLOSE_ON_SERVER => true,
        ]);
    }
    return status($call->startBatch(RESPONSE)->status) . "\n";
};
echo $fails(['grpc.service_config' => $retrying], 14, 3);
echo $fails(['grpc.service_config' => $retrying], 5, 1);
echo $fails(['grpc.service_config' => $retrying, 'grpc.enable_retries' => 0], 14, 1);

echo "--- a timeout and wait-for-ready by method\n";
[$server, $channel] = pair([], ['grpc.service_config' => '{"methodConfig": [{"name": [{}], "timeout": "0.1s"}]}']);
$call = call($channel);
$call->startBatch(request('x'));
echo $call->startBatch(RESPONSE)->status->code, "\n";
$nobody = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($nobody, false);
fclose($nobody);
foreach (['false', 'true'] as $wait) {
    $channel = new Channel($address, ['grpc.service_config' => "{\"methodConfig\": [{\"name\": [{}], \"waitForReady\": $wait}]}"]);
    echo call($channel, seconds: 0.3)->startBatch(request('x') + RESPONSE)->status->code, ' ';
}
echo "\n";

echo "--- load balancing\n";
[$one, , $onePort] = pair();
[$two, , $twoPort] = pair();
foreach (['grpc.lb_policy_name' => 'round_robin', 'grpc.service_config' => '{"loadBalancingConfig": [{"unheard_of": {}}, {"round_robin": {}}]}', 'none' => ''] as $key => $value) {
    $channel = new Channel("ipv4:127.0.0.1:$onePort,127.0.0.1:$twoPort", [$key => $value]);
    $peers = [];
    for ($calls = []; count($calls) < 40 && count($peers) < ($value === '' ? 3 : 2);) {
        $calls[] = $call = call($channel);
        $call->startBatch(request('x'));
        $peers[$call->getPeer()] = true;
        $channel->watchConnectivityState(Grpc\CHANNEL_READY, soon(0.01));
    }
    echo count($peers), ' ';
}
echo "\n";

echo "--- a proxy\n";
$proxy = stream_socket_server('tcp://127.0.0.1:0');
$through = ['grpc.http_proxy' => 'http://u:p@' . stream_socket_get_name($proxy, false)];
$channel = new Channel('greeter.invalid:1', $through);
$channel->getConnectivityState(true);
$asked = stream_socket_accept($proxy, 30);
$head = '';
while (!str_contains($head, "\r\n\r\n")) {
    $head .= fread($asked, 8192);
}
echo strtok($head, "\r\n"), ' ', preg_match('/^proxy-authorization: Basic dTpw\r$/mi', $head), "\n";
fwrite($asked, "HTTP/1.1 403 Forbidden\r\n\r\n");
$status = call($channel)->startBatch(request('x') + RESPONSE)->status;
echo $status->code, ' ', str_contains($status->details, '403 Forbidden') ? 'names the answer' : $status->details, "\n";
[$server, $channel] = pair([], $through + ['grpc.enable_http_proxy' => 0]);
$call = call($channel);
$call->startBatch(request('direct'));
echo $server->requestCall()->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, "\n";
?>
--EXPECT--
--- unary calls
attempts before: none
attempts before: 1
attempts before: 2
at last 0
--- a stream is sent again from its beginning
one
one
two
both 0
--- too many, not that code, not allowed
14 no
5 no
14 no
--- a timeout and wait-for-ready by method
4
14 4 
--- load balancing
2 2 1 
--- a proxy
CONNECT greeter.invalid:1 HTTP/1.1 1
14 names the answer
direct
