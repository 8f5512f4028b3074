--TEST--
A panic becomes an Error, and PHP goes on
--EXTENSIONS--
grpc
--FILE--
<?php
try {
    ViaductProbe\fail('panic');
} catch (Error $e) {
    echo $e->getMessage(), "\n";
}
try {
    ViaductProbe\fail();
} catch (Error $e) {
    echo $e->getMessage(), "\n";
}
echo "DONE\n";
?>
--EXPECTF--
%Ainternal error in the extension grpc (please report it): on purpose
ViaductProbe\fail() expects exactly 1 argument, 0 given
DONE
