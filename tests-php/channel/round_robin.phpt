--TEST--
round_robin: calls rotate over the servers; one that goes is left out, and taken back
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions, ConnectivityState, Credentials, RpcException};

/** A server that says its pid. */
function server(string $address = 'http://127.0.0.1:0'): ServerProcess
{
    return ServerProcess::start(<<<'PHP'
        $server->handle('/a.B/Who', fn(string $in): string => (string) getmypid());
        serve($server, $argv[1]);
    PHP, arguments: [$address]);
}

/** @return list<int> how many of the calls each of the servers took */
function taken(Channel $channel, int $calls, ServerProcess ...$servers): array
{
    $count = [];
    for ($n = 0; $n < $calls; $n++) {
        $pid = $channel->unary('/a.B/Who', '', timeout: 20.0);
        $count[$pid] = ($count[$pid] ?? 0) + 1;
    }
    return array_map(fn($server) => $count[$server->pid] ?? 0, $servers);
}

/** Whether so many calls in a row end well, after a while. */
function settles(Channel $channel, int $calls): bool
{
    $well = 0;
    return eventually(function () use ($channel, $calls, &$well) {
        try {
            $channel->unary('/a.B/Who', '', timeout: 20.0);
            $well++;
        } catch (RpcException) {
            $well = 0;
        }
        return $well >= $calls;
    }, 30);
}

[$one, $two] = [server(), server()];
$hosts = array_map(fn($server) => substr($server->address, strlen('http://')), [$one, $two]);
$options = new ChannelOptions(loadBalancing: 'round_robin', initialBackoff: 0.05, maxBackoff: 0.1);
$channel = new Channel('ipv4:' . implode(',', $hosts), Credentials::insecure(), $options);
var_dump(eventually(fn() => !in_array(0, taken($channel, 2, $one, $two)), 30));
echo json_encode(taken($channel, 20, $one, $two)), ' ', $channel->state()->name, "\n";

echo $two->stop(), "\n";
var_dump(settles($channel, 20));
echo json_encode(taken($channel, 6, $one)), ' ', $channel->state()->name, "\n";
$two = server("http://$hosts[1]");
var_dump(eventually(fn() => !in_array(0, taken($channel, 2, $one, $two)), 30));
echo json_encode(taken($channel, 20, $one, $two)), "\n";

// With none left, the status names both.
$one->stop();
$two->stop();
var_dump(eventually(function () use ($channel, $hosts) {
    try {
        $channel->unary('/a.B/Who', '', timeout: 20.0);
    } catch (RpcException $e) {
        $said = $e->getMessage();
        return $e->statusCode()->name === 'Unavailable' && str_contains($said, $hosts[0]) && str_contains($said, $hosts[1]);
    }
}, 30));
echo $channel->state()->name, "\n";

// The first alone, where nothing is said.
$one = server();
$two = server();
$hosts = array_map(fn($server) => substr($server->address, strlen('http://')), [$one, $two]);
$first = new Channel('ipv4:' . implode(',', $hosts), Credentials::insecure());
echo json_encode(taken($first, 10, $one, $two)), "\n";
?>
--EXPECT--
bool(true)
[10,10] Ready
0
bool(true)
[6] Ready
bool(true)
[10,10]
bool(true)
TransientFailure
[10,0]
