--TEST--
Grpc\Server: grpc.max_connection_idle_ms, grpc.max_connection_age_ms and grpc.max_connection_age_grace_ms
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{Call, Channel, Server, Timeval};

/** A unary call, both sides of it; the client's status. */
function whole(Server $server, Channel $channel): int
{
    $call = call($channel);
    $call->startBatch(request('x'));
    $server->requestCall()->call->startBatch(answer('y'));
    return $call->startBatch(RESPONSE)->status->code;
}

/** Waits until the channel has no connection, whatever it did before. */
function gone(Channel $channel): void
{
    while (($state = $channel->getConnectivityState()) !== Grpc\CHANNEL_IDLE) {
        if (!$channel->watchConnectivityState($state, soon(500))) {
            exit("it stays $state");
        }
    }
    echo "gone\n";
}

echo "-- idle\n";
[$server, $channel] = pair(['grpc.max_connection_idle_ms' => 300]);
echo whole($server, $channel), "\n";
gone($channel);
echo "the next call makes another connection: ", whole($server, $channel), "\n";
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall()->call;
usleep(1_000_000);
echo "with a call it is not idle: ";
$incoming->startBatch(answer('y'));
echo $call->startBatch(RESPONSE)->status->code, "\n";
echo "the server still holds the call, which is over: ";
gone($channel);

echo "-- age\n";
[$server, $channel] = pair(['grpc.max_connection_age_ms' => 500]);
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall()->call;
gone($channel);
echo "what runs is finished: ";
$incoming->startBatch(answer('y'));
echo $call->startBatch(RESPONSE)->status->code, "\n";
echo "a new one has a connection of its own: ", whole($server, $channel), "\n";

echo "-- age and grace\n";
foreach ([300, 0] as $grace) {
    [$server, $channel] = pair(['grpc.max_connection_age_ms' => 500, 'grpc.max_connection_age_grace_ms' => $grace]);
    $call = call($channel);
    $call->startBatch(request('x'));
    $incoming = $server->requestCall()->call;
    var_dump($incoming->startBatch([Grpc\OP_RECV_CLOSE_ON_SERVER => true])->cancelled);
    echo $call->startBatch(RESPONSE)->status->code, "\n";
}

echo "-- never\n";
$never = ['grpc.max_connection_idle_ms' => 0x7fffffff, 'grpc.max_connection_age_ms' => 0x7fffffff, 'grpc.max_connection_age_grace_ms' => 0x7fffffff];
foreach ([$never, array_fill_keys(array_keys($never), -1)] as $args) {
    [$server, $channel] = pair($args);
    echo whole($server, $channel), ' ';
    var_dump($channel->watchConnectivityState(Grpc\CHANNEL_READY, soon(0.5)));
}
?>
--EXPECT--
-- idle
0
gone
the next call makes another connection: 0
with a call it is not idle: 0
the server still holds the call, which is over: gone
-- age
gone
what runs is finished: 0
a new one has a connection of its own: 0
-- age and grace
bool(true)
14
bool(true)
14
-- never
0 bool(false)
0 bool(false)
