--TEST--
Metadata: what is not legal is named
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use function ViaductProbe\metadata;

refuse(fn() => metadata(['' => 'x']));
refuse(fn() => metadata(["a\0b" => 'x']));
refuse(fn() => metadata([':path' => 'x']));
refuse(fn() => metadata(['user-agent' => 'x']));
refuse(fn() => metadata(['a' => "caf\xe9"]));
refuse(fn() => metadata(['a' => 1]));
refuse(fn() => metadata([7 => new ArrayObject()]));
refuse(fn() => metadata(['a' => [['x']]]));
refuse(fn() => metadata(['a' => array_fill(0, 5000, 'x')]));
refuse(fn() => metadata('a'));
?>
--EXPECT--
Viaduct\InvalidArgumentException: metadata key "" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key "a\0b" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key ":path" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key "user-agent" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata value of "a" has the byte 0xe9; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: metadata: the value of "a" is of type int; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata: the value of "7" is of type ArrayObject; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata: an element of "a" is of type array; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata has more than 4096 values
TypeError: ViaductProbe\metadata(): Argument #1 ($metadata) must be of type array, string given
