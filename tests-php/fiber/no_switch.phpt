--TEST--
Waits where PHP does not switch fibers: they answer, nothing else runs meanwhile, and no task is lost
--EXTENSIONS--
grpc
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

use function Viaduct\{async, await, delay};

$peer = new Peer();
$channel = $peer->channel();
$echo = fn(string $text) => $channel->unary('/test.Peer/Echo', $text, timeout: 30.0);
final class Last
{
    public function __construct(private Closure $do) {}
    public function __destruct() { ($this->do)(); }
}
$both = function (string $where, callable $work) use ($echo): void {
    // A task gets ready while the wait lasts; the same inside a task.
    foreach (['main' => fn($f) => $f(), 'task' => fn($f) => async($f)->wait()] as $name => $run) {
        $beside = async(function () { delay(0.005); return 'beside'; });
        $answer = $run(fn() => $work());
        echo "$where, $name: $answer, {$beside->wait()}\n";
    }
};

$both('signal handler', function () use ($echo) {
    $answer = null;
    pcntl_signal(SIGUSR1, function () use (&$answer, $echo) {
        delay(0.02);
        // It cannot start now, and runs later.
        $answer = [$echo('answer'), async(fn() => 'started later')];
    });
    posix_kill(getmypid(), SIGUSR1);
    pcntl_signal_dispatch();
    return $answer[0] . ' ' . $answer[1]->wait();
});
$both('destructor', function () use ($echo) {
    $answer = null;
    $last = new Last(function () use (&$answer, $echo) { delay(0.02); $answer = $echo('answer'); });
    unset($last);
    return $answer;
});
$both('cycle collector', function () use ($echo) {
    $answer = null;
    $cycle = new stdClass();
    $cycle->last = new Last(function () use (&$answer, $echo) { delay(0.02); $answer = $echo('answer'); });
    $cycle->self = $cycle;
    unset($cycle);
    gc_collect_cycles();
    return $answer;
});
$both('generator', function () use ($echo) {
    $answer = null;
    $generator = (function () use (&$answer, $echo) { try { yield 1; } finally { delay(0.02); $answer = $echo('answer'); } })();
    $generator->current();
    unset($generator);
    return $answer;
});
$both('usort', function () use ($echo) {
    $list = ['c', 'a', 'b'];
    usort($list, function ($a, $b) use ($echo) { delay(0.01); return $echo($a) <=> $b; });
    return implode($list);
});
// Each has its own comparison.
$sort = fn(int $sign) => async(function () use ($sign) {
    $list = [3, 1, 2];
    usort($list, function ($a, $b) use ($sign) { delay(0.001); return $sign * ($a <=> $b); });
    return implode($list);
});
echo implode(' ', await($sort(1), $sort(-1), $sort(1))), "\n";

// A task cannot run on there: to wait for it is an Error, at once.
$task = async(fn() => delay(0.05) ?? 'in its own time');
pcntl_signal(SIGUSR1, function () use ($task) { try { $task->wait(); } catch (Error $e) { echo strtok($e->getMessage(), '('), "\n"; } });
posix_kill(getmypid(), SIGUSR1);
pcntl_signal_dispatch();
echo $task->wait(), "\n";
?>
--EXPECT--
signal handler, main: answer started later, beside
signal handler, task: answer started later, beside
destructor, main: answer, beside
destructor, task: answer, beside
cycle collector, main: answer, beside
cycle collector, task: answer, beside
generator, main: answer, beside
generator, task: answer, beside
usort, main: abc, beside
usort, task: abc, beside
123 321 123
this wait can never end: the task cannot run on here, where PHP does not switch fibers 
in its own time
