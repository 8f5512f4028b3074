--TEST--
The classes and functions are those of the stubs, in both directions
--EXTENSIONS--
grpc
--INI--
pcre.jit=0
--FILE--
<?php
require __DIR__ . '/../support/stubs.php';

// What is still to be written. This list only ever gets shorter.
$pending = [
    'Viaduct\Channel',
    'Viaduct\UnaryCall',
    'Viaduct\ServerStream',
    'Viaduct\ClientStream',
    'Viaduct\BidiStream',
    'Viaduct\Server',
    'Viaduct\Context',
    'Viaduct\RequestStream',
    'Viaduct\Task',
    'Viaduct\await()',
    'Viaduct\async()',
    'Viaduct\delay()',
];

foreach (compareWithStubs(__DIR__ . '/../../php-ext/stubs', $pending) as $difference) {
    echo $difference, "\n";
}
?>
DONE
--EXPECT--
DONE
