--TEST--
Server: headers that a handler sends are there before its first message
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server->handle('/ctx.A/Many', function (string $in, Context $c): iterable {
    $c->sendHeaders(['x-early' => 'yes']);
    while (!is_file($in)) delay(0.01);
    $c->setTrailers(['t-late' => 'yes']);
    yield 'm';
});
$server->handle('/ctx.A/Chat', function (RequestStream $in, Context $c): iterable {
    $c->sendHeaders(['x-early' => 'chat']);
    foreach ($in as $m) yield $m;
});
$server->handle('/ctx.A/Up', function (RequestStream $in, Context $c): string {
    $c->sendHeaders(['x-early' => 'up']);
    return implode('', iterator_to_array($in));
});
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
$file = scratch() . '/go';
$stream = $channel->serverStream('/ctx.A/Many', $file, timeout: 20);
echo json_encode($stream->headers()['x-early'] ?? null), "\n";
var_dump($stream->status());
touch($file);
var_dump($stream->receive(), $stream->receive());
echo json_encode($stream->trailers()), "\n";

$chat = $channel->bidi('/ctx.A/Chat', timeout: 20);
echo json_encode($chat->headers()['x-early'] ?? null), "\n";
$chat->send('a');
var_dump($chat->receive());
$chat->halfClose();
var_dump($chat->receive());

$up = $channel->clientStream('/ctx.A/Up', timeout: 20);
echo json_encode($up->headers()['x-early'] ?? null), "\n";
$up->send('a');
echo $up->finish(), "\n";
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
["yes"]
NULL
string(1) "m"
NULL
{"t-late":["yes"]}
["chat"]
string(1) "a"
NULL
["up"]
a
0
