--TEST--
Streams are iterated, read with receive(), or both
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/peer.php';

$channel = (new Peer())->channel();
$count = fn(int $n) => $channel->serverStream('/test.Peer/Count', "$n", timeout: 30.0);

foreach ($count(3) as $key => $value) {
    echo "$key=$value ";
}
echo "\n";
foreach ($count(0) as $value) {
    echo 'NOT EMPTY';
}
echo json_encode(iterator_to_array($count(2))), ' ', iterator_count($count(1000)), "\n";

$stream = $count(6);
var_dump($stream->receive(), $stream->key(), $stream->current(), $stream->receive(), $stream->valid());
foreach (new NoRewindIterator($stream) as $key => $value) {
    echo "$key=$value ";
    if ($value === '3') {
        echo '(', $stream->receive(), ') ';
    }
}
echo "\n";
var_dump($stream->valid(), $stream->receive(), $stream->current(), $stream->key());
$stream->next();
var_dump($stream->receive(), $stream->valid(), $stream->status()->isOk());

// In a loop receive() goes on from where the loop stands, and the loop from there. Nothing comes twice or gets lost.
foreach ($stream = $count(9) as $key => $value) {
    echo "$key=$value";
    if ($value % 3 === 0) {
        echo '(', $stream->receive(), $value === '3' ? $stream->receive() : '', $value === '6' && $stream->valid() ? '…' : '', ')';
    }
    echo ' ';
}
echo "\n";
for ($stream = $count(3); $stream->valid(); $stream->next()) {
    echo $stream->key(), '=', $stream->receive(), ' ';
}
echo "\n";
foreach ($stream = $count(3) as $value) {
    break;
}
echo $value, $stream->receive(), $stream->current(), "\n";

// By hand, and in two loops.
$stream = $count(4);
for ($stream->rewind(); $stream->valid(); $stream->next()) {
    echo $stream->key(), '=', $stream->current(), $stream->current(), ' ';
    $stream->key() === 1 and print('| ');
}
echo "\n";
$stream = $count(4);
$stream->rewind();
$stream->rewind();
foreach ($stream as $value) {
    echo $value;
    break;
}
$stream->next();
while (($value = $stream->receive()) !== null) {
    echo $value;
}
echo "\n";

// A generator over it, and a message that somebody keeps.
$twice = (function () use ($count) { foreach ($count(3) as $value) { yield $value * 2; } })();
echo implode(',', iterator_to_array($twice)), "\n";
[$a, $b] = [$count(100), $count(100)];
$sum = 0;
foreach ($a as $value) {
    $sum += $value + $b->receive();
}
echo $sum, "\n";
?>
--EXPECT--
0=0 1=1 2=2 
["0","1"] 1000
string(1) "0"
int(1)
string(1) "1"
string(1) "2"
bool(true)
3=3 (4) 5=5 
bool(false)
NULL
NULL
int(6)
NULL
bool(false)
bool(true)
0=0(1) 2=2 3=3(45) 6=6(7…) 8=8 
0=0 1=1 2=2 
012
0=00 1=11 | 2=22 3=33 
0123
0,2,4
9900
