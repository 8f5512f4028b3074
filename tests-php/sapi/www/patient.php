<?php

// One call by the classes of Grpc\, on a channel from the pool whose calls wait for the backend to be there.

require __DIR__ . '/lib.php';

[$message, $code, $details] = call('x', args: [
    'grpc.service_config' => '{"methodConfig": [{"name": [{}], "waitForReady": true}]}',
]);
$good = $code === Grpc\STATUS_OK && str_starts_with((string) $message, getmypid() . ' x ');
answer($good, $good ? $message : "$code $details");
