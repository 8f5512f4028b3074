--TEST--
Calls that are started run together and may be waited for in any order
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/messages.php';

use function Viaduct\{async, await, delay};

$server = new Wrong('echo');
$channel = $server->channel();
$start = fn(string $text) => $channel->start('/test.Echo/Unary', $text, timeout: 20.0);

[$a, $b, $c] = [$start('a'), $start('b'), $start('c')];
echo $c->wait(), $a->wait(), $b->wait(), $a->wait(), "\n";
echo implode(await($start('1'), $start('2'), $start('3'))), "\n";
var_dump(await());
// The order of the arguments, whatever order they end in; the same one twice; ended ones.
$slow = async(function () { delay(0.05); return 'slow'; });
$quick = $start('quick');
echo implode(' ', await($slow, $quick, $slow, $a)), "\n";
echo implode(' ', await(...[$start('x'), $start('y')])), "\n";
echo get_debug_type(await($channel->start('/test.Echo/Unary', new Text('t'), Text::class))[0]), "\n";

// Hundreds at once are on one connection.
$calls = array_map($start, array_map(strval(...), range(0, 499)));
echo array_sum(await(...$calls)), "\n";
echo count(array_filter($calls, fn($call) => $call->done())), " done\n";

// They run at the same time: two that wait for 30 ms of the server's, one after the other, and 20 as one stream each.
$one = new Wrong('max-streams-one');
$queue = array_map(fn(int $n) => $one->channel()->start('/test.Echo/Unary', "$n", timeout: 20.0), range(1, 4));
echo implode(await(...$queue)), "\n";
$one = new Wrong('max-streams-one');
$shared = $one->channel();
$shared->unary('/test.Echo/Unary', 'now the limit is known', timeout: 20.0);
$queue = array_map(fn(int $n) => $shared->start('/test.Echo/Unary', "$n", timeout: 20.0), range(1, 4));
echo implode(await(...$queue)), ', ', $one->stats()['most_streams'], " at a time\n";

// One that nobody waits for is given up: its stream is reset.
$silent = new Wrong('silence');
$channel = $silent->channel();
$call = $channel->start('/test.Echo/Unary', 'x');
var_dump($silent->reaches('streams', 1), $call->done());
unset($call);
var_dump($silent->reaches('resets', 1));
?>
--EXPECT--
caba
123
array(0) {
}
slow quick slow a
x y
Text
124750
500 done
1234
1234, 1 at a time
bool(true)
bool(false)
bool(true)
