--TEST--
The exceptions: what cannot be a code, a detail, a trailer
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Viaduct\{CancelledException, RpcException, StatusCode};

$with = fn(mixed ...$details) => fn() => new RpcException(StatusCode::Internal, details: $details);
$trailers = fn(array $trailers) => fn() => new RpcException(StatusCode::Internal, trailers: $trailers);

refuse(fn() => new RpcException());
refuse(fn() => new RpcException(5));
refuse(fn() => new RpcException(StatusCode::Ok));
refuse(fn() => new CancelledException(StatusCode::Ok));
refuse(fn() => new RpcException(StatusCode::Internal, []));
refuse(fn() => new RpcException(StatusCode::Internal, previous: new stdClass()));
echo "-- details\n";
refuse($with(1));
refuse($with(['type' => 'a', 'value' => 'b'], 'text'));
refuse($with(['type' => 'a']));
refuse($with(['type' => 'a', 'value' => 1]));
refuse($with(['type' => '', 'value' => 'a']));
refuse($with(new stdClass()));
echo "-- trailers\n";
refuse($trailers(['a b' => 'x']));
refuse($trailers(['grpc-status' => '1']));
refuse($trailers(['a' => "x\n"]));
refuse($trailers(['a' => 1]));
refuse($trailers(['a' => ['x', null]]));
refuse($trailers(["\xff" => 'x']));
refuse(fn() => clone new RpcException(StatusCode::Internal));

// A failed constructor leaves nothing behind that breaks.
$object = (new ReflectionClass(RpcException::class))->newInstanceWithoutConstructor();
var_dump($object->statusCode());
// Nor does a forged one.
$forged = unserialize(str_replace('"bbbb"', '"c   "', serialize(new RpcException(StatusCode::Aborted, trailers: ['bbbb' => 'x']))));
var_dump($forged->trailers());
?>
--EXPECT--
ArgumentCountError: Viaduct\RpcException::__construct() expects at least 1 argument, 0 given
TypeError: Viaduct\RpcException::__construct(): Argument #1 ($code) must be of type Viaduct\StatusCode, int given
Viaduct\InvalidArgumentException: code is StatusCode::Ok; expected one that is not Ok
Viaduct\InvalidArgumentException: code is StatusCode::Ok; expected one that is not Ok
TypeError: Viaduct\RpcException::__construct(): Argument #2 ($message) must be of type string, array given
TypeError: Viaduct\RpcException::__construct(): Argument #5 ($previous) must be of type ?Throwable, stdClass given
-- details
Viaduct\InvalidArgumentException: details[0] is int; expected array{type: string, value: string} or a google/protobuf object
Viaduct\InvalidArgumentException: details[1] is string; expected array{type: string, value: string} or a google/protobuf object
Viaduct\InvalidArgumentException: details[0] is an array of another shape; expected array{type: string, value: string} or a google/protobuf object
Viaduct\InvalidArgumentException: details[0] is an array of another shape; expected array{type: string, value: string} or a google/protobuf object
Viaduct\InvalidArgumentException: details[0] has an empty type; expected the name or URL of a message's type
Viaduct\InvalidArgumentException: details[0] is an object of stdClass, which is no google/protobuf message; expected array{type: string, value: string} or a google/protobuf object
-- trailers
Viaduct\InvalidArgumentException: trailers: metadata key "a b" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: trailers: metadata key "grpc-status" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: trailers: metadata value of "a" has the byte 0x0a; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: trailers: the value of "a" is of type int; expected a string or a list of strings
Viaduct\InvalidArgumentException: trailers: an element of "a" is of type null; expected a string or a list of strings
Viaduct\InvalidArgumentException: trailers: metadata key "�" is not legal; expected one or more of 0-9 a-z _ - .
Error: Trying to clone an uncloneable object of class Viaduct\RpcException
enum(Viaduct\StatusCode::Unknown)
array(1) {
  ["c   "]=>
  array(1) {
    [0]=>
    string(1) "x"
  }
}
