--TEST--
Details given as google/protobuf objects are packed
--EXTENSIONS--
grpc
ctype
--SKIPIF--
<?php if (!stream_resolve_include_path('Google/Protobuf/Any.php')) die('skip google/protobuf is not installed'); ?>
--FILE--
<?php
spl_autoload_register(function (string $class) {
    $file = stream_resolve_include_path(strtr($class, '\\', '/') . '.php');
    if ($file) {
        require $file;
    }
});
require __DIR__ . '/../support/refuse.php';

use Google\Protobuf\{Any, Duration, StringValue};
use Viaduct\{RpcException, StatusCode};

$any = new Any();
$any->pack((new StringValue())->setValue('b'));
$e = new RpcException(StatusCode::Internal, details: [(new Duration())->setSeconds(5), $any, ['type' => 'x.Y', 'value' => '']]);
foreach ($e->details() as $detail) {
    echo $detail['type'], ' ', bin2hex($detail['value']), "\n";
}
refuse(fn() => new RpcException(StatusCode::Internal, details: [new ArrayObject()]));
?>
--EXPECT--
type.googleapis.com/google.protobuf.Duration 0805
type.googleapis.com/google.protobuf.StringValue 0a0162
type.googleapis.com/x.Y 
Viaduct\InvalidArgumentException: details[0] is an object of ArrayObject, which is no google/protobuf message; expected array{type: string, value: string} or a google/protobuf object
