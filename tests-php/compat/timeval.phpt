--TEST--
Grpc\Timeval: spans, points in time, infinities
--EXTENSIONS--
grpc
--FILE--
<?php
use Grpc\Timeval;

$future = Timeval::infFuture();
$past = Timeval::infPast();
$sign = fn(Timeval $a, Timeval $b) => Timeval::compare($a, $b) <=> 0;
$is = fn(Timeval $a, Timeval $b) => Timeval::compare($a, $b) === 0;

echo "order: ", $sign(new Timeval(1), new Timeval(2)), $sign(new Timeval(2), new Timeval(2)), $sign(new Timeval(3), new Timeval(2)),
    $sign($past, $future), $sign($future, $future), $sign(Timeval::zero(), $past), $sign(Timeval::now(), $future), "\n";
echo "made of: ";
var_dump($is(new Timeval(1.9), new Timeval(1)), $is(new Timeval(-1.9), new Timeval(-1)), $is(new Timeval('12'), new Timeval(12)),
    $is(new Timeval(INF), $future), $is(new Timeval(-INF), $past), $is(new Timeval(PHP_INT_MAX), $future), $is(new Timeval(1e300), $future));
echo "sums: ";
$five = new Timeval(5);
var_dump($is($five->add(new Timeval(7)), new Timeval(12)), $is($five->subtract(new Timeval(7)), new Timeval(-2)), $is($five, new Timeval(5)),
    $is((new Timeval(PHP_INT_MAX - 1))->add($five), $future), $is((new Timeval(PHP_INT_MIN + 1))->subtract($five), $past));
echo "infinities: ";
var_dump($is($future->add($past), $future), $is($past->add($future), $past), $is($five->add($future), $future), $is($five->add($past), $past),
    $is($future->subtract($future), $future), $is($five->subtract($future), $past), $is($five->subtract($past), $future),
    $is($future->subtract($five), $future));
echo "similar: ";
var_dump(Timeval::similar($five, new Timeval(7), new Timeval(2)), Timeval::similar(new Timeval(7), $five, new Timeval(1)),
    Timeval::similar($future, $future, Timeval::zero()), Timeval::similar($future, $five, $five), Timeval::similar($five, new Timeval(100), $future),
    Timeval::similar(new Timeval(PHP_INT_MIN + 1), new Timeval(PHP_INT_MAX - 1), new Timeval(PHP_INT_MAX - 1)));
echo "the clock: ";
$before = (int) (microtime(true) * 1e6) - 1000;
$now = Timeval::now();
var_dump($is(Timeval::zero(), new Timeval(0)), $sign($now, new Timeval($before)), Timeval::similar($now, new Timeval($before), new Timeval(20_000_000)));
echo "sleeping: ";
$start = hrtime(true);
Timeval::now()->sleepUntil();
$past->sleepUntil();
Timeval::zero()->sleepUntil();
var_dump(hrtime(true) - $start < 10e9);
Timeval::now()->add(new Timeval(50_000))->sleepUntil();
var_dump(hrtime(true) - $start > 49e6);
// With calls in the background it is the reactor that waits.
(new Grpc\Channel('localhost:0', []))->getConnectivityState(true);
$start = hrtime(true);
Timeval::now()->add(new Timeval(50_000))->sleepUntil();
var_dump(hrtime(true) - $start > 49e6);

class Mine extends Timeval { public $name = 'mine'; }
$mine = new Mine(5);
var_dump($is($mine, $five), get_class($mine->add($five)), $mine->name);
?>
--EXPECT--
order: -101-101-1
made of: bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
sums: bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
infinities: bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
similar: bool(true)
bool(false)
bool(true)
bool(false)
bool(true)
bool(false)
the clock: bool(true)
int(1)
bool(true)
sleeping: bool(true)
bool(true)
bool(true)
bool(true)
string(12) "Grpc\Timeval"
string(4) "mine"
