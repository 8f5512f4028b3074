--TEST--
What streams tell: headers, trailers, status, peer; many messages each way
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';

$peer = new Peer();
$channel = $peer->channel();
$tell = function (object $stream, string $when) use ($peer) {
    $peer_is = $stream->peer() === 'ipv4:' . substr($peer->target, 7) ? 'peer' : "PEER {$stream->peer()}";
    echo "  $when: ", json_encode($stream->trailers()), ' ', $stream->status()?->code->name ?? 'no status', " $peer_is\n";
};
echo "server stream\n";
$stream = $channel->serverStream('/test.Peer/Count', '3', timeout: 30.0);
$tell($stream, 'begin');
echo '  headers ', $stream->headers()['x-initial'][0], ', and no message is lost: ', $stream->receive(), "\n";
while (($value = $stream->receive()) !== null) {
    $last = $value;
}
$tell($stream, 'end');
echo "  $last ", $stream->headers()['x-initial'][0], "\n";

echo "client stream\n";
$stream = $channel->clientStream('/test.Peer/Join', timeout: 30.0);
echo '  headers ', $stream->headers()['x-initial'][0], "\n";
$tell($stream, 'begin');
for ($n = 0; $n < 5; $n++) {
    $stream->send("$n");
}
echo '  ', $stream->finish(), "\n";
$tell($stream, 'end');
// The peer may answer before it has read all.
$stream = $channel->clientStream('/test.Peer/Early', timeout: 30.0);
$stream->send('one');
$stream->send('two');
echo '  ', $stream->finish(), "\n";

echo "bidi\n";
$stream = $channel->bidi('/test.Peer/Chat', timeout: 30.0);
echo '  headers ', $stream->headers()['x-initial'][0], "\n";
$tell($stream, 'begin');
$stream->send('a');
$stream->send('b');
echo '  ', $stream->receive(), $stream->receive(), "\n";
$stream->halfClose();
var_dump($stream->receive());
$tell($stream, 'end');

// Without a message there are headers and an end too.
$stream = $channel->serverStream('/test.Peer/Fail', '5');
echo json_encode($stream->headers()), ' ', $stream->status()->code->name, ' ', $stream->trailers()['x-why'][1], "\n";

// 100,000 each way, read late: the windows hold them back, nothing is lost.
$echo = new Wrong('echo');
$stream = $echo->channel()->bidi('/test.Echo/Chat', timeout: patient(100.0));
$sent = $received = 0;
for ($round = 0; $round < (underValgrind() ? 10 : 100); $round++) {
    for ($n = 0; $n < 1000; $n++) {
        $stream->send((string) $sent++);
    }
    for ($n = 0; $n < 900; $n++) {
        $stream->receive() === (string) $received++ or exit('OUT OF ORDER');
    }
}
$stream->halfClose();
while (($message = $stream->receive()) !== null) {
    $message === (string) $received++ or exit('OUT OF ORDER');
}
echo $received === $sent ? "all that was sent was received\n" : "$sent sent, $received received\n";
// One message of megabytes passes a window of 64 KiB.
$stream = $echo->channel()->bidi('/test.Echo/Chat', timeout: patient(60.0));
$big = random_bytes(3 << 20);
$stream->send($big);
echo $stream->receive() === $big ? 'same' : 'CHANGED', "\n";
?>
--EXPECT--
server stream
  begin: [] no status peer
  headers now, and no message is lost: 0
  end: {"x-sum":["done"]} Ok peer
  2 now
client stream
  headers now
  begin: [] no status peer
  0+1+2+3+4
  end: {"x-sum":["done"]} Ok peer
  early: one
bidi
  headers now
  begin: [] no status peer
  AB
NULL
  end: {"x-sum":["done"]} Ok peer
[] NotFound b
all that was sent was received
same
