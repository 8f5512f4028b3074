--TEST--
A unary call ends with the right status whatever the peer does, and the process goes on
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/wrong-table.php';

againstTheTable(fn(Viaduct\Channel $channel, float $timeout) =>
    $channel->unary('/test.Echo/Unary', 'hello', timeout: $timeout));
?>
--EXPECT--
all as the table says
