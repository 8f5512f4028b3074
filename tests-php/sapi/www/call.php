<?php

// One call by the classes of Grpc\, on a channel from the pool.

require __DIR__ . '/lib.php';

[$message, $code, $details] = call('x');
$good = $code === Grpc\STATUS_OK && str_starts_with((string) $message, getmypid() . ' x ');
answer($good, $good ? $message : "$code $details");
