--TEST--
The classes and functions are those of the stubs, in both directions
--EXTENSIONS--
grpc
--INI--
pcre.jit=0
--FILE--
<?php
require __DIR__ . '/../support/stubs.php';

foreach (['Viaduct' => '', 'Grpc' => '/grpc'] as $namespace => $directory) {
    foreach (compareWithStubs(__DIR__ . "/../../php-ext/stubs$directory", $namespace) as $difference) {
        echo $difference, "\n";
    }
}
?>
DONE
--EXPECT--
DONE
