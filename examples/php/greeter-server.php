<?php

// Serves greeter.Greeter, see greeter.proto.
//
//     php -d extension=grpc.so greeter-server.php [address]

// In your project: require 'vendor/autoload.php';
require __DIR__ . '/../../tests-php/support/autoload.php';

use Greeter\HelloReply;
use Greeter\HelloRequest;
use Viaduct\RequestStream;
use Viaduct\RpcException;
use Viaduct\Server;
use Viaduct\StatusCode;

use function Viaduct\delay;

/** Each method's signature tells its kind. */
final class Greeter
{
    public function SayHello(HelloRequest $request): HelloReply
    {
        if ($request->getName() === '') {
            throw new RpcException(StatusCode::InvalidArgument, 'whom shall I greet?');
        }
        return $this->reply("Hello, {$request->getName()}!");
    }

    public function LotsOfReplies(HelloRequest $request): Generator
    {
        foreach (['Hello', 'Bonjour', 'Hej', 'Merhaba', 'Ahoj'] as $greeting) {
            yield $this->reply("$greeting, {$request->getName()}!");
            delay(0.02); // other calls are served meanwhile
        }
    }

    public function LotsOfGreetings(RequestStream $requests): HelloReply
    {
        $names = [];
        foreach ($requests->as(HelloRequest::class) as $request) {
            $names[] = $request->getName();
        }
        return $this->reply('Hello, ' . implode(' and ', $names) . '!');
    }

    public function BidiHello(RequestStream $requests): Generator
    {
        foreach ($requests->as(HelloRequest::class) as $request) {
            yield $this->reply("Hello, {$request->getName()}!");
        }
    }

    private function reply(string $message): HelloReply
    {
        return new HelloReply(['message' => $message]);
    }
}

$server = new Server();
$server->register('greeter.Greeter', new Greeter());
$address = $server->listen($argv[1] ?? 'http://127.0.0.1:50051');

echo "The greeter listens on $address\n";
$server->run(); // until SIGTERM or SIGINT
echo "The greeter has finished every call and stops\n";
