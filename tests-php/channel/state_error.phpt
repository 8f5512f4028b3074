--TEST--
close() ends calls; a channel to nobody is in TransientFailure and fails fast
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/refuse.php';

use Viaduct\{Channel, ChannelOptions, ConnectivityState};

$silent = new Wrong('silence');
$channel = $silent->channel();
$m = '/test.Echo/Unary';
$calls = [$channel->start($m, 'x'), $channel->start($m, 'x', timeout: 30.0)];
$streams = [$channel->serverStream($m, 'x'), $channel->bidi($m, timeout: 30.0)];
$up = $channel->clientStream($m);
$silent->reaches('streams', 5);
$channel->close();
foreach ($calls as $call) {
    refuse($call->wait(...));
}
foreach ($streams as $stream) {
    refuse($stream->receive(...));
}
refuse($up->finish(...));
refuse(fn() => $streams[1]->send('x'));
refuse(fn() => $channel->unary($m, 'x'));
refuse(fn() => $channel->unary($m, 'x', waitForReady: true));
refuse($channel->start($m, 'x')->wait(...));
refuse($channel->serverStream($m, 'x')->receive(...));
$bidi = $channel->bidi($m);
refuse(fn() => $bidi->send('x'));
var_dump($silent->reaches('open', 0));
// While it connects, and while a call waits for it.
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) substr(strrchr(stream_socket_get_name($reserved, false), ':'), 1);
fclose($reserved);
$channel = new Channel("http://127.0.0.1:$port");
$call = $channel->start($m, 'x', waitForReady: true);
$channel->waitForReady(0.1);
$channel->close();
refuse($call->wait(...));

// One attempt, and then the pause of a second: calls within it fail at once with what the attempt said.
$channel = new Channel("http://127.0.0.1:$port");
echo $channel->state(true)->name, "\n";
for ($n = 0; $channel->state() !== ConnectivityState::TransientFailure && $n < 500; $n++) {
    usleep(10_000);
}
$listener = stream_socket_server("tcp://127.0.0.1:$port");
$started = microtime(true);
$failed = 0;
for ($n = 0; $n < 100 && microtime(true) - $started < 0.3; $n++) {
    $failed += str_contains(ending(fn() => $channel->unary($m, 'x', timeout: 0.1)), 'Connection refused');
}
echo $failed === $n ? 'all failed at once' : "$failed of $n", "\n";
?>
--EXPECT--
Viaduct\CancelledException: the channel was closed
Viaduct\CancelledException: the channel was closed
Viaduct\CancelledException: the channel was closed
Viaduct\CancelledException: the channel was closed
Viaduct\CancelledException: the channel was closed
Viaduct\CancelledException: the channel was closed
Viaduct\RpcException: the channel is closed
Viaduct\RpcException: the channel is closed
Viaduct\RpcException: the channel is closed
Viaduct\RpcException: the channel is closed
Viaduct\RpcException: the channel is closed
bool(true)
Viaduct\RpcException: the channel is closed
Idle
all failed at once
