--TEST--
Requests and responses that are no messages, and answers in the wrong number
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/messages.php';
require __DIR__ . '/../support/refuse.php';

class Stubborn extends Text { public function serializeToString(): string { throw new DomainException('not today'); } }
class Odd { public function serializeToString() { return 5; } }
abstract class Half extends Text {}

$server = new Wrong('echo');
$channel = $server->channel();
$m = '/test.Echo/Unary';

foreach ([5, 1.5, null, true, ['a'], new stdClass(), new Odd(), new Stubborn()] as $request) {
    refuse(fn() => $channel->unary($m, $request));
}
refuse(fn() => $channel->start($m, [1]));
refuse(fn() => $channel->serverStream($m, 7));
foreach (['No\Such', 'stdClass', 'Half', 'Countable', ''] as $class) {
    refuse(fn() => $channel->unary($m, 'x', $class));
}
refuse(fn() => $channel->clientStream($m, 'No\Such'));
refuse(fn() => $channel->bidi($m, 'stdClass'));
echo $server->stats()['streams'], " streams\n";

// A response that does not parse.
try {
    $channel->unary($m, 'broken', Text::class);
} catch (Viaduct\RpcException $e) {
    echo $e->statusCode()->name, ': ', $e->getMessage(), ' <- ', $e->getPrevious()->getMessage(), "\n";
}
foreach (['serverStream', 'start'] as $kind) {
    $call = $channel->$kind($m, 'broken', Text::class);
    echo ending(fn() => $kind === 'start' ? $call->wait() : $call->receive()), "\n";
}
// Two responses where one is expected; none where one is.
$stream = $channel->clientStream($m);
$stream->send('one');
$stream->send('two');
echo ending($stream->finish(...)), "\n";
echo ending($channel->clientStream($m)->finish(...)), "\n";
echo $channel->unary($m, 'goes on'), "\n";

refuse(fn() => new Viaduct\UnaryCall());
refuse(fn() => new Viaduct\BidiStream());
refuseCopies($channel);
refuseCopies($channel->start($m, ''));
refuseCopies($channel->bidi($m));
?>
--EXPECT--
Viaduct\InvalidArgumentException: request is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: request is of type float; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: request is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: request is of type bool; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: request is of type array; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: request is of type stdClass; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: Odd::serializeToString() returned a value of type int; expected a string
DomainException: not today
Viaduct\InvalidArgumentException: request is of type array; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: request is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: responseClass is "No\Such", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
Viaduct\InvalidArgumentException: responseClass is "stdClass", which has no method mergeFromString; expected a google/protobuf class
Viaduct\InvalidArgumentException: responseClass is "Half", which cannot be instantiated; expected a google/protobuf class
Viaduct\InvalidArgumentException: responseClass is "Countable", which has no method mergeFromString; expected a google/protobuf class
Viaduct\InvalidArgumentException: responseClass is "", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
Viaduct\InvalidArgumentException: responseClass is "No\Such", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
Viaduct\InvalidArgumentException: responseClass is "stdClass", which has no method mergeFromString; expected a google/protobuf class
0 streams
Internal: the response does not parse as Text: Error occurred during parsing <- Error occurred during parsing
Internal: the response does not parse as Text: Error occurred during parsing
Internal: the response does not parse as Text: Error occurred during parsing
Internal: the server sent more than one response to /test.Echo/Unary
Internal: the server ended the call with OK but sent no response
goes on
Error: Call to private Viaduct\UnaryCall::__construct() from global scope
Error: Call to private Viaduct\BidiStream::__construct() from global scope
Error: Trying to clone an uncloneable object of class Viaduct\Channel
Exception: Serialization of 'Viaduct\Channel' is not allowed
Exception: Unserialization of 'Viaduct\Channel' is not allowed
Error: Cannot create dynamic property Viaduct\Channel::$anything
Error: Trying to clone an uncloneable object of class Viaduct\UnaryCall
Exception: Serialization of 'Viaduct\UnaryCall' is not allowed
Exception: Unserialization of 'Viaduct\UnaryCall' is not allowed
Error: Cannot create dynamic property Viaduct\UnaryCall::$anything
Error: Trying to clone an uncloneable object of class Viaduct\BidiStream
Exception: Serialization of 'Viaduct\BidiStream' is not allowed
Exception: Unserialization of 'Viaduct\BidiStream' is not allowed
Error: Cannot create dynamic property Viaduct\BidiStream::$anything
