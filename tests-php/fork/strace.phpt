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
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start('$server->handle("/sr.A/Echo", fn(string $in): string => $in); serve($server);');
$trace = scratch() . '/trace';
file_put_contents(scratch() . '/client.php', <<<'PHP'
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
PHP);
preg_match_all('/-d\0([^\0]*)/', file_get_contents('/proc/self/cmdline'), $settings);
$extension = array_values(array_filter($settings[1], fn($s) => str_starts_with($s, 'extension=')));
$command = ['timeout', '60', 'strace', '-f', '-yy', '-e', 'trace=write,writev,sendto,sendmsg,shutdown,fork,vfork,clone,clone3', '-o', $trace, PHP_BINARY];
foreach ($extension as $setting) array_push($command, '-d', trim($setting, '"'));
array_push($command, scratch() . '/client.php', $server->address);
$process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], STDERR], $pipes);
echo stream_get_contents($pipes[1]), ' ', proc_close($process), "\n";
$port = parse_url($server->address, PHP_URL_PORT);
// "1234 writev(5<TCP:[127.0.0.1:43210->127.0.0.1:50051]>, …": whose socket it is, the first writer says.
$owner = [];
$foreign = [];
$thread = [];
foreach (file($trace) as $line) {
    if (preg_match('/^(\d+) .*clone3?\(.*CLONE_THREAD.*= (\d+)/', $line, $m)) {
        $thread[$m[2]] = $thread[$m[1]] ?? $m[1];
    }
    if (preg_match('/^(\d+) +(\w+)\(\d+<TCP(?:v6)?:\[([^\]]*->[^\]]*:' . $port . ')\]>/', $line, $m)) {
        $process = $thread[$m[1]] ?? $m[1];
        $owner[$m[3]] ??= $process;
        if ($owner[$m[3]] !== $process) {
            $foreign[] = trim($line);
        }
    }
}
echo count($owner), ' connections of ', count(array_unique($owner)), " processes\n", implode("\n", $foreign);
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
00000 0
3 connections of 3 processes
0
