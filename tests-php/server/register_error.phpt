--TEST--
Server::register(): what cannot be registered
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Viaduct\Server;

interface Named { const NAME = 'a.B'; public function one(string $in): string; }
interface Nameless { public function one(string $in): string; }
interface NumberNamed { const NAME = 1; public function one(string $in): string; }
interface BadlyNamed { const NAME = 'a/B'; public function one(string $in): string; }
interface Mistaken { const NAME = 'a.M'; public function one(int $in): string; }
class Named1 implements Named { public function one(string $in): string { return $in; } }
class Nameless1 implements Nameless { public function one(string $in): string { return $in; } }
class NumberNamed1 implements NumberNamed { public function one(string $in): string { return $in; } }
class BadlyNamed1 implements BadlyNamed { public function one(string $in): string { return $in; } }
class Mistaken1 implements Mistaken { public function one(int $in): string { return ''; } }
class Nothing { private function one(string $in): string { return $in; } }
class Doubled { public function one(string $in): string { return $in; } public function One2(string $in): string { return $in; } }

$server = new Server();
refuse(fn() => $server->register(Named::class, new Nameless1()));
refuse(fn() => $server->register(Nameless::class, new Nameless1()));
refuse(fn() => $server->register(NumberNamed::class, new NumberNamed1()));
refuse(fn() => $server->register(BadlyNamed::class, new BadlyNamed1()));
refuse(fn() => $server->register(Mistaken::class, new Mistaken1()));
refuse(fn() => $server->register('No\Such', new Named1()));
refuse(fn() => $server->register('', new Named1()));
refuse(fn() => $server->register("a.B\0", new Named1()));
refuse(fn() => $server->register('a.B', new Nothing()));
refuse(fn() => $server->register('a.B', 'Named1'));
refuse(fn() => $server->register('a.B'));
$server->register(Named::class, new Named1());
refuse(fn() => $server->register(Named::class, new Named1()));
refuse(fn() => $server->register('a.B', new Named1()));
refuse(fn() => $server->handle('/a.B/One', fn(string $in): string => $in));
?>
--EXPECTF--
Viaduct\InvalidArgumentException: Nameless1 does not implement Named
Viaduct\InvalidArgumentException: the interface Nameless has no constant NAME with the service's name ("package.Service")
Viaduct\InvalidArgumentException: the interface NumberNamed has no constant NAME with the service's name ("package.Service")
Viaduct\InvalidArgumentException: "/a/B/Method" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: the handler of /a.M/One (%s/register_error.php:15): parameter $in is of type int; expected string, a google/protobuf class, Viaduct\RequestStream or Viaduct\Context
Viaduct\InvalidArgumentException: "No\\Such" is neither an interface that can be loaded nor a service's name; expected "package.Service" or an interface with a constant NAME
Viaduct\InvalidArgumentException: "//Method" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a.B\0/Method" is not a method: it has the byte 0x00; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: Nothing has no public method that could be a handler of a.B; expected some whose first parameter is a google/protobuf class or Viaduct\RequestStream (others are for handle(), or for an interface with a constant NAME)
TypeError: Viaduct\Server::register(): Argument #2 ($implementation) must be of type object, string given
ArgumentCountError: Viaduct\Server::register() expects exactly 2 arguments, 1 given
Viaduct\InvalidArgumentException: the handler of /a.B/One (%s/register_error.php:11): the method has a handler already (%s/register_error.php:11); expected each path once
Viaduct\InvalidArgumentException: Named1 has no public method that could be a handler of a.B; expected some whose first parameter is a google/protobuf class or Viaduct\RequestStream (others are for handle(), or for an interface with a constant NAME)
Viaduct\InvalidArgumentException: the handler of /a.B/One (%s/register_error.php:34): the method has a handler already (%s/register_error.php:11); expected each path once
