--TEST--
The enums cannot be made, copied or extended
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Viaduct\{Compression, StatusCode};

refuse(fn() => StatusCode::from(17));
refuse(fn() => StatusCode::from(-1));
refuse(fn() => new Compression());
refuse(fn() => clone StatusCode::Ok);
$ok = StatusCode::Ok;
refuse(fn() => $ok->value = 1);
refuse(fn() => (new ReflectionClass(StatusCode::class))->newInstanceWithoutConstructor());
eval('class Mine extends Viaduct\StatusCode {}');
?>
--EXPECTF--
ValueError: 17 is not a valid backing value for enum %SViaduct\StatusCode%S
ValueError: -1 is not a valid backing value for enum %SViaduct\StatusCode%S
Error: Cannot instantiate enum Viaduct\Compression
Error: Trying to clone an uncloneable object of class Viaduct\StatusCode
Error: Cannot modify readonly property Viaduct\StatusCode::$value
Error: Cannot instantiate enum Viaduct\StatusCode

Fatal error: Class Mine %s Viaduct\StatusCode%a
