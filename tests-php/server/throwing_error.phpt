--TEST--
Server: what handlers throw and return that is no answer
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$code = <<<'PHP'
class Custom extends RpcException {}
class Careless extends RpcException { public function __construct() {} }
class Unprintable extends Exception { public function __toString(): string { throw new Exception('no text'); } }
$server = new Server(new ServerOptions(exposeErrors: (bool) (int) $argv[1], concurrency: (int) $argv[2]));
$throw = fn(callable $make) => function (string $in) use ($make): string { throw $make(); };
$handlers = [
    'Rpc' => $throw(fn() => new RpcException(StatusCode::NotFound, 'no käse ☃ %', [['type' => 'a.B', 'value' => "\0x"]], ['t' => ['1', '2'], 'u-bin' => "\xff"])),
    'Custom' => $throw(fn() => new Custom(StatusCode::Aborted, 'custom')),
    'Careless' => $throw(fn() => new Careless()),
    'Cancelled' => $throw(fn() => new CancelledException(StatusCode::Cancelled, 'mine')),
    'Exception' => $throw(fn() => new Exception('SECRET exception')),
    'Error' => $throw(fn() => new Error('SECRET error')),
    'Undefined' => function (string $in): string { return no_such_function(); },
    'TypeError' => function (string $in): string { return strlen([]); },
    'Previous' => $throw(fn() => new LogicException('SECRET outer', 1, new RuntimeException('SECRET inner'))),
    'Nul' => $throw(fn() => new Exception("SECRET \0 nul")),
    'Latin' => $throw(fn() => new Exception("SECRET \xff")),
    'Unprintable' => $throw(fn() => new Unprintable('SECRET unprintable')),
    'Null' => fn(string $in) => null,
    'Number' => fn(string $in) => 1,
    'NotAMessage' => fn(string $in) => new stdClass(),
    'NothingReturned' => function ($in) {},
    'Serialize' => fn(string $in) => new class { function serializeToString() { throw new Exception('SECRET serialize'); } function mergeFromString($s) {} },
    'Broken' => fn(Text $in): Text => $in,
];
foreach ($handlers as $name => $handler) $server->handle("/t.A/$name", $handler);
$streams = [
    'Middle' => function (string $in): iterable { yield 'one'; throw new Exception('SECRET middle'); },
    'MiddleRpc' => function (string $in): iterable { yield 'one'; yield 'two'; throw new RpcException(StatusCode::DataLoss, 'lost', trailers: ['t' => 'x']); },
    'First' => function (string $in): iterable { throw new Exception('SECRET first'); yield; },
    'NotIterable' => fn(string $in) => 'text',
    'BadMessage' => function (string $in): iterable { yield 'one'; yield 1; },
    'BadArray' => fn(string $in) => ['one', null],
    'Nested' => function (string $in): iterable { yield 'one'; yield from (function () { yield 'two'; throw new Exception('SECRET nested'); })(); },
    'Aggregate' => fn(string $in): IteratorAggregate => new class implements IteratorAggregate { function getIterator(): Iterator { throw new Exception('SECRET aggregate'); } },
    'Finally' => function (string $in): iterable { try { yield 'one'; throw new Exception('SECRET one'); } finally { throw new Exception('SECRET two'); } },
];
foreach ($streams as $name => $handler) $server->handle("/t.S/$name", $handler, MethodKind::ServerStream);
say(json_encode([array_keys($handlers), array_keys($streams)]));
serve($server);
PHP;
foreach ([256, 1] as $concurrency) {
    echo "--- concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: ['0', $concurrency], serves: false);
    [$unary, $streams] = json_decode($server->line());
    $channel = new Viaduct\Channel(json_decode($server->line())[0]);
    foreach ($unary as $name) {
        echo "$name: ";
        outcome(fn() => $channel->unary("/t.A/$name", 'broken'));
    }
    foreach ($streams as $name) {
        echo "$name:";
        outcome(function () use ($channel, $name) {
            foreach ($channel->serverStream("/t.S/$name", '') as $message) {
                echo " $message";
            }
            return '';
        });
    }
    try {
        $channel->unary('/t.A/Rpc', '');
    } catch (Viaduct\RpcException $e) {
        echo json_encode([bin2hex($e->details()[0]['value']), $e->details()[0]['type'], bin2hex($e->trailers()['u-bin'][0]), $e->trailers()['t']], JSON_UNESCAPED_SLASHES), "\n";
    }
    $channel->close();
    echo $server->stop(), "\n", $server->errors();
    // Everything is in the log with its trace, and what clients were told on purpose is not.
    preg_match_all('/^.*viaduct: the handler of (\S+) \((.*?)\) threw: (\S+): (.*?) in /m', $server->log(), $all, PREG_SET_ORDER);
    foreach ($all as [, $method, $place, $class, $message]) {
        echo "$method $class ", $message, preg_match('/script\.php:\d+$/', $place) ? '' : " PLACE $place", "\n";
    }
    echo substr_count($server->log(), 'Stack trace:') >= count($all) ? "traces\n" : "NO TRACES\n";
    echo str_contains($server->log(), 'SECRET inner') ? '' : "NO PREVIOUS\n", preg_match('/käse|custom|lost/', $server->log()) ? "NOISE\n" : '';
}
echo "--- exposeErrors\n";
$server = ServerProcess::start($code, arguments: ['1', '256'], serves: false);
[$unary, $streams] = json_decode($server->line());
$channel = new Viaduct\Channel(json_decode($server->line())[0]);
try {
    $channel->unary('/t.A/Previous', '');
} catch (Viaduct\RpcException $e) {
    echo $e->statusCode()->name, ' ', preg_match('/SECRET inner.*SECRET outer.*Stack trace/s', $e->getMessage()) ? 'everything' : $e->getMessage(), "\n";
}
foreach (['Nul', 'Latin', 'Unprintable'] as $name) {
    outcome(function () use ($channel, $name) {
        try {
            $channel->unary("/t.A/$name", '');
        } catch (Viaduct\RpcException $e) {
            return json_encode(substr($e->getMessage(), 0, 30), JSON_THROW_ON_ERROR | JSON_PARTIAL_OUTPUT_ON_ERROR);
        }
    });
}
echo $server->stop(), "\n";
?>
--EXPECT--
--- concurrency 256
Rpc: Viaduct\RpcException NotFound: no käse ☃ %
Custom: Viaduct\RpcException Aborted: custom
Careless: Viaduct\RpcException Unknown: 
Cancelled: Viaduct\CancelledException Cancelled: mine
Exception: Viaduct\RpcException Internal: internal error
Error: Viaduct\RpcException Internal: internal error
Undefined: Viaduct\RpcException Internal: internal error
TypeError: Viaduct\RpcException Internal: internal error
Previous: Viaduct\RpcException Internal: internal error
Nul: Viaduct\RpcException Internal: internal error
Latin: Viaduct\RpcException Internal: internal error
Unprintable: Viaduct\RpcException Internal: internal error
Null: Viaduct\RpcException Internal: internal error
Number: Viaduct\RpcException Internal: internal error
NotAMessage: Viaduct\RpcException Internal: internal error
NothingReturned: Viaduct\RpcException Internal: internal error
Serialize: Viaduct\RpcException Internal: internal error
Broken: Viaduct\RpcException Internal: the request does not parse as Text: Error occurred during parsing
Middle: oneViaduct\RpcException Internal: internal error
MiddleRpc: one twoViaduct\RpcException DataLoss: lost
First:Viaduct\RpcException Internal: internal error
NotIterable:Viaduct\RpcException Internal: internal error
BadMessage: oneViaduct\RpcException Internal: internal error
BadArray: oneViaduct\RpcException Internal: internal error
Nested: one twoViaduct\RpcException Internal: internal error
Aggregate:Viaduct\RpcException Internal: internal error
Finally: oneViaduct\RpcException Internal: internal error
["0078","type.googleapis.com/a.B","ff",["1","2"]]
0
/t.A/Exception Exception SECRET exception
/t.A/Error Error SECRET error
/t.A/Undefined Error Call to undefined function no_such_function()
/t.A/TypeError TypeError strlen(): Argument #1 ($string) must be of type string, array given
/t.A/Previous RuntimeException SECRET inner
/t.A/Nul Exception SECRET \0 nul
/t.A/Latin Exception SECRET �
/t.A/Null Viaduct\InvalidArgumentException the handler's return value is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/Number Viaduct\InvalidArgumentException the handler's return value is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/NotAMessage Viaduct\InvalidArgumentException the handler's return value is of type stdClass; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/NothingReturned Viaduct\InvalidArgumentException the handler's return value is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/Serialize Exception SECRET serialize
/t.S/Middle Exception SECRET middle
/t.S/First Exception SECRET first
/t.S/NotIterable Viaduct\InvalidArgumentException the handler returned a value of type string; expected an iterable of messages
/t.S/BadMessage Viaduct\InvalidArgumentException a message that the handler yields is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.S/BadArray Viaduct\InvalidArgumentException a message that the handler yields is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.S/Nested Exception SECRET nested
/t.S/Aggregate Exception SECRET aggregate
/t.S/Finally Exception SECRET one
traces
--- concurrency 1
Rpc: Viaduct\RpcException NotFound: no käse ☃ %
Custom: Viaduct\RpcException Aborted: custom
Careless: Viaduct\RpcException Unknown: 
Cancelled: Viaduct\CancelledException Cancelled: mine
Exception: Viaduct\RpcException Internal: internal error
Error: Viaduct\RpcException Internal: internal error
Undefined: Viaduct\RpcException Internal: internal error
TypeError: Viaduct\RpcException Internal: internal error
Previous: Viaduct\RpcException Internal: internal error
Nul: Viaduct\RpcException Internal: internal error
Latin: Viaduct\RpcException Internal: internal error
Unprintable: Viaduct\RpcException Internal: internal error
Null: Viaduct\RpcException Internal: internal error
Number: Viaduct\RpcException Internal: internal error
NotAMessage: Viaduct\RpcException Internal: internal error
NothingReturned: Viaduct\RpcException Internal: internal error
Serialize: Viaduct\RpcException Internal: internal error
Broken: Viaduct\RpcException Internal: the request does not parse as Text: Error occurred during parsing
Middle: oneViaduct\RpcException Internal: internal error
MiddleRpc: one twoViaduct\RpcException DataLoss: lost
First:Viaduct\RpcException Internal: internal error
NotIterable:Viaduct\RpcException Internal: internal error
BadMessage: oneViaduct\RpcException Internal: internal error
BadArray: oneViaduct\RpcException Internal: internal error
Nested: one twoViaduct\RpcException Internal: internal error
Aggregate:Viaduct\RpcException Internal: internal error
Finally: oneViaduct\RpcException Internal: internal error
["0078","type.googleapis.com/a.B","ff",["1","2"]]
0
/t.A/Exception Exception SECRET exception
/t.A/Error Error SECRET error
/t.A/Undefined Error Call to undefined function no_such_function()
/t.A/TypeError TypeError strlen(): Argument #1 ($string) must be of type string, array given
/t.A/Previous RuntimeException SECRET inner
/t.A/Nul Exception SECRET \0 nul
/t.A/Latin Exception SECRET �
/t.A/Null Viaduct\InvalidArgumentException the handler's return value is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/Number Viaduct\InvalidArgumentException the handler's return value is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/NotAMessage Viaduct\InvalidArgumentException the handler's return value is of type stdClass; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/NothingReturned Viaduct\InvalidArgumentException the handler's return value is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.A/Serialize Exception SECRET serialize
/t.S/Middle Exception SECRET middle
/t.S/First Exception SECRET first
/t.S/NotIterable Viaduct\InvalidArgumentException the handler returned a value of type string; expected an iterable of messages
/t.S/BadMessage Viaduct\InvalidArgumentException a message that the handler yields is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.S/BadArray Viaduct\InvalidArgumentException a message that the handler yields is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
/t.S/Nested Exception SECRET nested
/t.S/Aggregate Exception SECRET aggregate
/t.S/Finally Exception SECRET one
traces
--- exposeErrors
Internal everything
OK "Exception: SECRET \u0000 nul in \/tm"
OK "Exception: SECRET \ufffd in \/tmp\/"
OK "Unprintable: SECRET unprintabl"
0
