--TEST--
Calls that are dropped without waiting are cancelled and leave nothing; nor do connections
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php require __DIR__ . '/../support/slow.inc'; ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$open = 0;
$wait = function (callable $wait) use (&$open) { $open++; try { return $wait(); } finally { $open--; } };
$server->handle('/le.D/Wait', fn(string $in): string => $wait(fn() => delay(100) ?? ''));
$server->handle('/le.D/Many', function (string $in) use (&$open): iterable { $open++; try { for (;;) yield str_repeat('x', 1000); } finally { $open--; } });
$server->handle('/le.D/Up', fn(RequestStream $in): string => $wait(fn() => (string) count(iterator_to_array($in))));
$server->handle('/le.D/Open', function (string $in) use (&$open): string { return (string) $open; });
$server->handle('/le.D/Echo', fn(string $in): string => $in);
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
function drop(Viaduct\Channel $channel, int $count): void
{
    for ($i = 0; $i < $count; $i++) {
        $channel->start('/le.D/Wait', 'x');
        $channel->serverStream('/le.D/Many', 'x')->receive();
        $channel->clientStream('/le.D/Up')->send('x');
        if ($i % 50 === 0) Viaduct\delay(0.001);
    }
    Viaduct\delay(0.1);
}
drop($channel, repeated(1000));
$sizes = ['client' => resident(...), 'server' => $server->resident(...)];
growing($sizes, 2 << 20, fn() => drop($channel, repeated(5000)));
var_dump(eventually(function () use ($channel) { Viaduct\delay(0.01); return $channel->unary('/le.D/Open', '', timeout: 10) === '0'; }, 10));
function connections(string $address, int $count): void
{
    for ($i = 0; $i < $count; $i++) {
        $channel = new Viaduct\Channel($address);
        $channel->unary('/le.D/Echo', '', timeout: 10);
        if ($i % 2) $channel->close();
    }
}
connections($server->address, repeated(1000));
$files = fn(int|string $pid) => count(glob("/proc/$pid/fd/*"));
growing($sizes, 2 << 20, fn() => connections($server->address, repeated(9000)));
var_dump(eventually(function () use ($files, $server) { Viaduct\delay(0.01); return $files($server->pid) < 30; }), $files('self') < 30);
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
client ok
server ok
bool(true)
client ok
server ok
bool(true)
bool(true)
0
