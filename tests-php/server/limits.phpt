--TEST--
Server: unknown methods, limits of length, compression both ways
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions, Compression};

$code = <<<'PHP'
$compression = Compression::from((int) $argv[1]);
$server = new Server(new ServerOptions(maxReceiveBytes: 10_000, maxSendBytes: 20_000, compression: $compression));
$server->handle('/lim.A/Echo', fn(string $in): string => $in);
$server->handle('/lim.A/Make', fn(string $in): string => str_repeat('x', (int) $in));
$server->handle('/lim.A/Encoding', fn(string $in, Context $c): string => json_encode(array_keys($c->metadata())));
$server->handle('/lim.A/Many', function (string $in): iterable { yield 'first'; yield str_repeat('x', (int) $in); yield 'last'; });
$server->handle('/lim.A/Up', function (RequestStream $in): string { $n = 0; foreach ($in as $m) $n += strlen($m); return (string) $n; });
serve($server);
PHP;
foreach (Compression::cases() as $theirs) {
    echo "--- server: $theirs->name\n";
    $server = ServerProcess::start($code, arguments: [$theirs->value]);
    foreach (Compression::cases() as $ours) {
        echo "client: $ours->name\n";
        $channel = new Channel($server->address, options: new ChannelOptions(compression: $ours));
        $text = random_bytes(4000);
        var_dump($channel->unary('/lim.A/Echo', $text) === $text, $channel->unary('/lim.A/Echo', '') === '');
        var_dump(strlen($channel->unary('/lim.A/Echo', str_repeat('a', 10_000))));
        outcome(fn() => $channel->unary('/lim.A/Echo', str_repeat('a', 10_001)));
        outcome(fn() => $channel->unary('/lim.A/Echo', str_repeat('a', 1 << 20)));
        outcome(fn() => strlen($channel->unary('/lim.A/Make', '20000')));
        outcome(fn() => $channel->unary('/lim.A/Make', $ours === Compression::None && $theirs === Compression::None ? '20001' : '99999999'));
        outcome(function () use ($channel) {
            foreach ($channel->serverStream('/lim.A/Many', $GLOBALS['theirs'] === Compression::None ? '20001' : '99999999') as $message) {
                echo $message, ' ';
            }
        });
        outcome(function () use ($channel) {
            $up = $channel->clientStream('/lim.A/Up');
            try {
                $up->send(str_repeat('a', 5000));
                $up->send(str_repeat('a', 10_001));
            } catch (Viaduct\RpcException) {
            }
            return $up->finish();
        });
        $channel->close();
    }
    $channel = new Channel($server->address);
    outcome(fn() => $channel->unary('/lim.A/None', ''));
    outcome(fn() => $channel->unary('/lim.None/Echo', ''));
    outcome(fn() => iterator_to_array($channel->serverStream('/lim.None/Echo', '')));
    echo $server->stop(), "\n", $server->errors(), $server->log();
}
?>
--EXPECT--
--- server: None
client: None
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of 10001 bytes; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of 1048576 bytes; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 20001 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 20001 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of 10001 bytes; the limit is 10000 bytes (maxReceiveBytes)
client: Gzip
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 20001 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
client: Deflate
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 20001 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException Unimplemented: unknown method None of service lim.A
Viaduct\RpcException Unimplemented: unknown service lim.None
Viaduct\RpcException Unimplemented: unknown service lim.None
0
--- server: Gzip
client: None
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of 10001 bytes; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of 1048576 bytes; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of 10001 bytes; the limit is 10000 bytes (maxReceiveBytes)
client: Gzip
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
client: Deflate
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException Unimplemented: unknown method None of service lim.A
Viaduct\RpcException Unimplemented: unknown service lim.None
Viaduct\RpcException Unimplemented: unknown service lim.None
0
--- server: Deflate
client: None
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of 10001 bytes; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of 1048576 bytes; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of 10001 bytes; the limit is 10000 bytes (maxReceiveBytes)
client: Gzip
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
client: Deflate
bool(true)
bool(true)
int(10000)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
OK 20000
Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
first Viaduct\RpcException ResourceExhausted: a response of 99999999 bytes is too long; the limit is 20000 bytes (maxSendBytes)
Viaduct\RpcException ResourceExhausted: received a message of more than 10000 bytes once decompressed; the limit is 10000 bytes (maxReceiveBytes)
Viaduct\RpcException Unimplemented: unknown method None of service lim.A
Viaduct\RpcException Unimplemented: unknown service lim.None
Viaduct\RpcException Unimplemented: unknown service lim.None
0
