--TEST--
Server: one listener with certificates for several names
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!trim(shell_exec('command -v openssl'))) die('skip openssl is missing'); ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions, Credentials};

$default = certificate(scratch(), 'default');
$other = certificate(scratch(), 'other', 'DNS:other.test');
$wild = certificate(scratch(), 'wild', 'DNS:*.wild.test');
$server = ServerProcess::start(<<<'PHP'
$texts = array_map('file_get_contents', array_slice($argv, 1));
$server->handle('/tls.A/Echo', fn(string $in): string => $in);
announce($server->listen('https://127.0.0.1:0', ServerCredentials::tls($texts[0], $texts[1], more: [
    ['cert' => $texts[2], 'key' => $texts[3]],
    ['key' => $texts[5], 'cert' => $texts[4]],
])));
$server->run();
PHP, arguments: [$default[0], $default[1], $other[0], $other[1], $wild[0], $wild[1]]);
// Each certificate comes from an authority of its own: trusting one of them shows which one came.
$call = function (string $name, array $trusted) use ($server): void {
    $credentials = Credentials::tls(ca: file_get_contents($trusted[2]), serverName: $name);
    $channel = new Channel($server->address, $credentials, new ChannelOptions(initialBackoff: 0.1));
    try {
        echo $name, ': ', $channel->unary('/tls.A/Echo', 'served', timeout: 10), "\n";
    } catch (Viaduct\RpcException $e) {
        echo $e->statusCode()->name, ': ', strstr($e->getMessage(), 'the peer'), "\n";
    }
};
$call('localhost', $default);
$call('other.test', $other);
$call('any.wild.test', $wild);
$call('another.test', $default);
$call('other.test', $default);
echo $server->stop(), $server->errors(), $server->log(), "\n";
?>
--EXPECT--
localhost: served
other.test: served
any.wild.test: served
another.test: Unavailable: the peer's certificate is for another name: wanted another.test, it is for localhost, 127.0.0.1
other.test: Unavailable: the peer's certificate comes from an unknown issuer, "CN=other authority": it does not lead to a trusted root (a CA missing on this side, or an intermediate missing on the other)
0
