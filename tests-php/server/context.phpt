--TEST--
Server: what the context knows, and what it sends
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server->handle('/ctx.A/Show', function (string $in, Context $c): string {
    $metadata = array_diff_key($c->metadata(), ['user-agent' => 0]);
    ksort($metadata);
    return json_encode([
        'method' => $c->method(),
        'peer' => preg_replace('/\d+$/', 'N', $c->peer()),
        'authority' => preg_replace('/\d+$/', 'N', $c->authority()),
        'metadata' => array_map(fn($values) => array_map(fn($v) => ctype_print($v) ? $v : bin2hex($v), $values), $metadata),
        'deadline' => $c->deadline() === null ? null : abs($c->deadline() - microtime(true) - 100) < 50,
        'remaining' => $c->timeRemaining() === null ? null : $c->timeRemaining() > 50 && $c->timeRemaining() <= 100,
        'cancelled' => $c->isCancelled(),
    ], JSON_UNESCAPED_SLASHES);
});
$server->handle('/ctx.A/Headers', function (string $in, Context $c): string {
    $c->sendHeaders(['x-one' => 'a', 'x-two' => ['b', 'c'], 'x-bin' => "\0\xff"]);
    $c->setTrailers(['t-zero' => 'replaced']);
    $c->setTrailers(['t-one' => ['d', 'e'], 't-bin' => "\x01\0"]);
    return 'done';
});
$server->handle('/ctx.A/Trailers', function (string $in, Context $c): string {
    $c->setTrailers(['t-set' => 'by context', 't-both' => 'context']);
    throw new RpcException(StatusCode::NotFound, 'none', trailers: ['t-thrown' => 'by exception', 't-both' => 'exception']);
});
$server->handle('/ctx.A/Kept', function (string $in, Context $c): string { global $kept; $kept = $c; return ''; });
$server->handle('/ctx.A/Use', function (string $in): string {
    global $kept;
    $kept->setTrailers(['a' => 'b']);
    $said = [$kept->method(), $kept->isCancelled()];
    try { $kept->sendHeaders(['a' => 'b']); } catch (Throwable $e) { $said[] = $e::class; }
    return json_encode($said, JSON_UNESCAPED_SLASHES);
});
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
echo $channel->unary('/ctx.A/Show', ''), "\n";
echo $channel->unary('/ctx.A/Show', '', metadata: ['a' => 'one', 'b' => ['two', 'three'], 'c-bin' => ["\0\xff", 'x', '']], timeout: 100), "\n";
$other = new Viaduct\Channel($server->address, options: new Viaduct\ChannelOptions(authority: 'greeter.test:80'));
echo $other->unary('/ctx.A/Show', ''), "\n";

$call = $channel->start('/ctx.A/Headers', '');
echo $call->wait(), ' ', json_encode(array_map(fn($l) => array_map(bin2hex(...), $l), array_intersect_key($call->headers(), ['x-one' => 0, 'x-two' => 0, 'x-bin' => 0]))), "\n";
echo json_encode(array_map(fn($l) => array_map(bin2hex(...), $l), $call->trailers())), "\n";

try {
    $channel->unary('/ctx.A/Trailers', '');
} catch (Viaduct\RpcException $e) {
    $trailers = $e->trailers();
    ksort($trailers);
    echo $e->statusCode()->name, ' ', json_encode($trailers), "\n";
}
$channel->unary('/ctx.A/Kept', '');
echo $channel->unary('/ctx.A/Use', ''), "\n";
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
{"method":"/ctx.A/Show","peer":"ipv4:127.0.0.1:N","authority":"127.0.0.1:N","metadata":[],"deadline":null,"remaining":null,"cancelled":false}
{"method":"/ctx.A/Show","peer":"ipv4:127.0.0.1:N","authority":"127.0.0.1:N","metadata":{"a":["one"],"b":["two","three"],"c-bin":["00ff","x",""]},"deadline":true,"remaining":true,"cancelled":false}
{"method":"/ctx.A/Show","peer":"ipv4:127.0.0.1:N","authority":"greeter.test:N","metadata":[],"deadline":null,"remaining":null,"cancelled":false}
done {"x-one":["61"],"x-two":["62","63"],"x-bin":["00ff"]}
{"t-one":["64","65"],"t-bin":["0100"]}
NotFound {"t-both":["exception","context"],"t-set":["by context"],"t-thrown":["by exception"]}
["/ctx.A/Kept",false,"Viaduct\\LogicException"]
0
