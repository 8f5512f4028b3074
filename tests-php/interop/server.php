<?php

// The interop test server on Viaduct.
//
//     server.php [--tls CERT KEY [--ca CA]] [--gzip]
//
// Prints "port N" once it serves, and serves until SIGTERM. What each method does:
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#server
// UnimplementedCall is not there on purpose.

require __DIR__ . '/../support/autoload.php';

use Grpc\Testing\EchoStatus;
use Grpc\Testing\Payload;
use Grpc\Testing\PBEmpty;
use Grpc\Testing\SimpleRequest;
use Grpc\Testing\SimpleResponse;
use Grpc\Testing\StreamingInputCallRequest;
use Grpc\Testing\StreamingInputCallResponse;
use Grpc\Testing\StreamingOutputCallRequest;
use Grpc\Testing\StreamingOutputCallResponse;
use Helloworld\HelloReply;
use Helloworld\HelloRequest;
use Viaduct\Compression;
use Viaduct\Context;
use Viaduct\RequestStream;
use Viaduct\RpcException;
use Viaduct\Server;
use Viaduct\ServerCredentials;
use Viaduct\ServerOptions;
use Viaduct\StatusCode;

use function Viaduct\delay;

const ECHO_INITIAL = 'x-grpc-test-echo-initial';
const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';
const SERVICE = '/grpc.testing.TestService/';

function payload(int $size): Payload
{
    return new Payload(['body' => str_repeat("\0", $size)]);
}

function echoMetadata(Context $context): void
{
    $metadata = $context->metadata();
    if (isset($metadata[ECHO_INITIAL])) {
        $context->sendHeaders([ECHO_INITIAL => $metadata[ECHO_INITIAL]]);
    }
    if (isset($metadata[ECHO_TRAILING])) {
        $context->setTrailers([ECHO_TRAILING => $metadata[ECHO_TRAILING]]);
    }
}

function echoStatus(?EchoStatus $status): void
{
    if ($status !== null && $status->getCode() !== 0) {
        throw new RpcException(StatusCode::from($status->getCode()), $status->getMessage());
    }
}

/** Whom the call's credentials name. */
function user(Context $context): string
{
    return str_replace('Bearer ', '', implode(', ', $context->metadata()['authorization'] ?? []));
}

function outputs(StreamingOutputCallRequest $request): Generator
{
    foreach ($request->getResponseParameters() as $parameters) {
        if ($parameters->getIntervalUs() > 0) {
            delay($parameters->getIntervalUs() / 1e6);
        }
        yield new StreamingOutputCallResponse(['payload' => payload($parameters->getSize())]);
    }
}

/** What follows an option on the command line: $count values, or null where the option is not there. */
function option(array $arguments, string $name, int $count): ?array
{
    $at = array_search($name, $arguments, true);
    return $at === false ? null : array_slice($arguments, $at + 1, $count);
}

$tls = option($argv, '--tls', 2);
$ca = option($argv, '--ca', 1);
$compression = in_array('--gzip', $argv, true) ? Compression::Gzip : Compression::None;

$server = new Server(new ServerOptions(drainTimeout: 2.0, compression: $compression, exposeErrors: true));

$server->handle(SERVICE . 'EmptyCall', function (PBEmpty $request, Context $context): PBEmpty {
    echoMetadata($context);
    return new PBEmpty();
});

$server->handle(SERVICE . 'UnaryCall', function (SimpleRequest $request, Context $context): SimpleResponse {
    echoMetadata($context);
    echoStatus($request->getResponseStatus());
    $username = $request->getFillUsername() ? user($context) : '';
    return new SimpleResponse(['payload' => payload($request->getResponseSize()), 'username' => $username]);
});

$server->handle(SERVICE . 'CacheableUnaryCall', function (SimpleRequest $request, Context $context): SimpleResponse {
    $context->sendHeaders(['cache-control' => 'max-age=60, public']);
    return new SimpleResponse(['payload' => payload($request->getResponseSize())]);
});

$server->handle(
    SERVICE . 'StreamingOutputCall',
    function (StreamingOutputCallRequest $request, Context $context): Generator {
        echoMetadata($context);
        echoStatus($request->getResponseStatus());
        yield from outputs($request);
    },
);

$server->handle(SERVICE . 'StreamingInputCall', function (RequestStream $requests): StreamingInputCallResponse {
    $size = 0;
    foreach ($requests->as(StreamingInputCallRequest::class) as $request) {
        $size += strlen($request->getPayload()?->getBody() ?? '');
    }
    return new StreamingInputCallResponse(['aggregated_payload_size' => $size]);
});

$server->handle(SERVICE . 'FullDuplexCall', function (RequestStream $requests, Context $context): Generator {
    echoMetadata($context);
    foreach ($requests->as(StreamingOutputCallRequest::class) as $request) {
        echoStatus($request->getResponseStatus());
        yield from outputs($request);
    }
});

$server->handle(SERVICE . 'HalfDuplexCall', function (RequestStream $requests): Generator {
    $all = iterator_to_array($requests->as(StreamingOutputCallRequest::class), false);
    foreach ($all as $request) {
        yield from outputs($request);
    }
});

$server->handle('/helloworld.Greeter/SayHello', function (HelloRequest $request): HelloReply {
    return new HelloReply(['message' => "Hello {$request->getName()}"]);
});

if ($tls !== null) {
    [$cert, $key] = array_map(file_get_contents(...), $tls);
    $credentials = ServerCredentials::tls($cert, $key, clientCa: $ca === null ? null : file_get_contents($ca[0]));
    $address = $server->listen('https://127.0.0.1:0', $credentials);
} else {
    $address = $server->listen('http://127.0.0.1:0');
}
echo 'port ', substr(strrchr($address, ':'), 1), "\n";
$server->run();
