--TEST--
Arguments are refused as PHP's own functions refuse them
--EXTENSIONS--
grpc
--FILE--
<?php
declare(strict_types=1);

require __DIR__ . '/../support/refuse.php';

use function ViaductProbe\{numbered, scalars, variadic};

refuse(fn() => scalars());
refuse(fn() => scalars(1, 1.0, 's', true, 5));
refuse(fn() => scalars('1'));
refuse(fn() => scalars(1, '1'));
refuse(fn() => scalars(1, 2, 3));
refuse(fn() => scalars(1, 2.5, 's', 0));
refuse(fn() => scalars(null));
refuse(fn() => scalars(int: []));
refuse(fn() => scalars(float: 1.0));
refuse(fn() => scalars(1, int: 2));
refuse(fn() => variadic('no such function'));
refuse(fn() => variadic());
refuse(fn() => numbered(1, a: 2));
echo scalars(1, 2), "\n";
?>
--EXPECT--
ArgumentCountError: ViaductProbe\scalars() expects at least 1 argument, 0 given
ArgumentCountError: ViaductProbe\scalars() expects at most 4 arguments, 5 given
TypeError: ViaductProbe\scalars(): Argument #1 ($int) must be of type int, string given
TypeError: ViaductProbe\scalars(): Argument #2 ($float) must be of type float, string given
TypeError: ViaductProbe\scalars(): Argument #3 ($string) must be of type string, int given
TypeError: ViaductProbe\scalars(): Argument #4 ($bool) must be of type ?bool, int given
TypeError: ViaductProbe\scalars(): Argument #1 ($int) must be of type int, null given
TypeError: ViaductProbe\scalars(): Argument #1 ($int) must be of type int, array given
ArgumentCountError: ViaductProbe\scalars(): Argument #1 ($int) not passed
Error: Named parameter $int overwrites previous argument
TypeError: ViaductProbe\variadic(): Argument #1 ($function) must be a valid callback, string given
ArgumentCountError: ViaductProbe\variadic() expects at least 1 argument, 0 given
ArgumentCountError: ViaductProbe\numbered() does not accept unknown named parameters
1 2 s None
