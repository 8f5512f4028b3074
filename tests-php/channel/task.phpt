--TEST--
Tasks: results, interleaving, nesting, waiting for one another
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use function Viaduct\{async, await, delay};

$server = new Wrong('echo');
$channel = $server->channel();
$call = fn(string $text) => $channel->unary('/test.Echo/Unary', $text, timeout: 30.0);

// It runs at once until it waits; what never waits has ended when async() returns.
$task = async(fn(int $a, int ...$b) => $a + array_sum($b), 1, 2, 3);
var_dump($task->done(), $task->wait(), $task->wait());
var_dump(async(function () {})->wait(), async('strtoupper', 'by name')->wait(), async([new ArrayObject([1, 2]), 'count'])->wait());

// Three that wait for different times: each goes on when its own wait is over.
$log = [];
$step = function (string $name, float ...$waits) use (&$log) {
    $log[] = "$name+";
    foreach ($waits as $wait) {
        delay($wait);
        $log[] = $name;
    }
    return $name;
};
$started = microtime(true);
$tasks = [async($step, 'a', 0.3), async($step, 'b', 0.1, 0.1), async($step, 'c', 0.0)];
$log[] = 'main';
echo implode(await(...$tasks)), ': ', implode(' ', $log), "\n";
$took = microtime(true) - $started;
echo $took < 0.5 + patient(1) ? "together\n" : "ONE AFTER THE OTHER: $took\n";

// Calls in tasks run at once: as many streams are open as there are tasks.
$slow = new Wrong('silence');
$quiet = $slow->channel();
$quiet->waitForReady(30);
$tasks = [];
for ($n = 0; $n < 20; $n++) {
    $tasks[] = async(fn() => ending(fn() => $quiet->unary('/test.Echo/Unary', 'x', timeout: patient(0.5))));
}
echo count(array_unique(await(...$tasks))), ' ', $slow->stats()['most_streams'], "\n";

// Tasks in tasks, and a task that waits for another.
$tree = function (int $depth) use (&$tree, $call) {
    if ($depth === 0) {
        return $call('leaf');
    }
    return implode(',', await(async($tree, $depth - 1), async($tree, $depth - 1)));
};
echo async($tree, 3)->wait(), "\n";
$first = async(function () { delay(0.05); return 'first'; });
$second = async(fn() => $first->wait() . ' then second');
$third = async(fn() => await($second, $first)[0] . ' then third');
echo $third->wait(), "\n";
[$x, $y] = await($channel->start('/test.Echo/Unary', 'call'), async($call, 'task'));
echo "$x $y\n";

// Streams in tasks, one message each in turn.
$talk = function (string $name) use ($channel) {
    $stream = $channel->bidi('/test.Echo/Chat', timeout: 30.0);
    for ($said = '', $n = 0; $n < 3; $n++) {
        $stream->send("$name$n");
        $said .= $stream->receive();
    }
    $stream->halfClose();
    return $said . var_export($stream->receive(), true);
};
echo implode(' ', await(async($talk, 'p'), async($talk, 'q'))), "\n";

// Deep in PHP's own stack: recursion, generators, callbacks.
$deep = function (int $n) use (&$deep, $call) { return $n === 0 ? $call('bottom') : $deep($n - 1); };
echo async($deep, 2000)->wait(), "\n";
$generator = function () use ($call) { foreach (['g', 'h'] as $text) { yield $call($text); } };
echo async(fn() => implode(iterator_to_array($generator())) . implode(array_map($call, ['i', 'j'])))->wait(), "\n";
// Beside fibers of PHP's own.
$fiber = new Fiber(function () use ($call) { Fiber::suspend($call('in a fiber of PHP')); return $call('and on'); });
echo $fiber->start(), ' ';
$fiber->resume();
echo $fiber->getReturn(), "\n";

// Cancelled after the end: nothing.
$task->cancel();
echo $task->wait(), "\n";
// Left unfinished: the script ends all the same, and what they hold is let go.
class Held { public function __destruct() { echo "let go\n"; } }
$left = async(function () { $held = new Held(); delay(1000.0); echo 'NEVER'; });
async(function () use ($quiet) { try { $quiet->unary('/test.Echo/Unary', 'x'); } finally { echo "let go\n"; } });
echo "end\n";
?>
--EXPECT--
bool(true)
int(6)
int(6)
NULL
string(7) "BY NAME"
int(2)
abc: a+ b+ c+ main c b b a
together
1 20
leaf,leaf,leaf,leaf,leaf,leaf,leaf,leaf
first then second then third
call task
p0p1p2NULL q0q1q2NULL
bottom
ghij
in a fiber of PHP and on
6
end
let go
let go
