<?php

// The interop test client on Viaduct.
//
//     client.php [--tls --ca CA [--cert CERT --key KEY]] HOST:PORT CASE…
//
// Prints "ok CASE" or "FAIL CASE reason" for each; exits 1 if any failed. The cases:
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#client

require __DIR__ . '/../support/autoload.php';

use Grpc\Testing\BoolValue;
use Grpc\Testing\EchoStatus;
use Grpc\Testing\Payload;
use Grpc\Testing\PBEmpty;
use Grpc\Testing\ResponseParameters;
use Grpc\Testing\SimpleRequest;
use Grpc\Testing\SimpleResponse;
use Grpc\Testing\StreamingInputCallRequest;
use Grpc\Testing\StreamingInputCallResponse;
use Grpc\Testing\StreamingOutputCallRequest;
use Grpc\Testing\StreamingOutputCallResponse;
use Helloworld\HelloReply;
use Helloworld\HelloRequest;
use Viaduct\BidiStream;
use Viaduct\Channel;
use Viaduct\Compression;
use Viaduct\Credentials;
use Viaduct\RpcException;
use Viaduct\StatusCode;

const SERVICE = '/grpc.testing.TestService/';
const LARGE_REQUEST = 271828;
const LARGE_RESPONSE = 314159;
const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const METADATA = [
    'x-grpc-test-echo-initial' => 'test_initial_metadata_value',
    'x-grpc-test-echo-trailing-bin' => "\xab\xab\xab",
];
const SPECIAL_MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
// No call of a case that passes takes as long; none hangs longer.
const PATIENCE = 20.0;

function same(mixed $expected, mixed $actual, string $what): void
{
    if ($expected !== $actual) {
        [$expected, $actual] = [var_export($expected, true), var_export($actual, true)];
        throw new UnexpectedValueException("$what: expected $expected, got $actual");
    }
}

/** The exception that a call ends with. */
function fails(callable $call): RpcException
{
    try {
        $call();
    } catch (RpcException $exception) {
        return $exception;
    }
    throw new UnexpectedValueException('the call ended Ok');
}

function payload(int $size): Payload
{
    return new Payload(['body' => str_repeat("\0", $size)]);
}

function largeRequest(array $fields = []): SimpleRequest
{
    return new SimpleRequest(['response_size' => LARGE_RESPONSE, 'payload' => payload(LARGE_REQUEST)] + $fields);
}

function sameLargeResponse(SimpleResponse $response): void
{
    $body = $response->getPayload()->getBody();
    same(LARGE_RESPONSE, strlen($body), 'the size of the payload');
    same('', trim($body, "\0"), 'what is not zero in the payload');
}

function outputRequest(int $responseSize, int $requestSize, int $intervalUs = 0): StreamingOutputCallRequest
{
    return new StreamingOutputCallRequest([
        'response_parameters' => [new ResponseParameters(['size' => $responseSize, 'interval_us' => $intervalUs])],
        'payload' => payload($requestSize),
    ]);
}

/** @param iterable<StreamingOutputCallResponse> $responses */
function sizes(iterable $responses): array
{
    $sizes = [];
    foreach ($responses as $response) {
        $sizes[] = strlen($response->getPayload()->getBody());
    }
    return $sizes;
}

function unary(Channel $channel, SimpleRequest $request, ?Compression $compression = null): SimpleResponse
{
    $method = SERVICE . 'UnaryCall';
    return $channel->unary($method, $request, SimpleResponse::class, timeout: PATIENCE, compression: $compression);
}

function fullDuplex(Channel $channel, array $metadata = [], float $timeout = PATIENCE): BidiStream
{
    return $channel->bidi(SERVICE . 'FullDuplexCall', StreamingOutputCallResponse::class, $metadata, $timeout);
}

$cases = [
    'empty_unary' => function (Channel $channel): void {
        $response = $channel->unary(SERVICE . 'EmptyCall', new PBEmpty(), PBEmpty::class, timeout: PATIENCE);
        same(PBEmpty::class, $response::class, 'the class');
        same('', $response->serializeToString(), 'the response');
    },

    'large_unary' => function (Channel $channel): void {
        sameLargeResponse(unary($channel, largeRequest()));
    },

    'client_streaming' => function (Channel $channel): void {
        $method = SERVICE . 'StreamingInputCall';
        $call = $channel->clientStream($method, StreamingInputCallResponse::class, timeout: PATIENCE);
        foreach (REQUEST_SIZES as $size) {
            $call->send(new StreamingInputCallRequest(['payload' => payload($size)]));
        }
        same(74922, $call->finish()->getAggregatedPayloadSize(), 'the sum of the sizes');
    },

    'server_streaming' => function (Channel $channel): void {
        $parameters = array_map(fn (int $size) => new ResponseParameters(['size' => $size]), RESPONSE_SIZES);
        $request = new StreamingOutputCallRequest(['response_parameters' => $parameters]);
        $method = SERVICE . 'StreamingOutputCall';
        $call = $channel->serverStream($method, $request, StreamingOutputCallResponse::class, timeout: PATIENCE);
        same(RESPONSE_SIZES, sizes($call), 'the sizes');
        same(StatusCode::Ok, $call->status()?->code, 'the status code');
    },

    'ping_pong' => function (Channel $channel): void {
        $call = fullDuplex($channel);
        foreach (array_map(null, REQUEST_SIZES, RESPONSE_SIZES) as [$requestSize, $responseSize]) {
            $call->send(outputRequest($responseSize, $requestSize));
            same($responseSize, strlen($call->receive()->getPayload()->getBody()), 'the size');
        }
        $call->halfClose();
        same(null, $call->receive(), 'the response after the half-close');
        same(StatusCode::Ok, $call->status()?->code, 'the status code');
    },

    'empty_stream' => function (Channel $channel): void {
        $call = fullDuplex($channel);
        $call->halfClose();
        same(null, $call->receive(), 'the response');
        same(StatusCode::Ok, $call->status()?->code, 'the status code');
    },

    'custom_metadata' => function (Channel $channel): void {
        $request = largeRequest();
        $call = $channel->start(SERVICE . 'UnaryCall', $request, SimpleResponse::class, METADATA, PATIENCE);
        sameLargeResponse($call->wait());
        sameMetadata($call->headers(), $call->trailers(), 'of the unary call');

        $call = fullDuplex($channel, METADATA);
        $call->send(outputRequest(LARGE_RESPONSE, LARGE_REQUEST));
        $call->halfClose();
        same([LARGE_RESPONSE], sizes($call), 'the sizes');
        sameMetadata($call->headers(), $call->trailers(), 'of the stream');
    },

    'status_code_and_message' => function (Channel $channel): void {
        $status = new EchoStatus(['code' => 2, 'message' => 'test status message']);
        $exception = fails(fn () => unary($channel, new SimpleRequest(['response_status' => $status])));
        sameStatus(StatusCode::Unknown, 'test status message', $exception);

        $call = fullDuplex($channel);
        $call->send(new StreamingOutputCallRequest(['response_status' => $status]));
        $call->halfClose();
        sameStatus(StatusCode::Unknown, 'test status message', fails(fn () => $call->receive()));
    },

    'special_status_message' => function (Channel $channel): void {
        $status = new EchoStatus(['code' => 2, 'message' => SPECIAL_MESSAGE]);
        $exception = fails(fn () => unary($channel, new SimpleRequest(['response_status' => $status])));
        sameStatus(StatusCode::Unknown, SPECIAL_MESSAGE, $exception);
    },

    'unimplemented_method' => function (Channel $channel): void {
        $method = SERVICE . 'UnimplementedCall';
        $exception = fails(fn () => $channel->unary($method, new PBEmpty(), PBEmpty::class, timeout: PATIENCE));
        same(StatusCode::Unimplemented, $exception->statusCode(), 'the status code');
    },

    'unimplemented_service' => function (Channel $channel): void {
        $method = '/grpc.testing.UnimplementedService/UnimplementedCall';
        $exception = fails(fn () => $channel->unary($method, new PBEmpty(), PBEmpty::class, timeout: PATIENCE));
        same(StatusCode::Unimplemented, $exception->statusCode(), 'the status code');
    },

    'cancel_after_begin' => function (Channel $channel): void {
        $method = SERVICE . 'StreamingInputCall';
        $call = $channel->clientStream($method, StreamingInputCallResponse::class, timeout: PATIENCE);
        $call->cancel();
        same(StatusCode::Cancelled, fails(fn () => $call->finish())->statusCode(), 'the status code');
    },

    'cancel_after_first_response' => function (Channel $channel): void {
        $call = fullDuplex($channel);
        $call->send(outputRequest(31415, 27182));
        same(31415, strlen($call->receive()->getPayload()->getBody()), 'the size');
        $call->cancel();
        same(StatusCode::Cancelled, fails(fn () => $call->receive())->statusCode(), 'the status code');
    },

    'timeout_on_sleeping_server' => function (Channel $channel): void {
        $exception = fails(function () use ($channel): void {
            $call = fullDuplex($channel, timeout: 0.001);
            $call->send(outputRequest(31415, 27182, intervalUs: 200_000));
            $call->receive();
        });
        same(StatusCode::DeadlineExceeded, $exception->statusCode(), 'the status code');
    },

    // Whether the first request is compressed and the second is not is seen on the wire: see run.
    'client_compressed_unary' => function (Channel $channel): void {
        foreach ([[true, Compression::Gzip], [false, Compression::None]] as [$expected, $compression]) {
            $request = largeRequest(['expect_compressed' => new BoolValue(['value' => $expected])]);
            sameLargeResponse(unary($channel, $request, $compression));
        }
    },

    // Whether the responses are compressed as asked is seen on the wire: see run.
    'server_compressed_unary' => function (Channel $channel): void {
        foreach ([true, false] as $compressed) {
            $request = largeRequest(['response_compressed' => new BoolValue(['value' => $compressed])]);
            sameLargeResponse(unary($channel, $request));
        }
    },

    'hello' => function (Channel $channel): void {
        $request = new HelloRequest(['name' => 'wörld']);
        $reply = $channel->unary('/helloworld.Greeter/SayHello', $request, HelloReply::class, timeout: PATIENCE);
        same('Hello wörld', $reply->getMessage(), 'the greeting');
    },
];

function sameMetadata(array $headers, array $trailers, string $of): void
{
    [$initial, $trailing] = array_keys(METADATA);
    same([METADATA[$initial]], $headers[$initial] ?? null, "the header $of");
    same([METADATA[$trailing]], $trailers[$trailing] ?? null, "the trailer $of");
}

function sameStatus(StatusCode $code, string $message, RpcException $exception): void
{
    same($code, $exception->statusCode(), 'the status code');
    same($message, $exception->getMessage(), 'the status message');
}

$options = getopt('', ['tls', 'ca:', 'cert:', 'key:'], $rest);
[$target, $names] = [$argv[$rest], array_slice($argv, $rest + 1)];
if (isset($options['tls'])) {
    $files = array_map(file_get_contents(...), array_intersect_key($options, ['ca' => 1, 'cert' => 1, 'key' => 1]));
    $channel = new Channel("https://$target", Credentials::tls(...$files));
} else {
    $channel = new Channel("http://$target");
}

$failed = false;
foreach ($names as $name) {
    try {
        $cases[$name]($channel);
        echo "ok $name\n";
    } catch (Throwable $throwable) {
        $code = $throwable instanceof RpcException ? $throwable->statusCode()->name : $throwable::class;
        $reason = substr(preg_replace('/\s+/', ' ', $throwable->getMessage()), 0, 500);
        echo "FAIL $name $code: $reason (line {$throwable->getLine()})\n";
        $failed = true;
    }
}
exit($failed ? 1 : 0);
