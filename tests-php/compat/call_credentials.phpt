--TEST--
Grpc\CallCredentials: what the plugin is told, and what goes out
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/compat.php';

use Grpc\{Call, CallCredentials, Channel, ChannelCredentials, Server, ServerCredentials};

[$cert, $key, $authority] = array_map(file_get_contents(...), certificate(scratch(), 'server'));
$server = new Server([]);
$port = $server->addSecureHttp2Port('127.0.0.1:0', ServerCredentials::createSsl(null, $key, $cert));
$server->start();
$ssl = ChannelCredentials::createSsl($authority);

/** One call; the metadata that the server saw, and how it ended. */
function once(Channel $channel, array $metadata = [], ?CallCredentials $credentials = null): string
{
    global $server;
    $call = call($channel, '/pack.Service/Method');
    if ($credentials) {
        echo $call->setCredentials($credentials), ' ';
    }
    $call->startBatch(request('', $metadata));
    $seen = $server->requestCall();
    $seen->call->startBatch(answer(''));
    $end = $call->startBatch(RESPONSE)->status->code;
    $shown = array_diff_key($seen->metadata, ['user-agent' => 0]);
    ksort($shown);
    return "$end " . json_encode($shown, JSON_UNESCAPED_SLASHES) . "\n";
}
$plugin = fn(array $metadata) => CallCredentials::createFromPlugin(fn() => $metadata);
$told = CallCredentials::createFromPlugin(function (...$arguments) use ($port): array {
    echo count($arguments), ' ', get_class($arguments[0]), ' ', str_replace((string) $port, 'PORT', json_encode($arguments[0], JSON_UNESCAPED_SLASHES)), ' ';
    return ['x-told' => ['yes']];
});
$channel = new Channel("127.0.0.1:$port", ['credentials' => $ssl]);
echo once($channel);
echo once($channel, [], $told);
echo once(new Channel("127.0.0.1:$port", ['credentials' => $ssl, 'grpc.default_authority' => 'localhost']), [], $told);
echo "several values, binary, beside the call's own: ";
echo once($channel, ['x-a' => ['0']], $plugin(['x-a' => ['1', '2'], 'x-none' => [], 'authorization' => ['Bearer x']]));
$call = call($channel);
$call->setCredentials($plugin(['x-raw-bin' => ["\0\xff"]]));
$call->startBatch(request(''));
$seen = $server->requestCall();
echo bin2hex($seen->metadata['x-raw-bin'][0]), "\n";
$seen->call->startBatch(answer(''));
echo "nothing: ", once($channel, [], $plugin([]));
echo "a composite: ", once($channel, [], CallCredentials::createComposite($plugin(['x-a' => ['1']]), CallCredentials::createComposite($plugin(['x-a' => ['2']]), $plugin(['x-b' => ['3']]))));
$composite = new Channel("127.0.0.1:$port", ['credentials' => ChannelCredentials::createComposite($ssl, $plugin(['x-a' => ['channel']]))]);
echo "the channel's: ", once($composite);
echo "and the call's: ", once($composite, [], $plugin(['x-a' => ['call']]));
$twice = ChannelCredentials::createComposite(ChannelCredentials::createComposite($ssl, $plugin(['x-a' => ['1']])), $plugin(['x-a' => ['2']]));
echo "twice: ", once(new Channel("127.0.0.1:$port", ['credentials' => $twice]));
echo "other callables: ";
class Plugin
{
    public function method($context) { return ['x-by' => ['method']]; }
    public static function onClass($context) { return ['x-by' => ['class']]; }
    public function __invoke($context) { return ['x-by' => ['invoke']]; }
    public function __call($name, $arguments) { return ['x-by' => [$name]]; }
}
foreach ([[new Plugin(), 'method'], 'Plugin::onClass', new Plugin(), [new Plugin(), 'anything']] as $callable) {
    echo once($channel, [], CallCredentials::createFromPlugin($callable));
}
echo "a plugin that calls: ", once($channel, [], CallCredentials::createFromPlugin(function () use ($channel) {
    return ['x-inner' => [trim(once($channel))]];
}));
?>
--EXPECT--
0 []
0 1 stdClass {"service_url":"https://127.0.0.1:PORT/pack.Service","method_name":"Method"} 0 {"x-told":["yes"]}
0 1 stdClass {"service_url":"https://localhost/pack.Service","method_name":"Method"} 0 {"x-told":["yes"]}
several values, binary, beside the call's own: 0 0 {"authorization":["Bearer x"],"x-a":["0","1","2"]}
00ff
nothing: 0 0 []
a composite: 0 0 {"x-a":["1","2"],"x-b":["3"]}
the channel's: 0 {"x-a":["channel"]}
and the call's: 0 0 {"x-a":["channel","call"]}
twice: 0 {"x-a":["1","2"]}
other callables: 0 0 {"x-by":["method"]}
0 0 {"x-by":["class"]}
0 0 {"x-by":["invoke"]}
0 0 {"x-by":["anything"]}
a plugin that calls: 0 0 {"x-inner":["0 []"]}
