--TEST--
Channels of Grpc\ from the pool: 20 children call 100 times each, and none writes to the parent's socket
--EXTENSIONS--
grpc
posix
pcntl
--SKIPIF--
<?php
if (!trim((string) shell_exec('command -v strace'))) die('skip strace is missing');
if (getenv('USE_ZEND_ALLOC') === '0') die('skip strace does not go with valgrind');
if (trim((string) shell_exec('strace -o /dev/null true 2>&1')) !== '') die('skip strace may not trace here');
?>
--FILE--
<?php
require __DIR__ . '/../support/process.php';
require __DIR__ . '/../support/traced.php';

$server = ServerProcess::start('$server->handle("/sr.A/Echo", fn(string $in): string => $in); serve($server);');
traced(str_replace('SUPPORT', var_export(realpath(__DIR__ . '/../support'), true), <<<'PHP'
<?php
require SUPPORT . '/compat.php';

$open = fn() => new Grpc\Channel(substr($argv[1], strlen('http://')), ['credentials' => null]);
$channel = $open();
$good = 0;
$once = function (Grpc\Channel $channel) use (&$good): void { $good += (int) echoes($channel, '/sr.A/Echo', 'x'); };
$running = call($channel, '/sr.A/Echo');
$running->startBatch(request('running'));
for ($i = 0; $i < 10; $i++) $once($channel);
$children = [];
for ($n = 0; $n < 24; $n++) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        // The first four touch what they have inherited; the others call.
        if ($n === 0) exit(0);
        if ($n === 1) { $channel->close(); exit(0); }
        if ($n === 2) { unset($running, $channel); gc_collect_cycles(); exit(0); }
        if ($n === 3) { $running->cancel(); exit(0); }
        $good = 0;
        // The parent's object, and one of the child's own for the same key.
        for ($i = 0; $i < 100; $i++) $once($i % 2 ? $channel : $open());
        exit($good === 100 ? 0 : 1);
    }
    $children[] = $pid;
    $once($channel);
}
foreach ($children as $pid) { pcntl_waitpid($pid, $status); echo $status; }
for ($i = 0; $i < 10; $i++) $once($channel);
echo ' ', $good, ' ', brings($running, 'running') ? 'running' : 'failed';
PHP), $server);
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
000000000000000000000000 44 running 0
21 connections of 21 processes
0
