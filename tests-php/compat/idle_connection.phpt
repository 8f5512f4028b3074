--TEST--
Grpc: a connection that ended while nobody used it costs no call; GOAWAY neither
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/wrong.php';

function unary(Grpc\Channel $channel, string $message): string
{
    $call = call($channel, '/test.Echo/Unary');
    $call->startBatch(request($message));
    $event = $call->startBatch(RESPONSE);
    return "$event->message " . status($event->status) . "\n";
}

echo "the peer leaves, and is back before the next call:\n";
$server = new Wrong('echo');
$channel = new Grpc\Channel("127.0.0.1:$server->port", []);
for ($n = 1; $n <= 3; $n++) {
    echo unary($channel, "call $n");
    $server->stop();
    $server = new Wrong('echo', $server->port);
    // PHP is elsewhere; the channel sees it all the same.
    var_dump(eventually(fn() => $channel->getConnectivityState() === Grpc\CHANNEL_IDLE));
}
echo unary($channel, 'the last');
var_dump($server->stats()['connections']);

foreach (['goaway-unprocessed', 'goaway-processed', 'refused-once'] as $behaviour) {
    $wrong = new Wrong($behaviour);
    $channel = new Grpc\Channel("127.0.0.1:$wrong->port", []);
    echo "$behaviour:\n", unary($channel, 'one'), unary($channel, 'two');
}
?>
--EXPECT--
the peer leaves, and is back before the next call:
call 1 0
bool(true)
call 2 0
bool(true)
call 3 0
bool(true)
the last 0
int(1)
goaway-unprocessed:
one 0
two 0
goaway-processed:
one 0
two 0
refused-once:
one 0
two 0
