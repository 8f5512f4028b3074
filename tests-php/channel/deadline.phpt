--TEST--
Calls that are in time; waiting for a server that is away and comes back
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Viaduct\{Channel, ChannelOptions, ConnectivityState};

$server = new Wrong('echo');
$channel = $server->channel();
$m = '/test.Echo/Unary';
foreach ([10, 10.5, 1e9, 1e300] as $timeout) {
    echo $channel->unary($m, "within $timeout", timeout: $timeout), "\n";
}
// The end of a deadline is not the end of the channel, nor of a call that has ended.
$call = $channel->start($m, 'ended before', timeout: 0.5);
echo $call->wait(), "\n";
usleep(600_000);
echo $call->wait(), ' ', $call->status()->code->name, "\n";

// Away: nobody listens. A child comes with a server after a while.
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) substr(strrchr(stream_socket_get_name($reserved, false), ':'), 1);
fclose($reserved);
$options = new ChannelOptions(initialBackoff: 0.05, maxBackoff: 0.2);
$channel = new Channel("http://127.0.0.1:$port", options: $options);
echo ending(fn() => $channel->unary($m, 'x', timeout: 20.0)) === "Unavailable: cannot connect to http://127.0.0.1:$port: ipv4:127.0.0.1:$port: Connection refused (os error 111)" ? "away\n" : "?\n";
echo $channel->state()->name, "\n";
$waiting = [
    $channel->start($m, 'a', waitForReady: true, timeout: 30.0),
    $channel->start($m, 'b', waitForReady: true),
];
var_dump($channel->waitForReady(0.3), $waiting[0]->done());
$server = new Wrong('echo', $port);
echo implode(Viaduct\await(...$waiting)), "\n";
var_dump($channel->waitForReady(10.0));
echo $channel->state()->name, ' ', $server->stats()['connections'], "\n";

// Gone, and back: calls wait because the channel says so.
$patient = new Channel("http://127.0.0.1:$port", options: new ChannelOptions(initialBackoff: 0.05, maxBackoff: 0.2, waitForReady: true));
echo $patient->unary($m, 'first', timeout: 20.0), "\n";
$server->stop();
usleep(50_000);
$call = $patient->start($m, 'second', timeout: 30.0);
echo ending(fn() => $patient->unary($m, 'x', waitForReady: false, timeout: 20.0)) === "Ok: x" ? "NOT GONE\n" : "gone\n";
$server = new Wrong('echo', $port);
echo $call->wait(), "\n";
// A channel that does not wait finds it, too, once the pause is over.
for ($n = 0; ($ending = ending(fn() => $channel->unary($m, 'found', timeout: 20.0))) !== 'Ok: found' && $n < 100; $n++) {
    usleep(20_000);
}
echo $ending, "\n";
?>
--EXPECT--
within 10
within 10.5
within 1000000000
within 1.0E+300
ended before
ended before Ok
away
TransientFailure
bool(false)
bool(false)
ab
bool(true)
Ready 1
first
gone
second
Ok: found
