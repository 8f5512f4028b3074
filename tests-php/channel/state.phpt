--TEST--
state(), waitForReady() and close()
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Viaduct\ConnectivityState;

function comes(Viaduct\Channel $channel, ConnectivityState $state): string
{
    for ($n = 0; $channel->state() !== $state && $n < 1000; $n++) {
        usleep(10_000);
    }
    return $channel->state()->name;
}

$server = new Wrong('echo');
$channel = $server->channel();
echo $channel->state()->name, "\n";
usleep(50_000);
echo $channel->state()->name, ' ', $server->stats()['connections'], "\n";
echo $channel->state(connect: true)->name, ' ', comes($channel, ConnectivityState::Ready), ' ', $server->stats()['connections'], "\n";
var_dump($channel->waitForReady());
var_dump($channel->waitForReady(0.0));
// A call connects, too; a second one uses the same connection.
$other = $server->channel();
$other->unary('/test.Echo/Unary', 'x');
$other->unary('/test.Echo/Unary', 'x');
echo $other->state()->name, ' ', $server->stats()['connections'], "\n";
// The peer goes: nothing is done until somebody calls.
$port = $server->port;
$server->stop();
echo comes($channel, ConnectivityState::Idle), "\n";
$server = new Wrong('echo', $port);
usleep(100_000);
echo $server->stats()['connections'], "\n";
echo $channel->unary('/test.Echo/Unary', 'again', timeout: 20.0), ' ', $channel->state()->name, "\n";

// An idle connection is closed after a while, and made again by the next call.
$idle = $server->channel(idleTimeout: 0.2);
$idle->unary('/test.Echo/Unary', 'x');
echo comes($idle, ConnectivityState::Idle), ' ', $idle->unary('/test.Echo/Unary', 'and back', timeout: 20.0), "\n";

$channel->close();
$channel->close();
echo $channel->state()->name, ' ', $channel->state(true)->name, ' ', $channel->target() === $server->target() ? 'target' : '?', "\n";
var_dump($channel->waitForReady(1.0), $channel->waitForReady());
echo $idle->unary('/test.Echo/Unary', 'others go on', timeout: 20.0), "\n";
// The server sees the connections go.
unset($idle, $other);
gc_collect_cycles();
var_dump($server->reaches('open', 0));
?>
--EXPECT--
Idle
Idle 0
Idle Ready 1
bool(true)
bool(true)
Ready 2
Idle
0
again Ready
Idle and back
Shutdown Shutdown target
bool(false)
bool(false)
others go on
bool(true)
