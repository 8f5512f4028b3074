--TEST--
A connection lives on while PHP sleeps: PINGs are answered
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

// PINGs every second, and drops a peer that is silent for one.
$server = new Wrong('ping-or-die');
$channel = $server->channel();
echo $channel->unary('/test.Echo/Unary', 'before'), "\n";
$until = microtime(true) + 5;
while (($left = $until - microtime(true)) > 0) {
    usleep((int) ($left * 1e6));
}
echo $channel->unary('/test.Echo/Unary', 'after'), "\n";
$stats = $server->stats();
echo "connections={$stats['connections']} dropped={$stats['dropped']}\n";
echo $stats['pongs'] >= 4 && $stats['pings'] - $stats['pongs'] <= 1 ? 'answered' : "$stats[pongs] of $stats[pings]", "\n";
// And while it computes.
for ($until = microtime(true) + 2.5; microtime(true) < $until;) {
    hash('sha256', str_repeat('x', 10000));
}
echo $channel->unary('/test.Echo/Unary', 'and after that'), ' ', $server->stats()['connections'], "\n";
?>
--EXPECT--
before
after
connections=1 dropped=0
answered
and after that 1
