--TEST--
Grpc\CallCredentials: plugins that fail end the call with a status that says why
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/compat.php';

use Grpc\{CallCredentials, Channel, ChannelCredentials, Server, ServerCredentials};

[$cert, $key, $authority] = array_map(file_get_contents(...), certificate(scratch(), 'server'));
$server = new Server([]);
$port = $server->addSecureHttp2Port('127.0.0.1:0', ServerCredentials::createSsl(null, $key, $cert));
$server->start();
$channel = new Channel("127.0.0.1:$port", ['credentials' => ChannelCredentials::createSsl($authority)]);

/** How a call ends. */
function ending(Channel $channel, callable $plugin): string
{
    $call = call($channel);
    $call->setCredentials(CallCredentials::createFromPlugin($plugin));
    $all = $call->startBatch(request('') + RESPONSE);
    return json_encode($all->message) . ' ' . status($all->status) . "\n";
}
echo ending($channel, function () { throw new DomainException('no token today'); });
echo ending($channel, function () { throw new TypeError(); });
echo ending($channel, fn(int $context) => []);
foreach ([null, 'x', 5, new ArrayObject()] as $answer) {
    echo ending($channel, fn() => $answer);
}
foreach ([['value'], ['a' => 'b'], ['a' => [1]], ['a' => [['b']]], ['Upper' => ['x']], ['' => ['x']], ['a b' => ['x']], [':path' => ['x']], ['grpc-timeout' => ['1S']],
    ['a' => ["new\nline"]], ['a' => array_fill(0, 5000, 'x')]] as $answer) {
    echo ending($channel, fn() => $answer);
}
echo "the first of two: ";
$call = call($channel);
$call->setCredentials(CallCredentials::createComposite(
    CallCredentials::createFromPlugin(function () { throw new Exception('first'); }),
    CallCredentials::createFromPlugin(function () { echo 'NOT CALLED'; return []; }),
));
echo status($call->startBatch(request('') + RESPONSE)->status), "\n";
echo "insecure: ", str_replace((string) $port, 'PORT', ending(new Channel("127.0.0.1:$port", []), function () { echo 'NOT CALLED'; return []; }));
echo "the next call is none the worse: ";
$call = call($channel);
$call->setCredentials(CallCredentials::createFromPlugin(fn() => []));
$call->startBatch(request(''));
$server->requestCall()->call->startBatch(answer('well'));
echo $call->startBatch(RESPONSE)->message, "\n";
echo "exit: ";
ending($channel, function () { exit("leaves\n"); });
echo "NOT REACHED\n";
?>
--EXPECTF--
null 14 Getting metadata from plugin failed with error: DomainException: no token today
null 14 Getting metadata from plugin failed with error: TypeError:
null 14 Getting metadata from plugin failed with error: TypeError: {closure%S}(): Argument #1 ($context) must be of type int, stdClass given
null 14 Getting metadata from plugin failed with error: it returned a value of type null; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: it returned a value of type string; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: it returned a value of type int; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: it returned a value of type ArrayObject; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: the key 0 is a number; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: the value of "a" is of type string; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: a value of "a" is of type int; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: a value of "a" is of type array; expected array<string, string[]>
null 14 Getting metadata from plugin failed with error: the key "Upper" is not legal: it has upper case
null 14 Getting metadata from plugin failed with error: metadata key "" is not legal; expected one or more of 0-9 a-z _ - .
null 14 Getting metadata from plugin failed with error: metadata key "a b" is not legal; expected one or more of 0-9 a-z _ - .
null 14 Getting metadata from plugin failed with error: metadata key ":path" is not legal; expected one or more of 0-9 a-z _ - .
null 14 Getting metadata from plugin failed with error: metadata key "grpc-timeout" belongs to the protocol and cannot be set
null 14 Getting metadata from plugin failed with error: metadata value of "a" has the byte 0x0a; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
null 14 Getting metadata from plugin failed with error: there are more than 4096 values
the first of two: 14 Getting metadata from plugin failed with error: Exception: first
insecure: null 16 call credentials are sent on secure channels only; the channel to 127.0.0.1:PORT is insecure
the next call is none the worse: well
exit: leaves
