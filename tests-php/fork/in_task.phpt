--TEST--
A task forks while others wait: parent and child both go on
--EXTENSIONS--
grpc
pcntl
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

use function Viaduct\{async, await, delay};

$peer = new Peer();
$channel = $peer->channel();
$channel->unary('/test.Peer/Echo', 'x', timeout: 60.0);
$say = fn(string $what) => print((getmypid() === MAIN ? 'parent' : 'child') . ": $what\n");
define('MAIN', getmypid());
// Each in a child of its own, so that the parent's order stays.
$fork = function (): bool {
    if ($pid = pcntl_fork()) {
        pcntl_waitpid($pid, $status);
        return true;
    }
    return false;
};
$leave = fn() => getmypid() === MAIN ?: exit(0);

foreach (['main', 'fiber', 'task'] as $where) {
    $run = [
        'main' => fn(callable $f) => $f(),
        'fiber' => fn(callable $f) => (new Fiber($f))->start(),
        'task' => fn(callable $f) => async($f)->wait(),
    ][$where];
    $run(function () use ($where, $fork, $channel, $say) {
        // The task ends in both; a call of the task's, too.
        $task = async(function () use ($fork, $channel) { delay(0.01); $fork(); return $channel->unary('/test.Peer/Echo', 'made', timeout: 60.0); });
        $say("$where, " . $task->wait());
        $say($channel->unary('/test.Peer/Echo', 'again', timeout: 60.0));
    });
    $leave();
}

// What others wait for is the parent's.
$call = $channel->start('/test.Peer/Sleep', '0.3', timeout: 60.0);
$sleeper = async(fn() => delay(0.3) ?? 'slept');
$forker = async(function () use ($fork) { delay(0.01); $fork(); });
foreach ([fn() => $call->wait(), fn() => $sleeper->wait(), fn() => delay(0.01) ?? 'delay'] as $wait) {
    try {
        $say($wait());
    } catch (Throwable $e) {
        $say($e::class . ' ' . $e->getMessage());
    }
}
$leave();

// A wait of the main stack's that the child finds itself in.
$forker = async(function () use ($fork) { delay(0.01); $fork(); });
try {
    delay(0.1);
    $say('delay is over');
} catch (Throwable $e) {
    $say($e::class . ' ' . $e->getMessage());
}
$leave();
$peer->stop();
?>
--EXPECT--
child: main, made
child: again
parent: main, made
parent: again
child: fiber, made
child: again
parent: fiber, made
parent: again
child: task, made
child: again
parent: task, made
parent: again
child: Viaduct\RpcException the wait began before the fork, and what it was for belongs to the parent process
child: Error this wait can never end: the task was started before the fork and runs in the parent process
child: delay
parent: 0.3
parent: slept
parent: delay
child: Viaduct\RpcException the wait began before the fork, and what it was for belongs to the parent process
parent: delay is over
