--TEST--
1,000,000 messages each way: neither side grows by more than 1 MiB after the first 10,000
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php require __DIR__ . '/../support/slow.inc'; ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server->handle('/le.S/Down', function (string $in): iterable { $m = str_repeat('x', 100); for ($i = 0; $i < (int) $in; $i++) yield $m; });
$server->handle('/le.S/Up', function (RequestStream $in): string { $n = 0; foreach ($in as $m) $n++; return (string) $n; });
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
$message = str_repeat('x', 100);
// Windows and buffers grow to their sizes.
foreach ($channel->serverStream('/le.S/Down', (string) repeated(100_000)) as $_);
$warm = $channel->clientStream('/le.S/Up');
for ($n = 0; $n < repeated(100_000); $n++) $warm->send($message);
$warm->finish();
$down = $channel->serverStream('/le.S/Down', (string) repeated(1_000_000));
for ($n = 0; $n < repeated(10_000); $n++) $down->receive();
[$client, $theirs] = [resident(), $server->resident()];
while ($down->receive() !== null) $n++;
[$client, $theirs] = [resident() - $client, $server->resident() - $theirs];
echo $n === repeated(1_000_000) ? 'all' : $n, " down\n";
grew('client', $client, 1 << 20);
grew('server', $theirs, 1 << 20);
$up = $channel->clientStream('/le.S/Up');
for ($n = 0; $n < repeated(10_000); $n++) $up->send($message);
[$client, $theirs] = [resident(), $server->resident()];
for (; $n < repeated(1_000_000); $n++) $up->send($message);
echo $up->finish() === (string) repeated(1_000_000) ? 'all' : 'not all', " up\n";
[$client, $theirs] = [resident() - $client, $server->resident() - $theirs];
grew('client', $client, 1 << 20);
grew('server', $theirs, 1 << 20);
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
all down
client ok
server ok
all up
client ok
server ok
0
