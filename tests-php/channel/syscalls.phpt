--TEST--
A unary call is one write
--EXTENSIONS--
grpc
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind traces already');
exec('strace -f -o /dev/null true 2>&1', $said, $status);
if ($status !== 0) die('skip strace is missing or not allowed to trace');
?>
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

const CALLS = 1000;

if (isset($argv[1])) {
    $channel = new Viaduct\Channel($argv[1]);
    for ($n = 0; $n < CALLS; $n++) {
        $channel->unary('/test.Echo/Unary', str_repeat('x', 100));
    }
    echo "called\n";
    return;
}
$server = new Wrong('echo');
$trace = sys_get_temp_dir() . '/viaduct-trace-' . getmypid();
$traced = new Process(['strace', '-qq', '-y', '-f', '-o', $trace, '-e', 'signal=none',
    '-e', 'trace=write,writev,sendto,sendmsg,sendmmsg', ...Process::php(__FILE__, $server->target())]);
echo $traced->line(), "\n";
$traced->stop();
$lines = file($trace);
unlink($trace);
// "123 writev(7<TCP:[…]>, …" or "socket:[…]"
$writes = preg_grep('/^\d+ +\w+\(\d+<(TCP|socket)\W/', $lines);
$share = count($writes) / CALLS;
echo $share >= 0.99 && $share <= 1.02
    ? "one write a call\n"
    : count($writes) . ' writes for ' . CALLS . " calls\n" . implode(array_slice($lines, 100, 20));
?>
--EXPECT--
called
one write a call
