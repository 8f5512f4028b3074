--TEST--
A thousand tasks whose waits end at the same time
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use function Viaduct\{async, await, delay};

$channel = (new Wrong('echo'))->channel();
$tasks = [];
for ($n = 0; $n < 1000; $n++) {
    $tasks[] = async(function () use ($n, $channel) {
        delay(0.1);
        return (int) $channel->unary('/test.Echo/Unary', (string) $n, timeout: 30.0);
    });
}
echo array_sum(await(...$tasks)), "\n";
?>
--EXPECT--
499500
