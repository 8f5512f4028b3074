--TEST--
Server: signatures that cannot be a handler's are refused, with file, line and what was expected
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';
require __DIR__ . '/../support/messages.php';

use Viaduct\{Context, MethodKind, RequestStream, Server};

class NoMessage {}
class Half { private function hidden(string $in): string { return $in; } }
abstract class Abstraction { abstract public function one(string $in): string; }

$server = new Server();
$bad = [
    'int parameter' => [fn(int $in): string => ''],
    'array parameter' => [fn(array $in): string => ''],
    'class that is no message' => [fn(NoMessage $in): string => ''],
    'class that is not there' => [fn(No\Such $in): string => ''],
    'union parameter' => [fn(string|int $in): string => ''],
    'intersection parameter' => [fn(Countable&Traversable $in): string => ''],
    'int returned' => [fn(string $in): int => 1],
    'void returned' => [function (string $in): void {}],
    'never returned' => [function (string $in): never { exit; }],
    'array returned, no kind' => [fn(string $in): array => []],
    'context returned' => [fn(string $in): Context => null],
    'stream returned' => [fn(string $in): RequestStream => null],
    'class returned that is no message' => [fn(string $in): NoMessage => new NoMessage()],
    'three parameters' => [fn(string $in, Context $c, string $more): string => ''],
    'two requests' => [fn(string $in, string $more): string => ''],
    'two contexts' => [fn(Context $a, Context $b, string $in): string => ''],
    'two streams' => [fn(RequestStream $a, RequestStream $b): string => ''],
    'stream and request' => [fn(RequestStream $a, string $b): string => ''],
    'stream, but unary' => [fn(RequestStream $in): string => '', MethodKind::Unary],
    'stream, but server stream' => [fn(RequestStream $in): iterable => [], MethodKind::ServerStream],
    'iterable, but unary' => [fn(iterable $in): string => '', MethodKind::Unary],
    'request, but client stream' => [fn(string $in): string => '', MethodKind::ClientStream],
    'message, but bidi' => [fn(Text $in): iterable => [], MethodKind::Bidi],
    'generator, but unary' => [function (string $in): iterable { yield $in; }, MethodKind::Unary],
    'builtin' => ['intdiv'],
    'builtin without a message' => ['strlen'],
];
foreach ($bad as $name => $arguments) {
    echo "$name\n    ";
    refuse(fn() => $server->handle('/a.B/C', ...$arguments));
}
echo "these are no callables at all\n";
foreach (['no_such_function', ['Half', 'hidden'], [new Half(), 'none'], ['Abstraction', 'one'], 1, null, new stdClass()] as $callable) {
    echo '    ';
    refuse(fn() => $server->handle('/a.B/C', $callable));
}
echo "paths\n";
foreach (['', 'a.B/C', '/a.B', '/a.B/', '//C', '/a.B/C/D', "/a.B/C\0", '/a b/C', "/a.B/\xff", '/a.B/C?x'] as $path) {
    echo '    ';
    refuse(fn() => $server->handle($path, fn($in) => $in));
}
echo "a second handler\n    ";
$server->handle('/d.E/F', fn(string $in): string => $in);
refuse(fn() => $server->handle('/d.E/F', fn(string $in): string => $in));
?>
--EXPECTF--
int parameter
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:13): parameter $in is of type int; expected string, a google/protobuf class, Viaduct\RequestStream or Viaduct\Context
array parameter
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:14): parameter $in is of type array; expected string, a google/protobuf class, Viaduct\RequestStream or Viaduct\Context
class that is no message
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:15): parameter $in is of type NoMessage; expected string, a google/protobuf class, Viaduct\RequestStream or Viaduct\Context
class that is not there
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:16): parameter $in is of type No\Such, a class that cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php)
union parameter
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:17): parameter $in is of type string|int; expected string, a google/protobuf class, Viaduct\RequestStream or Viaduct\Context
intersection parameter
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:18): parameter $in is of type Countable&Traversable; expected string, a google/protobuf class, Viaduct\RequestStream or Viaduct\Context
int returned
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:19): its return type is int; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
void returned
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:20): its return type is void; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
never returned
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:21): its return type is never; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
array returned, no kind
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:22): its return type is array; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
context returned
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:23): its return type is not that of a handler; expected a message or an iterable
stream returned
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:24): its return type is not that of a handler; expected a message or an iterable
class returned that is no message
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:25): its return type is NoMessage; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
three parameters
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:26): parameter $more is one too many; expected a request and at most a Viaduct\Context
two requests
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:27): parameter $more is one too many; expected a request and at most a Viaduct\Context
two contexts
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:28): expected one request and at most one Viaduct\Context
two streams
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:29): parameter $b is one too many; expected a request and at most a Viaduct\Context
stream and request
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:30): parameter $b is one too many; expected a request and at most a Viaduct\Context
stream, but unary
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:31): parameter $in is a stream of requests, but the kind has one request
stream, but server stream
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:32): parameter $in is a stream of requests, but the kind has one request
iterable, but unary
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:33): parameter $in is a stream of requests, but the kind has one request
request, but client stream
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:34): parameter $in is one request; expected Viaduct\RequestStream for this kind
message, but bidi
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:35): parameter $in is one request; expected Viaduct\RequestStream for this kind
generator, but unary
    Viaduct\InvalidArgumentException: the handler of /a.B/C (%s/kinds_error.php:36): it is a generator (it has yield), and the kind has one response; expected it to return the response, or MethodKind::ServerStream or MethodKind::Bidi
builtin
    Viaduct\InvalidArgumentException: the handler of /a.B/C (the function intdiv of PHP's): its return type is int; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
builtin without a message
    Viaduct\InvalidArgumentException: the handler of /a.B/C (the function strlen of PHP's): its return type is int; expected string or a google/protobuf class (one response), or iterable (many); where the type cannot say it, pass a MethodKind
these are no callables at all
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, string given
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, array given
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, array given
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, array given
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, int given
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, null given
    TypeError: Viaduct\Server::handle(): Argument #2 ($handler) must be a valid callback, stdClass given
paths
    Viaduct\InvalidArgumentException: "" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "a.B/C" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a.B" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a.B/" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "//C" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a.B/C/D" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a.B/C\0" is not a method: it has the byte 0x00; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a b/C" is not a method: it has the byte 0x20; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a.B/�" is not a method: it has the byte 0xef; expected "/package.Service/Method"
    Viaduct\InvalidArgumentException: "/a.B/C?x" is not a method: it has the byte 0x3f; expected "/package.Service/Method"
a second handler
    Viaduct\InvalidArgumentException: the handler of /d.E/F (%s/kinds_error.php:56): the method has a handler already (%s/kinds_error.php:55); expected each path once
