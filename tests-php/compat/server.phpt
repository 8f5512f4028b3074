--TEST--
Grpc\Server: ports, arguments, two servers, its end
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{Channel, Server};

/** Whether a call to the target comes to the server. */
function reaches(string $target, Server $server): bool
{
    $call = call(new Channel($target, ['force_new' => true]));
    $call->startBatch(request('x'));
    $server->requestCall()->call->startBatch(answer('y'));
    return $call->startBatch(RESPONSE)->message === 'y';
}

echo "-- constructors\n";
foreach ([[], [null], [[]], [['ip' => '127.0.0.1', 'port' => '8080', 'grpc.so_reuseport' => 0, 'grpc.max_connection_age_ms' => 1000]]] as $arguments) {
    echo get_class(new Server(...$arguments)), "\n";
}

echo "-- ports\n";
$server = new Server([]);
$ports = [];
foreach (['0.0.0.0:0', 'localhost:0', '127.0.0.1:0'] as $address) {
    $ports[$address] = $server->addHttp2Port($address);
    var_dump($ports[$address] > 0);
}
$path = sys_get_temp_dir() . '/viaduct-compat-' . getmypid() . '.sock';
var_dump($server->addHttp2Port("unix:$path"));
// The port that was asked for.
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$free = (int) substr(strrchr(stream_socket_get_name($reserved, false), ':'), 1);
fclose($reserved);
var_dump($server->addHttp2Port("127.0.0.1:$free") === $free);
$six = @stream_socket_server('tcp://[::1]:0');
if ($six) {
    $ports['[::]:0'] = $server->addHttp2Port('[::]:0');
    $ports['[::1]:0'] = $server->addHttp2Port('[::1]:0');
}
var_dump($server->start());
var_dump(reaches("localhost:{$ports['0.0.0.0:0']}", $server), reaches("127.0.0.1:{$ports['0.0.0.0:0']}", $server));
var_dump(reaches("localhost:{$ports['localhost:0']}", $server), reaches("127.0.0.1:{$ports['localhost:0']}", $server));
var_dump(reaches("127.0.0.1:{$ports['127.0.0.1:0']}", $server), reaches("unix:$path", $server), reaches("127.0.0.1:$free", $server));
// Over IPv6, where there is any.
var_dump(!$six || (reaches("[::1]:{$ports['0.0.0.0:0']}", $server) && reaches("[::1]:{$ports['[::]:0']}", $server)
    && reaches("127.0.0.1:{$ports['[::]:0']}", $server) && reaches("[::1]:{$ports['[::1]:0']}", $server)));

echo "-- the end of the object is that of the server\n";
$port = $ports['127.0.0.1:0'];
$channel = new Channel("127.0.0.1:$port", ['force_new' => true]);
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall()->call;
unset($server);
var_dump(file_exists($path), @stream_socket_client("tcp://127.0.0.1:$port", $number, $message, 5));
var_dump($incoming->startBatch([Grpc\OP_RECV_CLOSE_ON_SERVER => true])->cancelled);
echo $call->startBatch(RESPONSE)->status->code, "\n";
unset($incoming);
$again = new Server(['grpc.so_reuseport' => 0]);
var_dump($again->addHttp2Port("127.0.0.1:$port") === $port);

echo "-- a port of ours is shared, unless somebody does not want that\n";
$one = new Server();
$port = $one->addHttp2Port('127.0.0.1:0');
$two = new Server();
var_dump($two->addHttp2Port("127.0.0.1:$port") === $port, $again->addHttp2Port("127.0.0.1:$port"));

echo "-- two servers in one thread\n";
[$one, $toOne] = pair();
[$two, $toTwo] = pair();
$first = call($toOne, '/to/one');
$second = call($toTwo, '/to/two');
$second->startBatch(request('x'));
$first->startBatch(request('x'));
echo $one->requestCall()->method, ' ', $two->requestCall()->method, "\n";

echo "-- it answers PINGs and keeps deadlines while PHP is elsewhere\n";
$call = call($toOne, '/to/one', 0.3);
$call->startBatch(request('x'));
$incoming = $one->requestCall()->call;
usleep(600_000);
var_dump($incoming->startBatch([Grpc\OP_RECV_CLOSE_ON_SERVER => true])->cancelled);

echo "-- no more streams than the argument says, as a number or as text\n";
foreach ([1, '1'] as $streams) {
    [$server, $channel] = pair(['grpc.max_concurrent_streams' => $streams]);
    $first = call($channel, '/the/first');
    $second = call($channel, '/the/second', 0.5);
    $first->startBatch(request('x'));
    $incoming = $server->requestCall()->call;
    $second->startBatch(request('x'));
    echo $second->startBatch(RESPONSE)->status->code, "\n";
    $incoming->startBatch(answer('y'));
    echo $first->startBatch(RESPONSE)->message, "\n";
}

echo "-- a subclass, as the library has one\n";
final class RpcServer extends Server
{
    public function port(): int
    {
        return $this->addHttp2Port('127.0.0.1:0');
    }
}
$server = new RpcServer();
$port = $server->port();
$server->start();
var_dump(reaches("127.0.0.1:$port", $server));
?>
--EXPECT--
-- constructors
Grpc\Server
Grpc\Server
Grpc\Server
Grpc\Server
-- ports
bool(true)
bool(true)
bool(true)
int(1)
bool(true)
NULL
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
-- the end of the object is that of the server
bool(false)
bool(false)
bool(true)
14
bool(true)
-- a port of ours is shared, unless somebody does not want that
bool(true)
int(0)
-- two servers in one thread
/to/one /to/two
-- it answers PINGs and keeps deadlines while PHP is elsewhere
bool(true)
-- no more streams than the argument says, as a number or as text
4
y
4
y
-- a subclass, as the library has one
bool(true)
