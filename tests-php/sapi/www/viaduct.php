<?php

// One call by the classes of Viaduct\, on a channel that waits for the backend to be there.

require __DIR__ . '/lib.php';

try {
    $options = new Viaduct\ChannelOptions(waitForReady: true);
    $channel = new Viaduct\Channel('http://' . getenv('BACKEND'), options: $options);
    $message = $channel->unary('/sapi.Backend/Echo', getmypid() . ' x', timeout: 60);
    answer(str_starts_with($message, getmypid() . ' x '), $message);
} catch (Viaduct\RpcException $e) {
    answer(false, "{$e->statusCode()->name} {$e->getMessage()}");
}
