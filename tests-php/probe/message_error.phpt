--TEST--
Messages: what is none; classes that cannot be used; payloads that do not parse
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';
require __DIR__ . '/../support/messages.php';

use function ViaductProbe\{decode, payload};

abstract class Half extends Text {}
class Hidden extends Text { private function __construct() {} }
class Needy extends Text { public function __construct(int $n) {} }
class Odd { public function serializeToString() { return 1; } protected function mergeFromString($x) {} }
class Wild { public function serializeToString() { throw new DomainException('no'); } public function mergeFromString($x) { nothing(); } }

refuse(fn() => payload(1));
refuse(fn() => payload(null));
refuse(fn() => payload(['a']));
refuse(fn() => payload(new stdClass()));
refuse(fn() => payload(new Odd()));
refuse(fn() => payload(new Wild()));
echo "-- classes\n";
refuse(fn() => decode('x', 'No\Such'));
refuse(fn() => decode('x', ''));
refuse(fn() => decode('x', stdClass::class));
refuse(fn() => decode('x', Odd::class));
refuse(fn() => decode('x', Half::class));
refuse(fn() => decode('x', Hidden::class));
refuse(fn() => decode('x', Countable::class));
refuse(fn() => decode('x', Viaduct\StatusCode::class));
refuse(fn() => decode('x', Needy::class));
refuse(fn() => decode('x', Wild::class));
spl_autoload_register(function (string $class) { throw new DomainException("cannot load $class"); });
refuse(fn() => decode('x', 'Lost'));
echo "-- payloads\n";
try {
    decode('broken', Text::class);
} catch (Viaduct\RpcException $e) {
    echo $e->statusCode()->name, ': ', $e->getMessage(), ' (', $e->getPrevious()::class, ': ', $e->getPrevious()->getMessage(), ") ",
        basename($e->getFile()), ':', $e->getLine(), "\n";
}
class Leaver extends Text { public function mergeFromString(string $bytes): void { exit("left\n"); } }
register_shutdown_function(fn() => print("shut down\n"));
try {
    decode('x', Leaver::class);
} finally {
    echo "NOT REACHED\n";
}
?>
--EXPECT--
Viaduct\InvalidArgumentException: message is of type int; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: message is of type null; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: message is of type array; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: message is of type stdClass; expected a string (the payload as it is) or a google/protobuf object (with a method serializeToString)
Viaduct\InvalidArgumentException: Odd::serializeToString() returned a value of type int; expected a string
DomainException: no
-- classes
Viaduct\InvalidArgumentException: class is "No\Such", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "stdClass", which has no method mergeFromString; expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "Odd", which has no method mergeFromString; expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "Half", which cannot be instantiated; expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "Hidden", which cannot be instantiated; expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "Countable", which has no method mergeFromString; expected a google/protobuf class
Viaduct\InvalidArgumentException: class is "Viaduct\StatusCode", which has no method mergeFromString; expected a google/protobuf class
ArgumentCountError: Too few arguments to function Needy::__construct(), 0 passed and exactly 1 expected
Error: Call to undefined function nothing()
DomainException: cannot load Lost
-- payloads
Internal: the response does not parse as Text: Error occurred during parsing (Exception: Error occurred during parsing) message_error.php:34
left
shut down
