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
(new Mine())->close();
echo "closed\n";
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
RuntimeException: getTarget error.Channel is already closed.
RuntimeException: getConnectivityState error.Channel is already closed.
RuntimeException: watchConnectivityState errorChannel is already closed.
closed
RuntimeException: getTarget error.Channel is already closed.
