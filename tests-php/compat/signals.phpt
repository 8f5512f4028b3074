--TEST--
Grpc\Server::requestCall: signals while it waits
--EXTENSIONS--
grpc
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

/** Waits until the process sleeps in epoll. */
function asleep(int $pid): bool
{
    for ($n = 0; $n < 1000; $n++) {
        if (preg_match('/^State:\s+S/m', file_get_contents("/proc/$pid/status"))) {
            usleep(50_000);
            return true;
        }
        usleep(5000);
    }
    return false;
}
/** Forks; the child runs the function, which waits for a call that never comes. */
function child(callable $run): int
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        pcntl_alarm(30);
        $run();
        exit(99);
    }
    asleep($pid);
    return $pid;
}
function ended(int $pid): string
{
    pcntl_waitpid($pid, $status);
    return pcntl_wifsignaled($status) ? 'signal ' . pcntl_wtermsig($status) : 'exit ' . pcntl_wexitstatus($status);
}

echo "-- default actions\n";
foreach ([SIGTERM, SIGINT, SIGUSR1] as $signal) {
    $pid = child(function () {
        [$server] = pair();
        $server->requestCall();
    });
    posix_kill($pid, $signal);
    echo ended($pid) === "signal $signal" ? "ended by it\n" : "?\n";
}
echo "-- a handler that exits\n";
$pid = child(function () {
    pcntl_async_signals(true);
    pcntl_signal(SIGTERM, fn() => exit(7));
    [$server] = pair();
    $server->requestCall();
});
posix_kill($pid, SIGTERM);
echo ended($pid), "\n";
echo "-- a handler that throws; one that counts, and the wait goes on\n";
$pid = child(function () {
    pcntl_async_signals(true);
    [$server, $channel] = pair();
    $seen = 0;
    // Installed after the start, and again after the first.
    pcntl_signal(SIGUSR1, function () use (&$seen) {
        $seen++;
    });
    pcntl_signal(SIGUSR2, fn() => throw new RuntimeException('enough'));
    try {
        $server->requestCall();
    } catch (RuntimeException $e) {
        // And the server still serves.
        $call = call($channel);
        $call->startBatch(request('x'));
        $server->requestCall()->call->startBatch(answer('y'));
        exit($e->getMessage() === 'enough' && $call->startBatch(RESPONSE)->message === 'y' ? 10 + $seen : 98);
    }
});
posix_kill($pid, SIGUSR1);
asleep($pid);
posix_kill($pid, SIGUSR1);
asleep($pid);
posix_kill($pid, SIGUSR2);
echo ended($pid), "\n";
echo "-- without async signals nothing runs in between\n";
$pid = child(function () {
    pcntl_async_signals(false);
    pcntl_signal(SIGUSR1, fn() => exit(1));
    [$server, $channel] = pair();
    $call = call($channel);
    if (pcntl_fork() === 0) {
        asleep(posix_getppid());
        posix_kill(posix_getppid(), SIGUSR1);
        asleep(posix_getppid());
        posix_kill(posix_getppid(), SIGTERM);
        exit(0);
    }
    $server->requestCall();
});
echo ended($pid), "\n";
echo "-- what was installed is there again when the server is gone\n";
pcntl_async_signals(true);
$seen = 0;
pcntl_signal(SIGUSR1, function () use (&$seen) {
    $seen++;
});
[$server, $channel] = pair();
$call = call($channel);
$call->startBatch(request('x'));
$server->requestCall();
posix_kill(getmypid(), SIGUSR1);
unset($server);
posix_kill(getmypid(), SIGUSR1);
echo $seen, "\n";
?>
--EXPECT--
-- default actions
ended by it
ended by it
ended by it
-- a handler that exits
exit 7
-- a handler that throws; one that counts, and the wait goes on
exit 12
-- without async signals nothing runs in between
signal 15
-- what was installed is there again when the server is gone
2
