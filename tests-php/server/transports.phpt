--TEST--
Server: TCP, Unix sockets, TLS and mutual TLS, all at once
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!trim(shell_exec('command -v openssl'))) die('skip openssl is missing'); ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions, Credentials};

[$cert, $key, $authority] = certificate(scratch(), 'server');
[$clientCert, $clientKey, $clientAuthority] = certificate(scratch(), 'client');
[$strangerCert, $strangerKey, $strangerAuthority] = certificate(scratch(), 'stranger');
$socket = scratch() . '/server.sock';
$name = 'viaduct-test-' . getmypid();
$server = ServerProcess::start(<<<'PHP'
[, $cert, $key, $clientCa, $socket, $name] = $argv;
$server->handle('/tls.A/Peer', fn(string $in, Context $c): string => preg_replace('/\d+$/', 'N', $c->peer()));
$tls = ServerCredentials::tls(file_get_contents($cert), file_get_contents($key));
$mutual = ServerCredentials::tls(file_get_contents($cert), file_get_contents($key), file_get_contents($clientCa));
announce(
    $server->listen('http://127.0.0.1:0'),
    $server->listen('https://127.0.0.1:0', $tls),
    $server->listen('https://127.0.0.1:0', $mutual),
    $server->listen("unix:$socket"),
    $server->listen("unix-abstract:$name"),
    $server->listen('http://[::1]:0'),
);
$server->run();
PHP, arguments: [$cert, $key, $clientAuthority, $socket, $name]);
[$plain, $tls, $mutual, $unix, $abstract, $six] = $server->addresses;
echo preg_replace('/:\d+$/m', ':N', str_replace([scratch(), $name], ['DIR', 'NAME'], implode("\n", $server->addresses))), "\n";
$ca = file_get_contents($authority);
$call = fn(Channel $channel) => outcome(function () use ($channel) {
    try {
        return $channel->unary('/tls.A/Peer', '', timeout: 10);
    } catch (Viaduct\RpcException $e) {
        return $e->statusCode()->name;
    }
});
$quick = new ChannelOptions(initialBackoff: 0.1);
echo "plain: ";
$call(new Channel($plain));
echo "tls: ";
$call(new Channel($tls, Credentials::tls(ca: $ca)));
echo "tls, another name: ";
$call(new Channel($tls, Credentials::tls(ca: $ca, serverName: 'localhost')));
echo "mutual: ";
$call(new Channel($mutual, Credentials::tls(ca: $ca, cert: file_get_contents($clientCert), key: file_get_contents($clientKey))));
echo "unix: ";
$call(new Channel($unix));
echo "abstract: ";
$call(new Channel($abstract));
echo "ipv6: ";
$call(new Channel($six));
echo "tls, roots that do not know it: ";
$call(new Channel($tls, Credentials::tls(ca: file_get_contents($strangerAuthority)), $quick));
echo "tls, wrong name: ";
$call(new Channel($tls, Credentials::tls(ca: $ca, serverName: 'example.com'), $quick));
echo "mutual, no certificate: ";
$call(new Channel($mutual, Credentials::tls(ca: $ca), $quick));
echo "mutual, a stranger's: ";
$call(new Channel($mutual, Credentials::tls(ca: $ca, cert: file_get_contents($strangerCert), key: file_get_contents($strangerKey)), $quick));
echo "plain to tls: ";
$call(new Channel(str_replace('https:', 'http:', $tls), null, $quick));
echo "tls to plain: ";
$call(new Channel(str_replace('http:', 'https:', $plain), Credentials::tls(ca: $ca), $quick));
echo "still there: ";
$call(new Channel($mutual, Credentials::tls(ca: $ca, cert: file_get_contents($clientCert), key: file_get_contents($clientKey))));
echo $server->stop(), ' ', file_exists($socket) ? 'the socket is left' : 'the socket is gone', "\n", $server->errors(), $server->log();
?>
--EXPECT--
http://127.0.0.1:N
https://127.0.0.1:N
https://127.0.0.1:N
unix:DIR/server.sock
unix-abstract:NAME
http://[::1]:N
plain: OK ipv4:127.0.0.1:N
tls: OK ipv4:127.0.0.1:N
tls, another name: OK ipv4:127.0.0.1:N
mutual: OK ipv4:127.0.0.1:N
unix: OK unix:
abstract: OK unix:
ipv6: OK ipv6:[::1]:N
tls, roots that do not know it: OK Unavailable
tls, wrong name: OK Unavailable
mutual, no certificate: OK Unavailable
mutual, a stranger's: OK Unavailable
plain to tls: OK Unavailable
tls to plain: OK Unavailable
still there: OK ipv4:127.0.0.1:N
0 the socket is gone
