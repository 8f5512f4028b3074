--TEST--
Grpc\Channel: every kind of target, and Grpc\Server on every kind of address
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{Channel, Server};

$server = new Server([]);
$name = 'viaduct-targets-' . getmypid();
$path = sys_get_temp_dir() . "/$name.sock";
$port = $server->addHttp2Port('0.0.0.0:0');
$six = @stream_socket_server('tcp://[::1]:0') ? $server->addHttp2Port('[::1]:0') : null;
var_dump($port > 0, $server->addHttp2Port("unix:$path"), $server->addHttp2Port("unix-abstract:$name"));
$server->start();
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$closed = substr(strrchr(stream_socket_get_name($reserved, false), ':'), 1);
fclose($reserved);

/** Makes a call to the target; whether it brought its answer, and who it was made to. */
function reached(string $target): string
{
    global $server;
    $channel = new Channel($target, ['force_new' => true]);
    $call = call($channel);
    $call->startBatch(request('there'));
    $seen = $server->requestCall();
    $got = $seen->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message;
    $seen->call->startBatch(answer("$got and back"));
    $answer = $call->startBatch(RESPONSE)->message;
    return "$answer, $seen->host, {$call->getPeer()}, " . ($channel->getTarget() === $target ? 'target as given' : $channel->getTarget());
}
$targets = ["127.0.0.1:$port", "localhost:$port", "dns:localhost:$port", "dns:///localhost:$port",
    "ipv4:127.0.0.1:$port", "ipv4:127.0.0.1:$closed,127.0.0.1:$port", "unix:$path", "unix://$path", "unix-abstract:$name",
    "127.0.0.1:$port/some/path", "dns:///localhost:$port/path", "127.0.0.1:$port\0behind"];
foreach ($targets as $target) {
    // Either may be the first address of localhost.
    $known = ["ipv6:[::1]:$port" => 'ipv4:127.0.0.1:PORT', $path => 'PATH', $name => 'NAME', (string) $port => 'PORT', $closed => 'CLOSED'];
    echo strtr("$target: " . reached($target), $known), "\n";
}
echo 'ipv6: ', $six === null ? 'there' : substr(reached("ipv6:[::1]:$six"), 0, 5), "\n";
unset($server);
// The reactor closes its sockets, and removes the file, in its own time.
for ($n = 0; file_exists($path) && $n < 1000; $n++) {
    usleep(10_000);
    clearstatcache();
}
var_dump(file_exists($path));
?>
--EXPECTF--
bool(true)
int(1)
int(1)
127.0.0.1:PORT: there and back, 127.0.0.1:PORT, ipv4:127.0.0.1:PORT, target as given
localhost:PORT: there and back, localhost:PORT, ipv4:127.0.0.1:PORT, target as given
dns:localhost:PORT: there and back, localhost:PORT, ipv4:127.0.0.1:PORT, target as given
dns:///localhost:PORT: there and back, localhost:PORT, ipv4:127.0.0.1:PORT, target as given
ipv4:127.0.0.1:PORT: there and back, 127.0.0.1:PORT, ipv4:127.0.0.1:PORT, target as given
ipv4:127.0.0.1:CLOSED,127.0.0.1:PORT: there and back, 127.0.0.1:CLOSED, ipv4:127.0.0.1:PORT, target as given
unix:PATH: there and back, localhost, unix:PATH, target as given
unix://PATH: there and back, localhost, unix:PATH, target as given
unix-abstract:NAME: there and back, localhost, unix-abstract:NAME, target as given
127.0.0.1:PORT/some/path: there and back, 127.0.0.1:PORT, ipv4:127.0.0.1:PORT, target as given
dns:///localhost:PORT/path: there and back, localhost:PORT, ipv4:127.0.0.1:PORT, target as given
127.0.0.1:PORT%0behind: there and back, 127.0.0.1:PORT, ipv4:127.0.0.1:PORT, target as given
ipv6: there
bool(false)
