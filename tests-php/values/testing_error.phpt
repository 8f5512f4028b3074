--TEST--
Testing: what is refused
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{StatusCode, Testing};

foreach ([['sum'], ['/a/b/c'], ['/a/b', ['a b' => 'c']], ['/a/b', ['list']], ['/a/b', [], -1.0], ['/a/b', [], NAN]] as $wrong) {
    outcome(fn() => Testing::context(...$wrong));
}
outcome(fn() => Testing::context(1, 2, 3, 4, 5, 6));
outcome(fn() => Testing::context([]));
outcome(fn() => Testing::requestStream('one'));
outcome(fn() => Testing::requestStream(['one', 2]));
outcome(fn() => Testing::requestStream([new class {
    public function serializeToString() { throw new Exception('not this one'); }
}]));
outcome(fn() => Testing::requestStream([], 1));
outcome(fn() => Testing::requestStream(['x'])->as(stdClass::class));
outcome(fn() => Testing::cancel(null));
outcome(fn() => new Testing());
$server = ServerProcess::start(<<<'PHP'
$server->handle('/a.B/C', function (string $in, Context $context): string {
    $said = '';
    foreach (['cancel', 'headers', 'trailers'] as $method) {
        try { Viaduct\Testing::$method($context); } catch (Viaduct\LogicException $e) { $said .= $e->getMessage() . "\n"; }
    }
    return $said;
});
serve($server);
PHP);
echo (new Viaduct\Channel($server->address))->unary('/a.B/C', '');
?>
--EXPECT--
Viaduct\InvalidArgumentException: "sum" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b/c" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: metadata key "a b" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata is a list; expected ['key' => 'value', …]
Viaduct\InvalidArgumentException: timeout is -1; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: timeout is NAN; expected a finite number of seconds, 0 or more
ArgumentCountError: Viaduct\Testing::context() expects at most 5 arguments, 6 given
TypeError: Viaduct\Testing::context(): Argument #1 ($method) must be of type string, array given
TypeError: Viaduct\Testing::requestStream(): Argument #1 ($messages) must be of type array, string given
Viaduct\InvalidArgumentException: message 1 is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Exception: not this one
TypeError: Viaduct\Testing::requestStream(): Argument #2 ($end) must be of type Viaduct\StatusCode, int given
Viaduct\InvalidArgumentException: messageClass is "stdClass", which has no method mergeFromString; expected a google/protobuf class
TypeError: Viaduct\Testing::cancel(): Argument #1 ($context) must be of type Viaduct\Context, null given
Error: Call to private Viaduct\Testing::__construct() from global scope
Viaduct\Testing::cancel(): the context is that of a call; expected one that Viaduct\Testing::context() has made
Viaduct\Testing::headers(): the context is that of a call; expected one that Viaduct\Testing::context() has made
Viaduct\Testing::trailers(): the context is that of a call; expected one that Viaduct\Testing::context() has made
