--TEST--
Streams that are opened together are read one after the other, and calls pass beside those that nobody reads
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server->handle('/t.T/Rows', function (string $in): Generator {
    for ($n = 0; $n < 300; $n++) {
        yield str_repeat('x', 10_000);
    }
});
$server->handle('/t.T/Echo', fn(string $in): string => $in);
$server->handle('/t.T/Unread', function (RequestStream $in, Context $context): string {
    // One message, and the rest when somebody says so.
    $in->receive();
    while (!file_exists($GLOBALS['argv'][1])) {
        Viaduct\delay(0.01);
    }
    $bytes = 0;
    while (($message = $in->receive()) !== null) {
        $bytes += strlen($message);
    }
    return (string) $bytes;
});
serve($server);
PHP, arguments: [$go = scratch() . '/go']);
$channel = new Viaduct\Channel($server->address);

$streams = [];
for ($n = 0; $n < 40; $n++) {
    $streams[] = $channel->serverStream('/t.T/Rows', '', timeout: patient(60));
}
foreach ([10, 2_000_000] as $size) {
    $message = random_bytes($size);
    var_dump($channel->unary('/t.T/Echo', $message, timeout: patient(20)) === $message);
}
$rows = 0;
foreach ($streams as $stream) {
    foreach ($stream as $message) {
        $rows += strlen($message) === 10_000;
    }
}
echo "$rows rows\n";

// The other way: forty uploads whose handlers do not read.
$uploads = [];
for ($n = 0; $n < 40; $n++) {
    $uploads[] = Viaduct\async(function () use ($channel) {
        $stream = $channel->clientStream('/t.T/Unread', timeout: patient(60));
        for ($n = 0; $n < 200; $n++) {
            $stream->send(str_repeat('y', 10_000));
        }
        return $stream->finish();
    });
}
// They have sent what they may.
Viaduct\delay(0.5);
$message = random_bytes(2_000_000);
var_dump($channel->unary('/t.T/Echo', $message, timeout: patient(20)) === $message);
touch($go);
echo json_encode(array_count_values(Viaduct\await(...$uploads))), "\n";
unlink($go);
echo $server->stop(), "\n";
?>
--EXPECT--
bool(true)
bool(true)
12000 rows
bool(true)
{"1990000":40}
0
