--TEST--
pcntl_exec() after calls: the new program inherits none of our descriptors, in the child of a fork neither
--EXTENSIONS--
grpc
pcntl
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind has descriptors of its own');
?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/compat.php';

$server = ServerProcess::start('$server->handle("/ex.A/Echo", fn(string $in): string => $in); serve($server);');
file_put_contents(scratch() . '/descriptors.php', <<<'PHP'
<?php
/** Sockets, epoll instances and the like. */
function descriptors(): array
{
    $all = array_map(fn($fd) => @readlink("/proc/self/fd/$fd"), array_diff(scandir('/proc/self/fd'), ['.', '..']));
    $all = array_values(array_filter($all, fn($name) => $name && preg_match('/^(socket|anon_inode|pipe):/', $name)));
    sort($all);
    return $all;
}
PHP);
file_put_contents(scratch() . '/exec.php', <<<'PHP'
<?php
require __DIR__ . '/descriptors.php';
require $argv[3];
if ($argv[2] !== 'now') {
    // The new program: what it has beside what the old one began with.
    echo json_encode(array_values(array_diff(descriptors(), json_decode($argv[2]))), JSON_UNESCAPED_SLASHES), "\n";
    // And it can call.
    echo echoes(new Grpc\Channel($argv[1], ['credentials' => null]), '/ex.A/Echo', 'again') ? 'again' : 'failed', "\n";
    exit;
}
$before = descriptors();
$pooled = new Grpc\Channel($argv[1], ['credentials' => null]);
$own = new Viaduct\Channel("http://$argv[1]");
$listening = new Grpc\Server();
$listening->addHttp2Port('127.0.0.1:0');
$listening->start();
echoes($pooled, '/ex.A/Echo', 'x');
$own->unary('/ex.A/Echo', 'x');
$running = call($pooled, '/ex.A/Echo');
$running->startBatch(request('x'));
if (count(descriptors()) < count($before) + 3) echo 'this test sees nothing: ', json_encode(descriptors()), "\n";
if (($argv[4] ?? '') === 'fork') {
    $pid = pcntl_fork();
    if ($pid) {
        pcntl_waitpid($pid, $status);
        echo echoes($pooled, '/ex.A/Echo', 'parent') ? "parent\n" : "failed\n";
        exit($status);
    }
    echoes($pooled, '/ex.A/Echo', 'child');
}
pcntl_exec(PHP_BINARY, [...json_decode(getenv('SETTINGS')), __FILE__, $argv[1], json_encode($before), $argv[3]]);
PHP);
$settings = array_slice(Process::php(), 1);
putenv('SETTINGS=' . json_encode($settings));
foreach ([[], ['fork']] as $how) {
    $command = [PHP_BINARY, ...$settings, scratch() . '/exec.php', substr($server->address, 7), 'now', realpath(__DIR__ . '/../support/compat.php'), ...$how];
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], STDERR], $pipes);
    echo stream_get_contents($pipes[1]), proc_close($process), "\n";
}
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
[]
again
0
[]
again
parent
0
0
