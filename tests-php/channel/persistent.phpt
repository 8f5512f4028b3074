--TEST--
Channels that are alike share a connection, which outlives them; persistent: false, other options and other credentials have one of their own
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Viaduct\{Channel, ChannelOptions, RpcException};

$server = new Wrong('echo');
$m = '/test.Echo/Unary';
$target = $server->target();
$open = function () use ($server): string {
    $stats = $server->stats();
    return "$stats[connections] made, $stats[open] open\n";
};
$outcome = function (callable $call): string {
    try {
        return $call() . "\n";
    } catch (RpcException $e) {
        return "{$e->statusCode()->name}: {$e->getMessage()}\n";
    }
};
echo "-- alike\n";
$one = new Channel($target);
$two = new Channel($target, options: new ChannelOptions());
echo $one->unary($m, 'a'), $two->unary($m, 'b'), ' ', $two->state()->name, ': ', $open();
unset($one, $two);
gc_collect_cycles();
$three = new Channel($target);
echo $three->state()->name, ' ', $three->unary($m, 'c'), ': ', $open();

echo "-- not alike\n";
$others = [
    new Channel($target, options: new ChannelOptions(persistent: false)),
    new Channel($target, options: new ChannelOptions(userAgent: 'mine')),
    new Channel($target, options: new ChannelOptions(metadata: ['a' => 'b'])),
];
foreach ($others as $other) {
    echo $other->unary($m, 'd');
}
echo ': ', $open();
unset($others, $other);

echo "-- close() of one of two\n";
$four = new Channel($target);
$stream = $four->bidi($m);
$stream->send('x');
echo $stream->receive(), "\n";
$three->close();
echo $three->state()->name, ' ', $outcome(fn() => $three->unary($m, 'e'));
$three->close();
$stream->send('y');
echo $stream->receive(), ' ', $four->unary($m, 'f'), "\n";

echo "-- and of the last\n";
$four->close();
echo $outcome(fn() => $stream->receive()), $four->state()->name, ' ', $outcome(fn() => $four->unary($m, 'g'));
$five = new Channel($target);
echo $five->state()->name, ' ', $outcome(fn() => $five->unary($m, 'h'));
ob_start();
phpinfo(INFO_MODULES);
echo preg_match('/^Viaduct.Channel connections => .*/m', ob_get_clean(), $row) ? "$row[0]\n" : "no row\n";
echo eventually(fn() => $server->stats()['open'] === 1) ? "one is open\n" : $open();
?>
--EXPECT--
-- alike
ab Ready: 1 made, 1 open
Ready c: 1 made, 1 open
-- not alike
ddd: 4 made, 4 open
-- close() of one of two
x
Shutdown Unavailable: the channel is closed
y f
-- and of the last
Cancelled: the channel was closed
Shutdown Unavailable: the channel is closed
Idle h
Viaduct\Channel connections => 3 open, 1 of them pooled, 1 of these in use
one is open
