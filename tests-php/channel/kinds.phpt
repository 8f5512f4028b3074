--TEST--
All four kinds of call, with strings and with objects
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/messages.php';

$server = new Wrong('echo');
$channel = $server->channel();

foreach ([[fn(string $text) => $text, null], [fn(string $text) => new Text($text), Text::class]] as [$make, $class]) {
    $show = fn(mixed $m) => $m instanceof Text ? "Text($m->text" . ($m->constructed ? ')' : ' not constructed)') : "'$m'";
    echo $show($channel->unary('/test.Echo/Unary', $make('unary'), $class)), "\n";
    echo $show($channel->unary(method: '/test.Echo/Unary', request: $make(''), responseClass: $class)), "\n";
    $call = $channel->start(responseClass: $class, request: $make('started'), method: '/test.Echo/Unary');
    echo $call::class, ' ', $show($call->wait()), ' ', $show($call->wait()), "\n";

    $stream = $channel->serverStream('/test.Echo/Stream', $make('one'), $class);
    echo $stream::class, ':';
    foreach ($stream as $key => $response) {
        echo " $key => ", $show($response);
    }
    echo ' ', $stream->status()->code->name, "\n";

    $stream = $channel->clientStream('/test.Echo/Collect', $class);
    $stream->send($make('alone'));
    echo $stream::class, ': ', $show($stream->finish()), "\n";

    $stream = $channel->bidi('/test.Echo/Chat', $class);
    echo $stream::class, ':';
    foreach (['a', '', 'ccc'] as $text) {
        $stream->send($make($text));
        echo ' ', $show($stream->receive());
    }
    $stream->halfClose();
    echo ' ', var_export($stream->receive(), true), "\n";
}

// Bytes of every value, and messages of every size around the frames'.
$bytes = implode(array_map(chr(...), range(0, 255)));
foreach ([1, 5, 16379, 16384, 16385, 65530, 65536, 1 << 20, (4 << 20)] as $size) {
    $request = substr(str_repeat($bytes, intdiv($size, 256) + 1), 0, $size);
    if ($channel->unary('/test.Echo/Unary', $request) !== $request) {
        echo "$size bytes come back changed\n";
    }
}
echo $channel->target() === $server->target() ? 'target' : 'NO TARGET', ', ', $server->stats()['connections'], " connection\n";
?>
--EXPECT--
'unary'
''
Viaduct\UnaryCall 'started' 'started'
Viaduct\ServerStream: 0 => 'one' Ok
Viaduct\ClientStream: 'alone'
Viaduct\BidiStream: 'a' '' 'ccc' NULL
Text(unary)
Text()
Viaduct\UnaryCall Text(started) Text(started)
Viaduct\ServerStream: 0 => Text(one) Ok
Viaduct\ClientStream: Text(alone)
Viaduct\BidiStream: Text(a) Text() Text(ccc) NULL
target, 1 connection
