--TEST--
Grpc\Call: arguments that are none
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{Call, Channel, Timeval};

$channel = new Channel('127.0.0.1:1', []);
$never = Timeval::infFuture();
foreach ([
    [],
    [$channel],
    [$channel, '/a.B/C'],
    ['127.0.0.1:1', '/a.B/C', $never],
    [$channel, [], $never],
    [$channel, '/a.B/C', 100],
    [$channel, '/a.B/C', $never, []],
    [$channel, '/a.B/C', $never, '', 1],
    [$channel, '', $never],
    [$channel, "/a.B/C\0", $never],
    [$channel, '/a b', $never],
    [$channel, '/a.B/C', $never, 'no host'],
] as $arguments) {
    echo thrown(fn() => new Call(...$arguments)), "\n";
}
$channel->close();
echo thrown(fn() => new Call($channel, '/a.B/C', $never)), "\n";

// A subclass that leaves the constructor out.
$call = new class extends Call {
    public function __construct() {}
};
foreach (['cancel' => [], 'getPeer' => [], 'startBatch' => [[]], 'setCredentials' => [Grpc\CallCredentials::createFromPlugin(fn() => [])]] as $method => $arguments) {
    echo thrown(fn() => $call->$method(...$arguments)), "\n";
}
$channel = new Channel('127.0.0.1:1', ['force_new' => true]);
$call = new Call($channel, '/a.B/C', $never);
echo thrown(fn() => $call->setCredentials('x')), "\n";
echo thrown(fn() => $call->setCredentials()), "\n";
echo thrown(fn() => $call->getPeer(1)), "\n";
echo thrown(fn() => $call->cancel(1)), "\n";
echo thrown(fn() => clone $call), "\n";
echo thrown(fn() => serialize($call)), "\n";
?>
--EXPECT--
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): Call expects a Channel, a String, a Timeval and an optional String
InvalidArgumentException(1): "" is not a method: it is empty or has a character that no path has; expected "/package.Service/Method"
InvalidArgumentException(1): "/a.B/C\0" is not a method: it is empty or has a character that no path has; expected "/package.Service/Method"
InvalidArgumentException(1): "/a b" is not a method: it is empty or has a character that no path has; expected "/package.Service/Method"
InvalidArgumentException(1): the host override "no host" is not legal; expected a host name or address, with or without a port
InvalidArgumentException(1): Call cannot be constructed from a closed Channel
Error(0): the Grpc\Call was not constructed
Error(0): the Grpc\Call was not constructed
Error(0): the Grpc\Call was not constructed
Error(0): the Grpc\Call was not constructed
InvalidArgumentException(1): setCredentials expects 1 CallCredentials
InvalidArgumentException(1): setCredentials expects 1 CallCredentials
ArgumentCountError(0): Grpc\Call::getPeer() expects exactly 0 arguments, 1 given
ArgumentCountError(0): Grpc\Call::cancel() expects exactly 0 arguments, 1 given
Error(0): Trying to clone an uncloneable object of class Grpc\Call
Exception(0): Serialization of 'Grpc\Call' is not allowed
