--TEST--
Targets: TCP by name and address, Unix sockets, abstract ones, several addresses
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';

use Viaduct\{Channel, Credentials};

function shows(string $target, ?Credentials $credentials = null): void
{
    global $port;
    $channel = new Channel($target, $credentials);
    $call = $channel->start('/test.Peer/Show', 'x', timeout: 20.0);
    $seen = unserialize($call->wait());
    echo str_replace((string) $port, 'PORT', "$target: {$call->peer()}, authority {$seen['authority']}, target {$channel->target()}"), "\n";
}

$peer = new Peer();
$port = substr(strrchr($peer->target, ':'), 1);
shows("http://127.0.0.1:$port");
shows("http://127.0.0.1:$port/");
shows("http://localhost:$port");
shows("dns:///localhost:$port", Credentials::insecure());
shows("dns:localhost:$port", Credentials::insecure());
shows("ipv4:127.0.0.1:$port", Credentials::insecure());
$closed = stream_socket_server('tcp://127.0.0.1:0');
$dead = substr(strrchr(stream_socket_get_name($closed, false), ':'), 1);
fclose($closed);
echo str_replace($dead, 'DEAD', (function () use ($dead, $port) {
    ob_start();
    shows("ipv4:127.0.0.1:$dead,127.0.0.1:$port", Credentials::insecure());
    return ob_get_clean();
})());

$port = 'none';
$path = sys_get_temp_dir() . '/viaduct-' . getmypid() . '.sock';
$unix = new Peer("unix:$path");
foreach (["unix:$path", "unix://$path"] as $target) {
    ob_start();
    shows($target);
    echo str_replace($path, '/PATH', ob_get_clean());
}
$unix->stop();
echo file_exists($path) ? 'LEFT BEHIND' : 'removed', "\n";
$name = 'viaduct-test-' . getmypid();
$abstract = new Peer("unix-abstract:$name");
ob_start();
shows("unix-abstract:$name");
echo str_replace($name, 'NAME', ob_get_clean());
?>
--EXPECT--
http://127.0.0.1:PORT: ipv4:127.0.0.1:PORT, authority 127.0.0.1:PORT, target http://127.0.0.1:PORT
http://127.0.0.1:PORT/: ipv4:127.0.0.1:PORT, authority 127.0.0.1:PORT, target http://127.0.0.1:PORT/
http://localhost:PORT: ipv4:127.0.0.1:PORT, authority localhost:PORT, target http://localhost:PORT
dns:///localhost:PORT: ipv4:127.0.0.1:PORT, authority localhost:PORT, target dns:///localhost:PORT
dns:localhost:PORT: ipv4:127.0.0.1:PORT, authority localhost:PORT, target dns:localhost:PORT
ipv4:127.0.0.1:PORT: ipv4:127.0.0.1:PORT, authority 127.0.0.1:PORT, target ipv4:127.0.0.1:PORT
ipv4:127.0.0.1:DEAD,127.0.0.1:PORT: ipv4:127.0.0.1:PORT, authority 127.0.0.1:DEAD, target ipv4:127.0.0.1:DEAD,127.0.0.1:PORT
unix:/PATH: unix:/PATH, authority localhost, target unix:/PATH
unix:///PATH: unix:/PATH, authority localhost, target unix:///PATH
removed
unix-abstract:NAME: unix-abstract:NAME, authority localhost, target unix-abstract:NAME
