--TEST--
Grpc\CallCredentials: plugins are asked before the call is sent; what they add, and what goes wrong with them
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/server.php';

use Grpc\{CallCredentials, Channel, ChannelCredentials, Server, ServerCredentials};

[$cert, $key, $ca] = array_map(file_get_contents(...), certificate(scratch(), 'server'));
$server = new Server();
$port = $server->addSecureHttp2Port('127.0.0.1:0', ServerCredentials::createSsl(null, $key, $cert));
$server->start();
$tls = ChannelCredentials::createSsl($ca);
$secure = fn(array $args = []) => new Channel("localhost:$port", $args + ['credentials' => $tls, 'force_new' => true]);
$channel = $secure();

/** Credentials that add this, and say what they were told. */
function adds(array $metadata): CallCredentials
{
    return CallCredentials::createFromPlugin(function (object $context) use ($metadata): array {
        echo 'asked: ', preg_replace('/:\d+/', ':PORT', json_encode($context, JSON_UNESCAPED_SLASHES)), "\n";
        return $metadata;
    });
}

/** Makes a call that the server answers: what of it arrived beside what every call has. */
function arrives(Server $server, Channel $channel, ?CallCredentials $credentials, string $host = ''): void
{
    $call = call($channel, '/test.Echo/Any', 30, $host);
    if ($credentials) {
        echo 'set: ', $call->setCredentials($credentials), "\n";
    }
    $call->startBatch(request('x', ['own' => ['first'], 'k' => ['call']]));
    $incoming = $server->requestCall();
    unset($incoming->metadata['user-agent']);
    echo json_encode($incoming->metadata), "\n";
    $incoming->call->startBatch(answer('y'));
    echo status($call->startBatch(RESPONSE)->status), "\n";
}

/** Makes a call that no server shall see: its status. */
function fails(Channel $channel, CallCredentials $credentials): void
{
    $call = call($channel);
    $call->setCredentials($credentials);
    $sent = $call->startBatch(request('x'));
    $event = $call->startBatch(RESPONSE);
    echo count((array) $sent), ' ', json_encode([$event->metadata, $event->message]), ' ', status($event->status), "\n";
}

echo "-- of the call\n";
arrives($server, $channel, adds(['k' => ['b', 'a'], 'authorization' => ['Bearer t']]));
arrives($server, $channel, adds([]), 'api.example:443');
arrives($server, $channel, adds([]), 'api.example:444');
echo "-- of the channel, and both\n";
$composite = ChannelCredentials::createComposite($tls, adds(['k' => ['channel']]));
arrives($server, $secure(['credentials' => $composite]), null);
arrives($server, $secure(['credentials' => $composite]), adds(['k' => ['plugin']]));
echo "-- composite\n";
arrives($server, $channel, CallCredentials::createComposite(adds(['k' => ['1']]), adds(['k' => ['2']])));
echo "-- binary values are raw here too\n";
$call = call($channel);
$call->setCredentials(CallCredentials::createFromPlugin(fn() => ['token-bin' => ["\0\xff", 'a,b']]));
$call->startBatch(request('x'));
$incoming = $server->requestCall();
echo json_encode(array_map(bin2hex(...), $incoming->metadata['token-bin'])), "\n";
$incoming->call->startBatch(answer('y'));
echo "-- the last that is set counts; too late; on a server\n";
$call = call($channel);
echo $call->setCredentials(adds(['k' => ['one']])), $call->setCredentials(adds(['k' => ['two']])), "\n";
$call->startBatch(request('x'));
echo $call->setCredentials(adds([])), "\n";
$incoming = $server->requestCall();
echo json_encode($incoming->metadata['k']), ' ', $incoming->call->setCredentials(adds([])), "\n";
echo "-- a plugin that makes a call itself\n";
$nested = CallCredentials::createFromPlugin(function () use ($server, $channel): array {
    $call = call($channel, '/test.Tokens/Get');
    $call->startBatch(request('who'));
    $incoming = $server->requestCall();
    echo "$incoming->method, ";
    $incoming->call->startBatch(answer('token'));
    return ['k' => [$call->startBatch(RESPONSE)->message]];
});
arrives($server, $channel, $nested);
echo "-- a plugin that cancels the call\n";
$call = call($channel);
$call->setCredentials(CallCredentials::createFromPlugin(function () use (&$call): array {
    $call->cancel();
    return [];
}));
$call->startBatch(request('x'));
echo status($call->startBatch(RESPONSE)->status), "\n";

echo "-- what is wrong\n";
$wrong = [
    fn() => throw new DomainException("no token"),
    fn() => null,
    fn() => 'text',
    fn() => (object) [],
    fn() => [['v']],
    fn() => ['k' => 'v'],
    fn() => ['k' => [1]],
    fn() => ['k' => [null]],
    fn() => ['Upper' => ['v']],
    fn() => ['with space' => ['v']],
    fn() => ['' => ['v']],
    fn() => ['k' => ["line\nbreak"]],
    fn() => ['k' => ["\xff"]],
    fn(int $number) => [],
];
foreach ($wrong as $plugin) {
    fails($channel, CallCredentials::createFromPlugin($plugin));
}
echo "-- on an insecure channel no plugin is asked\n";
$plain = new Grpc\Channel("localhost:$port", ['force_new' => true]);
fails($plain, adds(['never' => ['seen']]));
echo "-- none of them was sent: the next that the server sees is another\n";
arrives($server, $channel, null);
?>
--EXPECTF--
-- of the call
set: 0
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
{"own":["first"],"k":["call","b","a"],"authorization":["Bearer t"]}
0
set: 0
asked: {"service_url":"https://api.example/test.Echo","method_name":"Any"}
{"own":["first"],"k":["call"]}
0
set: 0
asked: {"service_url":"https://api.example:PORT/test.Echo","method_name":"Any"}
{"own":["first"],"k":["call"]}
0
-- of the channel, and both
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
{"own":["first"],"k":["call","channel"]}
0
set: 0
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
{"own":["first"],"k":["call","channel","plugin"]}
0
-- composite
set: 0
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
{"own":["first"],"k":["call","1","2"]}
0
-- binary values are raw here too
["00ff","612c62"]
-- the last that is set counts; too late; on a server
00
asked: {"service_url":"https://localhost:PORT/test.Echo","method_name":"Any"}
5
["two"] 2
-- a plugin that makes a call itself
set: 0
/test.Tokens/Get, {"own":["first"],"k":["call","token"]}
0
-- a plugin that cancels the call
1 the call was cancelled by this side
-- what is wrong
3 [[],null] 14 Getting metadata from plugin failed with error: DomainException: no token
3 [[],null] 3 Getting metadata from plugin failed with error: it returned a value of type null; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: it returned a value of type string; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: it returned a value of type stdClass; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: the key 0 is a number; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: the value of "k" is of type string; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: a value of "k" is of type int; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: a value of "k" is of type null; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: the key "Upper" is not legal: it has upper case; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: metadata key "with space" is not legal; expected one or more of 0-9 a-z _ - .; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: metadata key "" is not legal; expected one or more of 0-9 a-z _ - .; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: metadata value of "k" has the byte 0x0a; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values; expected array<string, string[]>
3 [[],null] 3 Getting metadata from plugin failed with error: metadata value of "k" has the byte 0xff; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values; expected array<string, string[]>
3 [[],null] 14 Getting metadata from plugin failed with error: TypeError: {closure}(): Argument #1 ($number) must be of type int, stdClass given
-- on an insecure channel no plugin is asked
3 [[],null] 16 call credentials are sent on secure channels only; the channel to localhost:%d is insecure
-- none of them was sent: the next that the server sees is another
{"own":["first"],"k":["call"]}
0
