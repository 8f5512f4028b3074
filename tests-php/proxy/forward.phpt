--TEST--
Proxy: calls of all kinds go through it to a PHP server, while PHP's thread does other things
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\{Channel, Proxy, RpcException};

$server = echoing();
$proxy = new Proxy(forwarding($server));
var_dump($proxy->addresses());
$addresses = $proxy->listen();
echo count($addresses), preg_match('~^http://127\.0\.0\.1:[1-9]\d+$~', $addresses[0]), json_encode($addresses === $proxy->addresses()), "\n";

$channel = new Channel($addresses[0]);
outcome(fn() => $channel->unary('/p.Echo/Unary', 'hello', timeout: 20));
outcome(fn() => iterator_to_array($channel->serverStream('/p.Echo/Count', '3', timeout: 20)));
outcome(function () use ($channel) {
    $call = $channel->clientStream('/p.Echo/Join', timeout: 20);
    $call->send('a');
    $call->send('b');
    return $call->finish();
});
$chat = $channel->bidi('/p.Echo/Chat', timeout: 20);
foreach (['one', 'two'] as $line) {
    $chat->send($line);
    echo $chat->receive(), "\n";
}
$chat->halfClose();
var_dump($chat->receive());
try {
    $channel->unary('/p.Echo/Fail', '', metadata: ['x-given' => 'metadata'], timeout: 20);
} catch (RpcException $e) {
    echo $e->statusCode()->name, ': ', $e->getMessage(), ' ', json_encode($e->trailers()['x-seen']), "\n";
}
outcome(fn() => $channel->unary('/p.Echo/Nothing', '', timeout: 20));
$large = str_repeat('x', 1 << 20);
var_dump($channel->unary('/p.Echo/Unary', $large, timeout: 20) === $large);

// A proxy in front of a server, both in one process.
$both = ServerProcess::start(<<<'PHP'
$server->handle('/p.Both/Unary', fn(string $in): string => "both: $in");
$address = $server->listen('http://127.0.0.1:0');
$proxy = new Proxy(str_replace('http://', '', <<<TOML
    listen = [{ address = "unix:$argv[1]" }]
    group = [{ name = "here", members = ["$address"], discover = false }]
    TOML));
announce(...$proxy->listen());
$server->run();
$proxy->stop(0);
say('both have ended');
PHP, arguments: [scratch() . '/both.sock']);
echo preg_match('~^unix:/.*/both\.sock$~', $both->address), "\n";
$beside = new Channel($both->address);
outcome(fn() => $beside->unary('/p.Both/Unary', 'hello', timeout: 20));
echo $both->stop(), ' ', $both->rest(), $both->errors(), $both->log();

// Without the proxy object there is no proxy.
unset($proxy);
var_dump(refused($addresses[0]));
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
array(0) {
}
11true
OK hello
OK ["0","1","2"]
OK a,b
one
two
NULL
NotFound: no such thing ["metadata"]
Viaduct\RpcException Unimplemented: unknown method Nothing of service p.Echo
bool(true)
1
OK both: hello
0 both have ended
bool(true)
0
