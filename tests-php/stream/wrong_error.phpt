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
// What was sent is kept until the answer begins, and sent again where the server has not seen it.
againstTheTable(function (Viaduct\Channel $channel, float $timeout) {
    $stream = $channel->bidi('/test.Echo/Unary', timeout: $timeout);
    $stream->send('hello');
    $stream->halfClose();
    return implode(iterator_to_array($stream));
}, $empty);
?>
--EXPECT--
all as the table says
all as the table says
