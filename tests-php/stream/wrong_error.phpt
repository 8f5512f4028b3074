--TEST--
A stream ends with the right status whatever the peer does, and the process goes on
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/wrong-table.php';

// A stream may end Ok without a response.
$empty = ['trailers-only-0' => ['Ok', '']];
againstTheTable(
    fn(Viaduct\Channel $channel, float $timeout) =>
        implode(iterator_to_array($channel->serverStream('/test.Echo/Unary', 'hello', timeout: $timeout))),
    $empty,
);
// What has no request kept cannot be sent again.
$moved = ['Unavailable', 'the peer closed the connection with NO_ERROR while waiting for the answer'];
againstTheTable(function (Viaduct\Channel $channel, float $timeout) {
    $stream = $channel->bidi('/test.Echo/Unary', timeout: $timeout);
    $stream->send('hello');
    $stream->halfClose();
    return implode(iterator_to_array($stream));
}, $empty + [
    'goaway-unprocessed' => $moved,
    'refused-once' => ['Unavailable', 'the peer reset the stream with REFUSED_STREAM while waiting for the answer'],
]);
?>
--EXPECT--
all as the table says
all as the table says
