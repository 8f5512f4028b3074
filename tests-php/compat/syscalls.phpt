--TEST--
Grpc: a unary call in two batches is one write
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
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/wrong.php';

const CALLS = 1000;

if (isset($argv[1])) {
    $channel = new Grpc\Channel($argv[1], []);
    $request = request(str_repeat('x', 100));
    for ($n = 0; $n < CALLS; $n++) {
        $call = call($channel, '/test.Echo/Unary');
        if ($argv[2] === 'one') {
            $call->startBatch($request + RESPONSE);
        } else {
            $call->startBatch($request);
            $call->startBatch(RESPONSE);
        }
    }
    echo "called\n";
    return;
}
foreach (['two', 'one'] as $batches) {
    $server = new Wrong('echo');
    $trace = sys_get_temp_dir() . '/viaduct-trace-' . getmypid();
    $traced = new Process(['strace', '-qq', '-y', '-f', '-o', $trace, '-e', 'signal=none',
        '-e', 'trace=write,writev,sendto,sendmsg,sendmmsg,epoll_wait,epoll_pwait,recvfrom',
        ...Process::php(__FILE__, "127.0.0.1:$server->port", $batches)]);
    echo $traced->line(), "\n";
    $traced->stop();
    $lines = file($trace);
    unlink($trace);
    // "123 writev(7<TCP:[…]>, …" or "socket:[…]"
    $writes = preg_grep('/^\d+ +(write|writev|send\w+)\(\d+<(TCP|socket)\W/', $lines);
    $share = count($writes) / CALLS;
    echo $share >= 0.99 && $share <= 1.02
        ? "one write a call in $batches\n"
        : count($writes) . ' writes for ' . CALLS . " calls\n" . implode(array_slice($lines, 100, 20));
    if (getenv('SHOW')) {
        foreach (['epoll_p?wait', 'recvfrom', 'write\(\d+<anon'] as $what) {
            fprintf(STDERR, "%s %s: %.2f\n", $batches, $what, count(preg_grep("/ $what/", $lines)) / CALLS);
        }
        fwrite(STDERR, implode(array_slice($lines, 3000, 14)));
    }
}
?>
--EXPECT--
called
one write a call in two
called
one write a call in one
