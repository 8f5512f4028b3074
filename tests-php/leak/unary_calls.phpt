--TEST--
200,000 unary calls: neither side grows by more than 1 MiB after the first 10,000
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php require __DIR__ . '/../support/slow.inc'; ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start('$server->handle("/le.A/Echo", fn(string $in): string => $in); serve($server);');
$channel = new Viaduct\Channel($server->address);
$payload = str_repeat('x', 100);
/** Waves of calls under way together. */
function calls(Viaduct\Channel $channel, string $payload, int $count): void
{
    for ($i = 0; $i < $count; $i += 20) {
        $calls = [];
        for ($n = 0; $n < 10; $n++) $calls[] = $channel->start('/le.A/Echo', $payload);
        Viaduct\await(...$calls);
        for ($n = 0; $n < 10; $n++) $channel->unary('/le.A/Echo', $payload, metadata: ['a' => 'b'], timeout: 10);
    }
}
calls($channel, $payload, repeated(10_000));
[$client, $theirs] = [resident(), $server->resident()];
calls($channel, $payload, repeated(190_000));
[$client, $theirs] = [resident() - $client, $server->resident() - $theirs];
grew('client', $client, 1 << 20);
grew('server', $theirs, 1 << 20);
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
client ok
server ok
0
