--TEST--
Messages: strings and google/protobuf objects, in one piece and in many
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/messages.php';

use function ViaductProbe\{decode, payload};

var_dump(bin2hex(payload("\0raw")), payload(''), payload(new Text('hello')), payload(new class { function serializeToString() { return 'duck'; } }));
foreach ([0, 1, 2, 7, 8, 9, 23, 24, 100_000] as $length) {
    $bytes = $length ? random_bytes($length) : '';
    foreach ([1 << 20, 5, 16_384] as $cut) {
        if (decode($bytes, null, $cut) !== $bytes) {
            echo "WRONG at $length cut in $cut\n";
        }
    }
    if (decode($bytes, Text::class, 11)->text !== $bytes) {
        echo "WRONG at $length as an object\n";
    }
}
$string = decode('abcdefgh', null, 3);
var_dump($string, md5($string) === md5('abcdefgh'), ["abcdefgh" => 1][$string]);
$string[0] = 'X';
$string .= 'more';
var_dump($string);

$object = decode('text', '\\text');
var_dump($object, $object->constructed);
spl_autoload_register(function (string $class) {
    echo "loading $class\n";
    eval('final class Late extends Text {}');
});
var_dump(decode('x', 'Late')::class);
?>
--EXPECTF--
string(8) "00726177"
string(0) ""
string(5) "hello"
string(4) "duck"
string(8) "abcdefgh"
bool(true)
int(1)
string(12) "Xbcdefghmore"
object(Text)#1 (2) {
  ["constructed"]=>
  bool(true)
  ["text"]=>
  string(4) "text"
}
bool(true)
loading Late
string(4) "Late"
