<?php

// Calls greeter.Greeter, see greeter.proto: once by each kind of method.
//
//     php -d extension=grpc.so greeter-client.php [target]

// In your project: require 'vendor/autoload.php';
require __DIR__ . '/../../tests-php/support/autoload.php';

use Greeter\HelloReply;
use Greeter\HelloRequest;
use Viaduct\Channel;
use Viaduct\RpcException;

use function Viaduct\await;

function hello(string $name): HelloRequest
{
    return new HelloRequest(['name' => $name]);
}

$channel = new Channel($argv[1] ?? 'http://127.0.0.1:50051');

// One request, one reply.
$reply = $channel->unary('/greeter.Greeter/SayHello', hello('Ada'), HelloReply::class, timeout: 1.0);
echo "SayHello: {$reply->getMessage()}\n";

// A call that does not end Ok is an exception.
try {
    $channel->unary('/greeter.Greeter/SayHello', hello(''), HelloReply::class);
} catch (RpcException $exception) {
    echo "SayHello to nobody: {$exception->statusCode()->name}: {$exception->getMessage()}\n";
}

// Two calls at once.
$replies = await(
    $channel->start('/greeter.Greeter/SayHello', hello('Grace'), HelloReply::class),
    $channel->start('/greeter.Greeter/SayHello', hello('Alan'), HelloReply::class),
);
foreach ($replies as $reply) {
    echo "SayHello, two at once: {$reply->getMessage()}\n";
}

// One request, many replies.
foreach ($channel->serverStream('/greeter.Greeter/LotsOfReplies', hello('Ada'), HelloReply::class) as $reply) {
    echo "LotsOfReplies: {$reply->getMessage()}\n";
}

// Many requests, one reply.
$call = $channel->clientStream('/greeter.Greeter/LotsOfGreetings', HelloReply::class);
foreach (['Ada', 'Grace', 'Alan'] as $name) {
    $call->send(hello($name));
}
echo "LotsOfGreetings: {$call->finish()->getMessage()}\n";

// Many of both: here each name is sent once the one before was greeted.
$call = $channel->bidi('/greeter.Greeter/BidiHello', HelloReply::class);
foreach (['Ada', 'Grace', 'Alan'] as $name) {
    $call->send(hello($name));
    echo "BidiHello: {$call->receive()->getMessage()}\n";
}
$call->halfClose();
