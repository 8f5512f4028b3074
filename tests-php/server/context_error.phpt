--TEST--
Server: the context used out of turn or with what is not legal
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/refuse.php';

refuse(fn() => new Viaduct\Context());
refuse(fn() => (new ReflectionClass(Viaduct\Context::class))->newInstanceWithoutConstructor());
refuse(fn() => new Viaduct\RequestStream());
$server = ServerProcess::start(<<<'PHP'
require dirname((new ReflectionFunction('say'))->getFileName()) . '/refuse.php';
function said(callable ...$all): string { ob_start(); array_map('refuse', $all); return ob_get_clean(); }
$server->handle('/ctx.A/Twice', function (string $in, Context $c): string {
    return said(
        fn() => $c->sendHeaders(['a' => 'b']),
        fn() => $c->sendHeaders(['a' => 'b']),
    );
});
$server->handle('/ctx.A/Late', function (string $in, Context $c): iterable {
    yield 'first';
    yield said(fn() => $c->sendHeaders(['a' => 'b']));
});
$server->handle('/ctx.A/Illegal', function (string $in, Context $c): string {
    return said(
        fn() => $c->sendHeaders(['A b' => 'c']),
        fn() => $c->sendHeaders(['a' => "b\n"]),
        fn() => $c->sendHeaders(['grpc-status' => '0']),
        fn() => $c->sendHeaders(['a' => 1]),
        fn() => $c->sendHeaders([1 => 'a']),
        fn() => $c->sendHeaders('a'),
        fn() => $c->setTrailers(['grpc-message' => 'x']),
        fn() => $c->setTrailers([':path' => 'x']),
        fn() => $c->setTrailers(['a' => [[]]]),
    );
});
$server->handle('/ctx.A/Copies', function (string $in, Context $c): string { ob_start(); refuseCopies($c); return ob_get_clean(); });
$server->handle('/ctx.A/StreamCopies', function (RequestStream $in): string { ob_start(); refuseCopies($in); return ob_get_clean(); });
$server->handle('/ctx.A/Rewind', function (RequestStream $in): string { $in->next(); return said(fn() => $in->rewind(), fn() => iterator_to_array($in)); });
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
echo $channel->unary('/ctx.A/Twice', '');
echo implode("\n", iterator_to_array($channel->serverStream('/ctx.A/Late', '')));
echo $channel->unary('/ctx.A/Illegal', '');
echo $channel->unary('/ctx.A/Copies', '');
$up = $channel->clientStream('/ctx.A/StreamCopies');
echo $up->finish();
$up = $channel->clientStream('/ctx.A/Rewind');
$up->send('a');
$up->send('b');
echo $up->finish();
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
Error: Call to private Viaduct\Context::__construct() from global scope
ReflectionException: Class Viaduct\Context is an internal class marked as final that cannot be instantiated without invoking its constructor
Error: Call to private Viaduct\RequestStream::__construct() from global scope
NOT REFUSED: null
Viaduct\LogicException: the headers of this call have been sent already
first
Viaduct\LogicException: the headers of this call have been sent already
Viaduct\InvalidArgumentException: metadata key "A b" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata value of "a" has the byte 0x0a; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: metadata key "grpc-status" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata: the value of "a" is of type int; expected a string or a list of strings
NOT REFUSED: null
TypeError: Viaduct\Context::sendHeaders(): Argument #1 ($metadata) must be of type array, string given
Viaduct\InvalidArgumentException: metadata key "grpc-message" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata key ":path" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata: an element of "a" is of type array; expected a string or a list of strings
Error: Trying to clone an uncloneable object of class Viaduct\Context
Exception: Serialization of 'Viaduct\Context' is not allowed
Exception: Unserialization of 'Viaduct\Context' is not allowed
Error: Cannot create dynamic property Viaduct\Context::$anything
Error: Trying to clone an uncloneable object of class Viaduct\RequestStream
Exception: Serialization of 'Viaduct\RequestStream' is not allowed
Exception: Unserialization of 'Viaduct\RequestStream' is not allowed
Error: Cannot create dynamic property Viaduct\RequestStream::$anything
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
0
