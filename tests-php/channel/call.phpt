--TEST--
What a started call tells: headers, trailers, status, peer
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';

$peer = new Peer();
$channel = $peer->channel();
$show = fn(array $metadata) => json_encode(array_map(fn(array $list) => array_map(
    fn(string $value) => preg_match('/^[ -~]*$/', $value) ? $value : bin2hex($value), $list), $metadata));

$call = $channel->start('/test.Peer/Show', 'x');
echo $show(array_intersect_key($call->headers(), ['x-initial' => 1, 'x-initial-bin' => 1])), "\n";
echo $show($call->trailers()), "\n";
echo $call->status()->code->name, " '{$call->status()->message}' ", json_encode($call->status()->details), ' ', var_export($call->status()->isOk(), true), "\n";
echo $call->peer() === 'ipv4:' . substr($channel->target(), 7) ? 'peer' : "PEER {$call->peer()}", "\n";
echo unserialize($call->wait())['request'], "\n";
var_dump($call->done());

// Each of them waits for the end by itself.
foreach (['headers', 'trailers', 'status'] as $method) {
    $call = $channel->start('/test.Peer/Sleep', '0.05');
    $call->$method();
    echo $method, ': ', $call->done() ? 'waited' : 'DID NOT WAIT', ' ', $call->wait(), "\n";
}
// The target, before there is a connection.
$fresh = $peer->channel()->start('/test.Peer/Sleep', '0.3');
echo $fresh->peer() === $peer->target ? 'target' : "NOT THE TARGET {$fresh->peer()}", ' ', var_export($fresh->done(), true), "\n";
?>
--EXPECT--
{"x-initial":["one","two"],"x-initial-bin":["00ff"]}
{"x-trailing":["end"],"x-trailing-bin":["01","fe2c"]}
Ok '' [] true
peer
x
bool(true)
headers: waited 0.05
trailers: waited 0.05
status: waited 0.05
target false
