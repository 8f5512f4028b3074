--TEST--
Grpc\Channel: what is refused, and a closed channel
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Grpc\{Channel, Timeval};

foreach ([[], ['localhost:1'], [[], []], ['localhost:1', null], ['localhost:1', 'x'], ['localhost:1', [], 1]] as $arguments) {
    refuse(fn() => new Channel(...$arguments));
}
echo "--- args\n";
foreach ([['x'], [1 => 1], ['a' => 1.5], ['a' => null], ['a' => true], ['a' => []], ['a' => new stdClass()]] as $args) {
    refuse(fn() => new Channel('localhost:1', $args));
}
foreach (['x', 1, new stdClass(), Grpc\CallCredentials::createFromPlugin(fn() => [])] as $credentials) {
    refuse(fn() => new Channel('localhost:1', ['credentials' => $credentials]));
}
refuse(fn() => new Channel('localhost:1', ['grpc_target_persist_bound' => '1']));
echo "--- targets\n";
foreach (['', 'http://localhost:1', 'xds:///x', 'localhost:x', 'localhost:70000', '::1:1', "a\0b", 'a b', 'unix:', 'ipv4:localhost:1', "\xff"] as $target) {
    refuse(fn() => new Channel($target, []));
}
echo "--- methods\n";
$channel = new Channel('localhost:1', []);
refuse(fn() => $channel->getConnectivityState([]));
refuse(fn() => $channel->getConnectivityState(true, 1));
refuse(fn() => $channel->watchConnectivityState());
refuse(fn() => $channel->watchConnectivityState([], Timeval::zero()));
refuse(fn() => $channel->watchConnectivityState(1, 'hi'));
refuse(fn() => $channel->__construct('localhost:2', []));
refuse(fn() => clone $channel);
refuse(fn() => serialize($channel));
echo "--- closed\n";
$channel->close();
try {
    $channel->getTarget();
} catch (Exception $e) {
    echo get_class($e), ' ', $e->getCode(), "\n";
}
refuse(fn() => $channel->getTarget());
refuse(fn() => $channel->getConnectivityState());
refuse(fn() => $channel->watchConnectivityState(0, Timeval::zero()));
echo "--- never constructed\n";
class Mine extends Channel { public function __construct() {} }
refuse(fn() => (new Mine())->getTarget());
refuse(fn() => (new Mine())->getConnectivityState());
refuse(fn() => (new Mine())->watchConnectivityState(0, Timeval::zero()));
refuse(fn() => (new Mine())->close());
refuse(fn() => (new ReflectionClass(Channel::class))->newInstanceWithoutConstructor()->getTarget());
?>
--EXPECTF--
InvalidArgumentException: Channel expects a string and an array
InvalidArgumentException: Channel expects a string and an array
InvalidArgumentException: Channel expects a string and an array
InvalidArgumentException: Channel expects a string and an array
InvalidArgumentException: Channel expects a string and an array
InvalidArgumentException: Channel expects a string and an array
--- args
InvalidArgumentException: args keys must be strings
InvalidArgumentException: args keys must be strings
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: credentials must be a ChannelCredentials object
InvalidArgumentException: credentials must be a ChannelCredentials object
InvalidArgumentException: credentials must be a ChannelCredentials object
InvalidArgumentException: credentials must be a ChannelCredentials object
InvalidArgumentException: plist_bound must be a number
--- targets
InvalidArgumentException: target "": "" is not a host name; expected host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
InvalidArgumentException: target "http://localhost:1": the scheme "http" is not known; expected host:port, %s
InvalidArgumentException: target "xds:///x": xds is not supported; expected host:port, %s
InvalidArgumentException: target "localhost:x": "x" is not a port from 0 to 65535; expected host:port, %s
InvalidArgumentException: target "localhost:70000": "70000" is not a port from 0 to 65535; expected host:port, %s
InvalidArgumentException: target "::1:1": an IPv6 address stands in brackets; expected host:port, %s
InvalidArgumentException: target "a\0b": "a\0b" is not a host name; expected host:port, %s
InvalidArgumentException: target "a b": "a b" is not a host name; expected host:port, %s
InvalidArgumentException: target "unix:": the path is missing; expected host:port, %s
InvalidArgumentException: target "ipv4:localhost:1": "localhost" is not an IPv4 address; expected host:port, %s
InvalidArgumentException: %s
--- methods
InvalidArgumentException: getConnectivityState expects a bool
InvalidArgumentException: getConnectivityState expects a bool
InvalidArgumentException: watchConnectivityState expects 1 long 1 timeval
InvalidArgumentException: watchConnectivityState expects 1 long 1 timeval
InvalidArgumentException: watchConnectivityState expects 1 long 1 timeval
Error: the Grpc\Channel is constructed already
Error: Trying to clone an uncloneable object of class Grpc\Channel
Exception: Serialization of 'Grpc\Channel' is not allowed
--- closed
RuntimeException 1
RuntimeException: getTarget error.Channel is already closed.
RuntimeException: getConnectivityState error.Channel is already closed.
RuntimeException: watchConnectivityState errorChannel is already closed.
--- never constructed
Error: the Grpc\Channel was not constructed
Error: the Grpc\Channel was not constructed
Error: the Grpc\Channel was not constructed
Error: the Grpc\Channel was not constructed
Error: the Grpc\Channel was not constructed
