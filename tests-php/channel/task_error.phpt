--TEST--
Tasks that throw, are cancelled, or exit
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/refuse.php';

use function Viaduct\{async, await, delay};

if (isset($argv[1])) {
    $channel = new Viaduct\Channel($argv[1]);
    $call = fn() => $channel->unary('/test.Echo/Unary', 'x', timeout: 10.0);
    register_shutdown_function(fn() => print("shutdown\n"));
    match ($argv[2]) {
        'exit' => async(function () { echo "a\n"; exit(3); }),
        'exit later' => async(function () use ($call) { $call(); echo "a\n"; exit(4); })->wait(),
        'exit while others wait' => (function () use ($call) {
            $other = async(function () { try { delay(100.0); } finally { echo "other ends\n"; } });
            $task = async(function () use ($call) { $call(); exit(5); });
            await($other, $task);
        })(),
        'uncaught' => async(function () use ($call) { $call(); throw new DomainException('out'); })->wait(),
        'unseen' => [async(fn() => throw new DomainException('nobody looks')), print("goes on\n")],
        'fatal' => async(function () use ($call) { $call(); outOfMemory(); })->wait(),
        'left' => [async(function () use ($call) { delay(50.0); }), print("left\n")],
    };
    echo "after\n";
    return;
}

$server = new Wrong('echo');
$channel = $server->channel();

foreach ([
    fn() => throw new DomainException('at once'),
    function () { delay(0.01); throw new DomainException('later'); },
    function () { delay(0.01); return intdiv(1, 0); },
    fn() => (new Wrong('html-503'))->channel()->unary('bad method', 'x'),
] as $function) {
    $task = async($function);
    refuse($task->wait(...));
    refuse($task->wait(...));
    echo $task->done() ? '' : "NOT DONE\n";
}
// The very exception, with the trace of its origin.
$thrown = new DomainException('kept');
try {
    async(fn() => throw $thrown)->wait();
} catch (DomainException $caught) {
    var_dump($caught === $thrown);
}

echo "-- cancelled\n";
$task = async(function () {
    try {
        delay(100.0);
    } catch (Viaduct\CancelledException $e) {
        echo 'told: ', $e->getMessage(), ' ', $e->statusCode()->name, "\n";
        throw $e;
    }
});
$task->cancel();
refuse($task->wait(...));
$silent = new Wrong('silence');
$quiet = $silent->channel();
$task = async(fn() => $quiet->unary('/test.Echo/Unary', 'x'));
// A task goes on while the thread waits.
var_dump(eventually(function () use ($silent) { delay(0.01); return $silent->stats()['streams'] === 1; }));
$task->cancel();
$task->cancel();
refuse($task->wait(...));
var_dump($silent->reaches('resets', 1));
// One that catches it goes on.
$task = async(function () { try { delay(100.0); } catch (Viaduct\CancelledException) { delay(0.01); return 'in spite of it'; } });
$task->cancel();
echo $task->wait(), "\n";
// One that is waited for, and its waiters.
$inner = async(fn() => delay(100.0));
$outer = async(fn() => $inner->wait());
$inner->cancel();
refuse($outer->wait(...));
$inner = async(function () { delay(0.05); return 'inner lives'; });
$outer = async(fn() => $inner->wait());
$outer->cancel();
refuse($outer->wait(...));
echo $inner->wait(), "\n";

echo "-- ends of scripts\n";
foreach (['exit', 'exit later', 'exit while others wait', 'uncaught', 'unseen', 'fatal', 'left'] as $how) {
    echo "$how:\n";
    $pipes = [];
    $command = Process::php(__FILE__, $server->target(), $how);
    $process = proc_open(['timeout', '20', ...$command], [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
    $out = stream_get_contents($pipes[1]);
    $err = stream_get_contents($pipes[2]);
    foreach (explode("\n", trim($out)) as $line) {
        echo "  $line\n";
    }
    if (preg_match('/(Fatal error: +[^\n]*?)( in | \(tried|$)/m', $err, $found)) {
        echo "  $found[1]\n";
    }
    echo '  ', proc_close($process), "\n";
}
refuse(fn() => new Viaduct\Task());
?>
--EXPECT--
DomainException: at once
DomainException: at once
DomainException: later
DomainException: later
DivisionByZeroError: Division by zero
DivisionByZeroError: Division by zero
Viaduct\InvalidArgumentException: "bad method" is not a method: it has the byte 0x20; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "bad method" is not a method: it has the byte 0x20; expected "/package.Service/Method"
bool(true)
-- cancelled
told: the task was cancelled Cancelled
Viaduct\CancelledException: the task was cancelled
bool(true)
Viaduct\CancelledException: the task was cancelled
bool(true)
in spite of it
Viaduct\CancelledException: the task was cancelled
Viaduct\CancelledException: the task was cancelled
inner lives
-- ends of scripts
exit:
  a
  shutdown
  3
exit later:
  a
  shutdown
  4
exit while others wait:
  shutdown
  other ends
  5
uncaught:
  shutdown
  Fatal error: Uncaught DomainException: out
  255
unseen:
  goes on
  after
  shutdown
  0
fatal:
  shutdown
  Fatal error: Allowed memory size of 16777216 bytes exhausted
  255
left:
  left
  after
  shutdown
  0
Error: Call to private Viaduct\Task::__construct() from global scope
