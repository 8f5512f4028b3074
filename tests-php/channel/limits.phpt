--TEST--
Messages up to the limits; gzip and deflate
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';

use Viaduct\Compression;

$server = new Wrong('echo');
$m = '/test.Echo/Unary';
$channel = $server->channel(maxReceiveBytes: 1000, maxSendBytes: 1000);
echo strlen($channel->unary($m, str_repeat('x', 1000))), "\n";
echo strlen($server->channel(maxReceiveBytes: 8 << 20)->unary($m, str_repeat('x', 6 << 20))), "\n";
echo strlen($server->channel()->unary($m, str_repeat('x', 4 << 20))), "\n";
echo strlen($server->channel(maxReceiveBytes: 0)->unary($m, '')), "\n";

// Compressed, a message of a megabyte is a small one: the peer counts the bytes of the frames.
foreach ([null, Compression::None, Compression::Gzip, Compression::Deflate] as $of_channel) {
    foreach ([null, Compression::None, Compression::Gzip] as $of_call) {
        $counting = new Wrong('trailers-only-5');
        $options = $of_channel ? ['compression' => $of_channel] : [];
        ending(fn() => $counting->channel(...$options)->unary($m, str_repeat('x', 1 << 20), compression: $of_call, timeout: 20.0));
        // The answer does not wait for the whole message, and a message of a megabyte may be cut off by it.
        $sent = $counting->frames()[0]['data_bytes'];
        $counting->stop();
        $small = ($of_call ?? $of_channel ?? Compression::None) !== Compression::None;
        echo ($sent < 5000) === $small ? '' : 'WRONG: ', $of_channel?->name ?? 'unset', '/', $of_call?->name ?? 'unset', ': ', $small ? 'small' : 'large', "\n";
    }
}
// A peer that understands it gets the message back out.
$peer = new Peer();
$text = random_bytes(1000) . str_repeat('y', 1 << 20);
foreach ([Compression::Gzip, Compression::Deflate] as $compression) {
    $channel = $peer->channel(compression: $compression);
    $chat = $channel->bidi('/test.Peer/Chat', timeout: 30.0);
    $chat->send('aB');
    $chat->send('');
    $join = $channel->clientStream('/test.Peer/Join', timeout: 30.0, compression: $compression);
    $join->send('x');
    $join->send('y');
    echo $channel->unary('/test.Peer/Echo', $text) === $text ? 'same' : 'CHANGED',
        " {$chat->receive()}{$chat->receive()} {$join->finish()} ", $channel->serverStream('/test.Peer/Count', '1')->receive(), "\n";
}
?>
--EXPECT--
1000
6291456
4194304
0
unset/unset: large
unset/None: large
unset/Gzip: small
None/unset: large
None/None: large
None/Gzip: small
Gzip/unset: small
Gzip/None: large
Gzip/Gzip: small
Deflate/unset: small
Deflate/None: large
Deflate/Gzip: small
same AB x+y 0
same AB x+y 0
