--TEST--
Grpc\Channel: arguments for connections that do not come about, for PINGs, and for long metadata
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/compat.php';

use Grpc\Channel;

echo "-- an attempt to connect takes no longer than grpc.min_reconnect_backoff_ms\n";
$silent = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($silent, false);
$channel = new Channel($address, ['grpc.min_reconnect_backoff_ms' => 300]);
echo str_replace($address, 'ADDRESS', status(call($channel)->startBatch(request('x') + RESPONSE)->status)), "\n";

echo "-- grpc.http2.max_pings_without_data\n";
$idle = ['grpc.keepalive_time_ms' => 50, 'grpc.keepalive_permit_without_calls' => 1];
$servers = [];
foreach ([1 => 1, 0 => 0] as $limit) {
    $servers[$limit] = new Wrong('echo');
    $channels[$limit] = new Channel("127.0.0.1:{$servers[$limit]->port}", $idle + ['grpc.http2.max_pings_without_data' => $limit]);
    $channels[$limit]->getConnectivityState(true);
}
for ($n = 0; $n < 2000 && $servers[0]->stats()['pings_received'] < 5; $n++) {
    usleep(10_000);
}
var_dump($servers[0]->stats()['pings_received'] >= 5, $servers[1]->stats()['pings_received']);

echo "-- grpc.max_metadata_size, of a channel and of a server\n";
foreach ([null, 1000, 100_000] as $limit) {
    foreach (['channel', 'server'] as $side) {
        $args = $limit ? ['grpc.max_metadata_size' => $limit] : [];
        [$server, $channel] = pair($side === 'server' ? $args : [], $side === 'channel' ? $args : []);
        $call = call($channel);
        $long = ['long' => [str_repeat('x', 4000)]];
        $call->startBatch(request('x', $side === 'server' ? $long : []));
        if ($limit !== 1000 || $side === 'channel') {
            $server->requestCall()->call->startBatch(answer('y', [], $side === 'channel' ? $long : []));
        }
        $status = $call->startBatch(RESPONSE)->status;
        $came = $side === 'channel' ? strlen($status->metadata['long'][0] ?? '') : 4000;
        echo $side, ' ', json_encode($limit), ': ', $status->code === 0 && $came === 4000 ? 'taken' : 'refused', "\n";
    }
}

echo "-- the names of users' files: taken, one by one and together\n";
$all = ['grpc.dns_min_time_between_resolutions_ms' => 1000, 'grpc.dns_ares_query_timeout' => 1000, 'grpc.dns_enable_srv_queries' => 1,
    'grpc.per_rpc_retry_buffer_size' => 1024, 'grpc.max_connection_age_grace_ms' => 1, 'grpc.enable_deadline_checking' => 0];
foreach ([...array_map(fn($key) => [$key => $all[$key]], array_keys($all)), $all] as $args) {
    [$server, $channel] = pair($args, $args);
    $call = call($channel);
    $call->startBatch(request('x'));
    $server->requestCall()->call->startBatch(answer('y'));
    echo $call->startBatch(RESPONSE)->message;
}
echo "\n";
?>
--EXPECT--
-- an attempt to connect takes no longer than grpc.min_reconnect_backoff_ms
14 cannot connect to ADDRESS: no connection within 300ms (connectTimeout)
-- grpc.http2.max_pings_without_data
bool(true)
int(1)
-- grpc.max_metadata_size, of a channel and of a server
channel null: taken
server null: taken
channel 1000: refused
server 1000: refused
channel 100000: taken
server 100000: taken
-- the names of users' files: taken, one by one and together
yyyyyyy
