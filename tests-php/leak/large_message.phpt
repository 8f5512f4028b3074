--TEST--
Memory that one message of 256 MiB took goes back to the system, on both sides; smaller ones change nothing
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions};

ini_set('memory_limit', '2G');
$server = ServerProcess::start(<<<'PHP'
$server = new Server(new ServerOptions(maxReceiveBytes: 1 << 30));
$server->handle('/large.A/Up', fn(string $in): string => (string) strlen($in));
$server->handle('/large.A/Down', fn(string $in): string => str_repeat('x', (int) $in));
serve($server);
PHP, ['memory_limit' => '2G']);
$channel = new Channel($server->address, options: new ChannelOptions(maxReceiveBytes: 1 << 30));
$up = fn(int $size) => (int) $channel->unary('/large.A/Up', str_repeat('x', $size), timeout: 60.0) === $size;
$down = fn(int $size) => strlen($channel->unary('/large.A/Down', (string) $size, timeout: 60.0)) === $size;
$resident = fn(int $pid) => (int) preg_replace('/.*VmRSS:\s*(\d+).*/s', '$1', file_get_contents("/proc/$pid/status")) << 10;
$trims = fn(int $pid) => count(preg_grep('/^viaduct-trim$/m', array_map(file_get_contents(...), glob("/proc/$pid/task/*/comm"))));

$pids = ['client' => getmypid(), 'server' => $server->pid];
$medium = 8 << 20;
var_dump($up($medium), $down($medium));
$before = array_map($resident, $pids);
echo json_encode(array_map($trims, $pids)), "\n";

$large = underValgrind() ? 32 << 20 : 256 << 20;
var_dump($up($large), $down($large));
// It goes once no such message has come for a second.
$grown = fn(string $who) => $resident($pids[$who]) - $before[$who];
eventually(function () use ($grown) {
    Viaduct\delay(0.1);
    return max($grown('client'), $grown('server')) < 48 << 20;
}, 20);
foreach (array_keys($pids) as $who) {
    grew($who, $grown($who), 48 << 20);
}
var_dump($up($medium), $down($medium));
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
bool(true)
bool(true)
{"client":0,"server":0}
bool(true)
bool(true)
client ok
server ok
bool(true)
bool(true)
0
