--TEST--
Targets where nobody answers: Unavailable, and why
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Viaduct\{Channel, ChannelOptions, Credentials};

$try = fn(string $target, ?Credentials $credentials = null, mixed ...$options) =>
    ending(fn() => (new Channel($target, $credentials, new ChannelOptions(...$options)))->unary('/test.Echo/Unary', 'x', timeout: 20.0)) . "\n";

$closed = stream_socket_server('tcp://127.0.0.1:0');
$dead = substr(strrchr(stream_socket_get_name($closed, false), ':'), 1);
fclose($closed);
echo str_replace($dead, 'DEAD', $try("http://127.0.0.1:$dead"));
echo str_replace($dead, 'DEAD', $try("ipv4:127.0.0.1:$dead,127.0.0.2:$dead", Credentials::insecure()));
echo $try('http://no-such-name.invalid:1');
echo $try('unix:/nonexistent/viaduct.sock');
echo $try('unix-abstract:viaduct-nobody-' . getmypid()) === str_replace('PID', getmypid(), "Unavailable: cannot connect to unix-abstract:viaduct-nobody-PID: unix-abstract:viaduct-nobody-PID: Connection refused (os error 111)\n") ? "abstract\n" : "ABSTRACT\n";
$server = new Wrong('echo');
// TLS to a peer without it.
echo str_replace((string) $server->port, 'PORT', $try("https://localhost:$server->port", Credentials::tls()));
// No answer to the connection: a listener whose queue is full.
$listener = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
socket_bind($listener, '127.0.0.1');
socket_listen($listener, 0);
socket_getsockname($listener, $address, $port);
$fill = [];
for ($n = 0; $n < 8; $n++) {
    socket_set_nonblock($fill[] = $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP));
    @socket_connect($socket, '127.0.0.1', $port);
}
echo str_replace((string) $port, 'PORT', $try("http://127.0.0.1:$port", connectTimeout: 0.3));
echo ending(fn() => $server->channel()->unary('/test.Echo/Unary', 'the process goes on')), "\n";
?>
--EXPECTF--
Unavailable: cannot connect to http://127.0.0.1:DEAD: ipv4:127.0.0.1:DEAD: Connection refused (os error 111)
Unavailable: cannot connect to ipv4:127.0.0.1:DEAD,127.0.0.2:DEAD: ipv4:127.0.0.1:DEAD: Connection refused (os error 111); ipv4:127.0.0.2:DEAD: Connection refused (os error 111)
Unavailable: cannot connect to http://no-such-name.invalid:1: the name "no-such-name.invalid" does not resolve: %s
Unavailable: cannot connect to unix:/nonexistent/viaduct.sock: unix:/nonexistent/viaduct.sock: No such file or directory (os error 2)
abstract
Unavailable: cannot connect to https://localhost:PORT: ipv4:127.0.0.1:PORT: the TLS handshake failed: the peer does not speak TLS (plaintext on the other side?)
Unavailable: cannot connect to http://127.0.0.1:PORT: no connection within 300ms (connectTimeout)
Ok: the process goes on
