--TEST--
Tasks whose exceptions nobody waits for: a warning when they go
--EXTENSIONS--
grpc
--FILE--
<?php
use function Viaduct\{async, await, delay};

$warnings = 0;
set_error_handler(function (int $level, string $message) use (&$warnings) {
    $warnings++;
    echo $level === E_WARNING ? 'warning: ' : "$level: ", preg_replace('~ in \S*/([^/]+)$~', ' in $1', $message), "\n";
    return true;
});
$throw = fn(string $what) => throw new DomainException($what);
async($throw, 'at once');
async(function () use ($throw) { delay(0.001); $throw('after its object has gone'); });
for ($turn = 0; $warnings < 2 && $turn < 10_000; $turn++) {
    delay(0.001);
}
$task = async($throw, 'with its object');
unset($task);

// Told to somebody: no warning.
$told = async($throw, 'told');
try { $told->wait(); } catch (DomainException $e) { echo $e->getMessage(), "\n"; }
unset($told);
try { await(async($throw, 'first'), async($throw, 'second')); } catch (DomainException $e) { echo $e->getMessage(), "\n"; }
// Cancelled on purpose, or not.
$cancelled = async(fn() => delay(10));
$cancelled->cancel();
delay(0.001);
unset($cancelled);
$other = async(function () use ($throw) { try { delay(10); } catch (Viaduct\CancelledException) { $throw('while it was cancelled'); } });
$other->cancel();
delay(0.001);
unset($other);

// A handler for errors that throws, as frameworks have it, disturbs nobody.
ini_set('error_log', '/dev/null');
set_error_handler(function (int $level, string $message) { throw new ErrorException($message); });
async($throw, 'thrown again');
delay(0.001);
restore_error_handler();
$kept = async($throw, 'until the end');
echo "end\n";
?>
--EXPECTF--
warning: Viaduct\async(): nobody waited for a task that threw DomainException: at once in task_lost.php:10
warning: Viaduct\async(): nobody waited for a task that threw DomainException: after its object has gone in task_lost.php:10
warning: Viaduct\async(): nobody waited for a task that threw DomainException: with its object in task_lost.php:10
told
first
warning: Viaduct\async(): nobody waited for a task that threw DomainException: while it was cancelled in task_lost.php:10
end
warning: Viaduct\async(): nobody waited for a task that threw DomainException: until the end in task_lost.php:10
