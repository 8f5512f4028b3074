--TEST--
Status: cannot be made, changed or copied by PHP
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Viaduct\{RpcException, Status, StatusCode};

$status = ViaductProbe\status(new RpcException(StatusCode::NotFound));
refuse(fn() => new Status());
refuse(fn() => $status->code = StatusCode::Ok);
refuse(fn() => $status->details[] = []);
refuse(function () use ($status) { unset($status->message); });
refuse(fn() => $status->isOk(1));
refuseCopies($status);
refuse(fn() => (new ReflectionClass(Status::class))->newInstanceWithoutConstructor());
refuse(fn() => (new ReflectionMethod(Status::class, '__construct'))->invoke($status));
?>
--EXPECT--
Error: Call to private Viaduct\Status::__construct() from global scope
Error: Cannot modify readonly property Viaduct\Status::$code
Error: Cannot modify readonly property Viaduct\Status::$details
Error: Cannot unset readonly property Viaduct\Status::$message
ArgumentCountError: Viaduct\Status::isOk() expects exactly 0 arguments, 1 given
Error: Trying to clone an uncloneable object of class Viaduct\Status
Exception: Serialization of 'Viaduct\Status' is not allowed
Exception: Unserialization of 'Viaduct\Status' is not allowed
Error: Cannot create dynamic property Viaduct\Status::$anything
ReflectionException: Class Viaduct\Status is an internal class marked as final that cannot be instantiated without invoking its constructor
Error: objects of Viaduct\Status are made by the extension
