--TEST--
Metadata: to the core and back
--EXTENSIONS--
grpc
--FILE--
<?php
use function ViaductProbe\metadata;

var_dump(metadata([]));
$value = 'b';
$out = metadata([
    'X-Tenant' => 'a',
    'list' => ['1', '2', '3'],
    'raw-bin' => "\0\xff",
    'raws-bin' => ['', 'x'],
    '123' => 'number',
    'none' => [],
    'ref' => &$value,
    'refs' => [&$value],
]);
ksort($out, SORT_STRING);
foreach ($out as $key => $values) {
    echo var_export($key, true), ': ', implode(', ', array_map(fn($v) => preg_match('/^[ -~]*$/', $v) ? $v : '0x' . bin2hex($v), $values)),
        array_is_list($values) ? '' : ' NO LIST', "\n";
}
?>
--EXPECT--
array(0) {
}
123: number
'list': 1, 2, 3
'raw-bin': 0x00ff
'raws-bin': , x
'ref': b
'refs': b
'x-tenant': a
