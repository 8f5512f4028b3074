--TEST--
Waits that nothing could end: an Error says so, and everybody else goes on
--EXTENSIONS--
grpc
pcntl
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use function Viaduct\{async, await, delay};

// A task that waits for itself, and two that wait for each other, also from fibers of the user's.
$task = async(function () use (&$task) { delay(0.001); return $task->wait(); });
refuse($task->wait(...));
$one = async(function () use (&$two) { delay(0.001); (new Fiber(fn() => $two->wait()))->start(); });
$two = async(fn() => await($one));
refuse($one->wait(...));
refuse($two->wait(...));

// Suspended by hand, at once, later and again.
refuse(async(fn() => Fiber::suspend(1))->wait(...));
refuse(async(function () { delay(0.001); Fiber::suspend(); })->wait(...));
echo async(function () {
    for ($refused = 0; $refused < 3;) {
        try {
            Fiber::suspend();
        } catch (Error) {
            $refused++;
        }
    }
    return "refused $refused times";
})->wait(), "\n";
// A fiber of the user's may: its task goes on.
echo async(function () { $fiber = new Fiber(fn() => Fiber::suspend('suspended')); return $fiber->start(); })->wait(), "\n";

// A task of the parent process, in the child of a fork.
$task = async(fn() => delay(0.2) ?? 'of the parent');
if (!($pid = pcntl_fork())) {
    refuse($task->wait(...));
    refuse(fn() => await($task));
    exit(0);
}
pcntl_waitpid($pid, $status);
echo $task->wait(), "\n";

// exit() in a task ends whoever waits for it.
register_shutdown_function(fn() => print("shutdown\n"));
$task = async(function () { delay(0.001); exit(0); });
try {
    $task->wait();
} finally {
    echo "finally is not run by exit()\n";
}
?>
--EXPECTF--
Error: this wait can never end: the task waits for itself, alone or through others that wait for it
Error: this wait can never end: the task waits for itself, alone or through others that wait for it
Error: this wait can never end: the task waits for itself, alone or through others that wait for it
Error: Fiber::suspend() was called at %sendless_error.php:%d in a task, a handler or a plugin of Viaduct's, where nothing would resume the fiber; expected a wait of Viaduct's (a call, a message, Viaduct\delay(), Viaduct\await())
Error: Fiber::suspend() was called at %sendless_error.php:%d in a task, a handler or a plugin of Viaduct's, where nothing would resume the fiber; expected a wait of Viaduct's (a call, a message, Viaduct\delay(), Viaduct\await())
refused 3 times
suspended
Error: this wait can never end: the task was started before the fork and runs in the parent process
Error: this wait can never end: the task was started before the fork and runs in the parent process
of the parent
shutdown
