--TEST--
Arguments are converted as PHP's own functions convert them
--EXTENSIONS--
grpc
--FILE--
<?php
use function ViaductProbe\{numbered, scalars, variadic};

class Texty { public function __toString(): string { return 'texty'; } }

echo scalars(1), "\n";
echo scalars('2', '1.25', 3, 0), "\n";
echo scalars(3.0, 4, new Texty(), 'yes'), "\n";
echo scalars(true, false, 1.5, ''), "\n";
echo scalars(1, bool: true), "\n";
echo scalars(string: 'x', int: 4), "\n";
echo scalars(...[5, 'string' => 'y']), "\n";
echo call_user_func_array('ViaductProbe\scalars', ['int' => 6, 'bool' => null]), "\n";
$n = 7;
$list = [&$n];
echo scalars(...$list), ' ', scalars(...)($n), ' ', call_user_func_array('ViaductProbe\scalars', $list), "\n";
echo scalars(8.5), "\n";
echo scalars(null), "\n";
echo variadic('strlen'), ', ', variadic('strlen', 1, 2), ', ', variadic(fn() => 1, 1, a: 2, b: 3), ', ', numbered(1, 2, 3), "\n";
?>
--EXPECTF--
1 0.5 s None
2 1.25 3 Some(false)
3 4 texty Some(true)
1 0 1.5 Some(false)
1 0.5 s Some(true)
4 0.5 x None
5 0.5 y None
6 0.5 s None
7 0.5 s None 7 0.5 s None 7 0.5 s None

Deprecated: Implicit conversion from float 8.5 to int loses precision in %s on line 17
8 0.5 s None

Deprecated: ViaductProbe\scalars(): Passing null to parameter #1 ($int) of type int is deprecated in %s on line 18
0 0.5 s None
1 0, 3 0, 2 2, 3
