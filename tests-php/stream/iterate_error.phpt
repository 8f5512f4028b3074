--TEST--
Streams that fail, and uses of a stream out of turn
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';
require __DIR__ . '/../support/refuse.php';

$channel = (new Peer())->channel();
$break = fn(int $n) => $channel->serverStream('/test.Peer/Break', "$n", timeout: 30.0);

// After an error every way to read says it again.
$stream = $break(2);
try {
    foreach ($stream as $key => $value) {
        echo "$key=$value ";
    }
} catch (Viaduct\RpcException $e) {
    echo $e->statusCode()->name, ' ', $e->getMessage(), ' ', json_encode($e->trailers()), "\n";
}
foreach (['receive', 'current', 'next', 'valid'] as $method) {
    refuse($stream->$method(...));
}
echo $stream->key(), ' ', $stream->status()->code->name, ' ', json_encode($stream->trailers()), "\n";
refuse($stream->rewind(...));
refuse(function () use ($stream) { foreach ($stream as $value); });

// At once.
refuse($break(0)->receive(...));
refuse(fn() => iterator_to_array($channel->serverStream('/test.Peer/None', 'x')));

$stream = $channel->serverStream('/test.Peer/Count', '5');
$stream->next();
refuse($stream->rewind(...));
refuse(function () use ($stream) { foreach ($stream as $value); });
echo $stream->receive(), "\n";
refuse(fn() => $stream->receive(1));

echo "-- bidi\n";
$chat = $channel->bidi('/test.Peer/Chat', timeout: 30.0);
refuse(fn() => $chat->send(5));
refuse(fn() => $chat->send());
$chat->send('a');
echo $chat->receive(), "\n";
$chat->halfClose();
$chat->halfClose();
refuse(fn() => $chat->send('b'));
var_dump($chat->receive());
refuse(fn() => $chat->send('b'));
// A loop follows receive().
$chat->rewind();
foreach ($chat as $value) echo "nothing is left: $value\n";

// Sending on a call that the peer has ended: nothing is lost in silence.
$chat = $channel->bidi('/test.Peer/Chat', timeout: 30.0);
$chat->send('bye');
echo $chat->receive(), ' ', var_export($chat->receive(), true), "\n";
refuse(fn() => $chat->send('anybody there?'));
echo $chat->status()->code->name, "\n";

echo "-- client stream\n";
$up = $channel->clientStream('/test.Peer/Refuse', timeout: 30.0);
$up->send('first');
for ($n = 0; $n < 2000; $n++) {
    try {
        $up->send(str_repeat('x', 1000));
    } catch (Viaduct\RpcException $e) {
        break;
    }
    usleep(1000);
}
echo $e->statusCode()->name, ': ', $e->getMessage(), "\n";
refuse($up->finish(...));
refuse($up->finish(...));
refuse(fn() => $up->send('more'));

$up = $channel->clientStream('/test.Peer/Join', timeout: 30.0);
$up->send('a');
echo $up->finish(), $up->finish(), "\n";
refuse(fn() => $up->send('b'));

echo "-- cancelled\n";
foreach (['serverStream' => ['/test.Peer/Tick', 'x'], 'clientStream' => ['/test.Peer/Join'], 'bidi' => ['/test.Peer/Chat']] as $kind => $arguments) {
    $stream = $channel->$kind(...$arguments);
    if ($kind === 'serverStream') {
        echo $stream->receive(), "\n";
    } else {
        $stream->send('x');
    }
    $stream->cancel();
    $stream->cancel();
    refuse($kind === 'clientStream' ? $stream->finish(...) : $stream->receive(...));
    echo $stream->status()->code->name, ' ', json_encode($stream->trailers()), "\n";
    if ($kind !== 'serverStream') {
        refuse(fn() => $stream->send('y'));
    }
}
// What has been read before stays read; what has ended is not cancelled.
$stream = $channel->serverStream('/test.Peer/Count', '1');
iterator_to_array($stream);
$stream->cancel();
echo $stream->status()->code->name, "\n";

// Streams that nobody holds are reset.
$silent = new Wrong('silence-after-message');
$quiet = $silent->channel();
$stream = $quiet->serverStream('/test.Echo/Stream', 'x');
echo $stream->receive(), "\n";
unset($stream);
$stream = $quiet->bidi('/test.Echo/Chat');
unset($stream);
var_dump($silent->reaches('resets', 2));
?>
--EXPECT--
0=0 1=1 DataLoss broken {"x-at":["2"]}
Viaduct\RpcException: broken
Viaduct\RpcException: broken
Viaduct\RpcException: broken
Viaduct\RpcException: broken
2 DataLoss {"x-at":["2"]}
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
Viaduct\RpcException: broken
Viaduct\RpcException: unknown method None of service test.Peer
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
1
ArgumentCountError: Viaduct\ServerStream::receive() expects exactly 0 arguments, 1 given
-- bidi
Viaduct\InvalidArgumentException: message is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
ArgumentCountError: Viaduct\BidiStream::send() expects exactly 1 argument, 0 given
A
Viaduct\LogicException: send() after halfClose(): no more messages can be sent on this stream
NULL
Viaduct\LogicException: send() after halfClose(): no more messages can be sent on this stream
BYE NULL
Viaduct\RpcException: the server has ended the call with OK; the message was not sent
Ok
-- client stream
FailedPrecondition: refused: first
Viaduct\RpcException: refused: first
Viaduct\RpcException: refused: first
Viaduct\LogicException: send() after finish(): no more messages can be sent on this stream
aa
Viaduct\LogicException: send() after finish(): no more messages can be sent on this stream
-- cancelled
0
Viaduct\CancelledException: the call was cancelled by this side
Cancelled []
Viaduct\CancelledException: the call was cancelled by this side
Cancelled []
Viaduct\LogicException: send() after finish(): no more messages can be sent on this stream
Viaduct\CancelledException: the call was cancelled by this side
Cancelled []
Viaduct\CancelledException: the call was cancelled by this side
Ok
x
bool(true)
