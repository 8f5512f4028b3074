--TEST--
Metadata goes both ways, binary and with several values; authority and deadline too
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

$peer = new Peer();
$channel = $peer->channel();
$all = implode(array_map(chr(...), range(0, 255)));
$metadata = [
    'x-one' => 'value with  spaces',
    'x-empty' => '',
    'X-Upper' => 'folded',
    'x-several' => ['c', 'a', 'b', 'a'],
    'x-none' => [],
    'x-bin' => "\0\xff\n",
    'x-all-bin' => $all,
    'x-several-bin' => ['', "\x01", 'x,y'],
    '0_-.' => 'odd key',
    'x-long' => str_repeat('l', 8000),
];
$ask = fn(Viaduct\Channel $channel, array $metadata, mixed ...$more) =>
    unserialize($channel->unary('/test.Peer/Show', 'ask', null, $metadata, ...$more));
$kinds = [
    'unary' => fn() => $channel->unary('/test.Peer/Show', 'x', metadata: $metadata),
    'start' => fn() => $channel->start('/test.Peer/Show', 'x', null, $metadata)->wait(),
    'serverStream' => fn() => $channel->serverStream('/test.Peer/Show', 'x', metadata: $metadata)->receive(),
    'clientStream' => function () use ($channel, $metadata) {
        $stream = $channel->clientStream('/test.Peer/Show', metadata: $metadata);
        $stream->send('x');
        return $stream->finish();
    },
    'bidi' => function () use ($channel, $metadata) {
        $stream = $channel->bidi('/test.Peer/Show', metadata: $metadata);
        $stream->send('x');
        $stream->halfClose();
        return $stream->receive();
    },
];
$expected = [
    'x-one' => ['value with  spaces'],
    'x-empty' => [''],
    'x-upper' => ['folded'],
    'x-several' => ['c', 'a', 'b', 'a'],
    'x-bin' => ["\0\xff\n"],
    'x-all-bin' => [$all],
    'x-several-bin' => ['', "\x01", 'x,y'],
    '0_-.' => ['odd key'],
    'x-long' => [str_repeat('l', 8000)],
];
foreach ($kinds as $kind => $call) {
    $got = array_intersect_key(unserialize($call())['metadata'], $expected + ['x-none' => 1]);
    ksort($got);
    ksort($expected);
    echo $kind, ': ', $got === $expected ? 'arrives' : var_export($got, true), "\n";
}
// A reference, and keys that PHP makes integers of.
$value = 'through a reference';
$reference = ['x-ref' => &$value, 'x-list' => [&$value], 7 => 'seven'];
$got = $ask($channel, $reference)['metadata'];
echo $got['x-ref'][0], ', ', $got['x-list'][0], ', ', $got[7][0], "\n";
// Nothing of the last call's is left.
echo isset($ask($channel, [])['metadata']['x-ref']) ? 'LEFT' : 'gone', "\n";

echo $ask($channel, [])['authority'] === substr($peer->target, 7) ? 'target' : 'NO TARGET', "\n";
echo $ask($peer->channel(authority: 'api.example:8443'), [])['authority'], "\n";
echo $ask($channel, [])['left'] ?? 'no deadline', "\n";
$left = $ask($channel, [], timeout: 30.0)['left'];
echo $left > 20 && $left <= 30 ? 'deadline' : "DEADLINE $left", "\n";
?>
--EXPECT--
unary: arrives
start: arrives
serverStream: arrives
clientStream: arrives
bidi: arrives
through a reference, through a reference, seven
gone
target
api.example:8443
no deadline
deadline
