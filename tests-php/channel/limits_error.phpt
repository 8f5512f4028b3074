--TEST--
Messages over the limits, both ways
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';

use Viaduct\Compression;

$server = new Wrong('echo');
$m = '/test.Echo/Unary';
$channel = $server->channel(maxReceiveBytes: 1000, maxSendBytes: 2000);
$big = str_repeat('x', 2001);
echo "-- sent\n";
foreach (['unary', 'start', 'serverStream'] as $kind) {
    echo ending(fn() => $channel->$kind($m, $big)), "\n";
}
echo $server->stats()['streams'], " streams\n";
foreach (['clientStream', 'bidi'] as $kind) {
    $stream = $channel->$kind($m);
    echo ending(fn() => $stream->send($big)), "\n";
    // Nothing was sent: the call goes on.
    $stream->send('small');
    echo $kind === 'bidi' ? $stream->receive() : $stream->finish(), "\n";
}
// The limit is for the message itself, not for what compression makes of it.
echo ending(fn() => $channel->unary($m, $big, compression: Compression::Gzip)), "\n";

echo "-- received\n";
$long = str_repeat('y', 1001);
echo ending(fn() => $channel->unary($m, $long)), "\n";
echo ending($channel->start($m, $long)->wait(...)), "\n";
$bidi = $channel->bidi($m);
$bidi->send('short');
echo $bidi->receive(), "\n";
$bidi->send($long);
echo ending($bidi->receive(...)), "\n";
echo ending(fn() => $bidi->send('after')), "\n";
echo ending(fn() => $server->channel(maxReceiveBytes: 0)->unary($m, 'x')), "\n";
echo ending(fn() => $server->channel()->unary($m, str_repeat('z', (4 << 20) + 1))), "\n";
echo $channel->unary($m, 'the connection goes on'), ' ', $server->stats()['connections'], "\n";

echo "-- a bomb\n";
$peer = new Peer(compression: 'Gzip');
$small = new Viaduct\Channel($peer->target, options: new Viaduct\ChannelOptions(maxReceiveBytes: 1 << 20, compression: Compression::Gzip));
echo ending(fn() => $small->unary('/test.Peer/Echo', str_repeat("\0", 32 << 20))), "\n";
echo strlen($small->unary('/test.Peer/Echo', str_repeat("\0", 1 << 20))), "\n";
?>
--EXPECT--
-- sent
ResourceExhausted: a message of 2001 bytes is over the limit of 2000 bytes (maxSendBytes); it was not sent
ResourceExhausted: a message of 2001 bytes is over the limit of 2000 bytes (maxSendBytes); it was not sent
ResourceExhausted: a message of 2001 bytes is over the limit of 2000 bytes (maxSendBytes); it was not sent
0 streams
ResourceExhausted: a message of 2001 bytes is over the limit of 2000 bytes (maxSendBytes); it was not sent
small
ResourceExhausted: a message of 2001 bytes is over the limit of 2000 bytes (maxSendBytes); it was not sent
small
ResourceExhausted: a message of 2001 bytes is over the limit of 2000 bytes (maxSendBytes); it was not sent
-- received
ResourceExhausted: received a message of 1001 bytes; the limit is 1000 bytes (maxReceiveBytes)
ResourceExhausted: received a message of 1001 bytes; the limit is 1000 bytes (maxReceiveBytes)
short
ResourceExhausted: received a message of 1001 bytes; the limit is 1000 bytes (maxReceiveBytes)
ResourceExhausted: received a message of 1001 bytes; the limit is 1000 bytes (maxReceiveBytes)
ResourceExhausted: received a message of 1 bytes; the limit is 0 bytes (maxReceiveBytes)
ResourceExhausted: received a message of 4194305 bytes; the limit is 4194304 bytes (maxReceiveBytes)
the connection goes on 3
-- a bomb
ResourceExhausted: received a message of more than 1048576 bytes once decompressed; the limit is 1048576 bytes (maxReceiveBytes)
1048576
