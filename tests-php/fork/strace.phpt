--TEST--
No child writes to the parent's socket
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
traced(<<<'PHP'
<?php
$channel = new Viaduct\Channel($argv[1]);
$stream = $channel->bidi('/sr.A/Echo');
for ($i = 0; $i < 10; $i++) $channel->unary('/sr.A/Echo', 'x');
$children = [];
for ($n = 0; $n < 5; $n++) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        if ($n === 0) exit(0);
        if ($n === 1) { $channel->close(); exit(0); }
        if ($n === 2) { unset($stream, $channel); gc_collect_cycles(); exit(0); }
        for ($i = 0; $i < 10; $i++) $channel->unary('/sr.A/Echo', 'x', timeout: 10);
        exit(0);
    }
    $children[] = $pid;
    $channel->unary('/sr.A/Echo', 'x');
}
foreach ($children as $pid) { pcntl_waitpid($pid, $status); echo $status; }
for ($i = 0; $i < 10; $i++) $channel->unary('/sr.A/Echo', 'x');
PHP, $server);
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
00000 0
3 connections of 3 processes
0
