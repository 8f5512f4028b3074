<?php

// The interop test client on the drop-in: the raw classes of Grpc\, driven as the library on top of them does.
//
//     grpc-client.php [--tls --ca CA [--cert CERT --key KEY]] HOST:PORT CASE…
//
// Prints "ok CASE" or "FAIL CASE reason" for each; exits 1 if any failed. The cases are those of client.php and, on
// TLS, those of credentials that belong to calls.

require __DIR__ . '/../support/autoload.php';
require __DIR__ . '/../compat/lib/stub.php';

use Grpc\CallCredentials;
use Grpc\ChannelCredentials;
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
use Library\BidiStreamingCall;
use Library\Interceptor;
use Library\Stub;
use Library\UnaryCall;

const SERVICE = '/grpc.testing.TestService/';
const LARGE_REQUEST = 271828;
const LARGE_RESPONSE = 314159;
const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const METADATA = [
    'x-grpc-test-echo-initial' => ['test_initial_metadata_value'],
    'x-grpc-test-echo-trailing-bin' => ["\xab\xab\xab"],
];
const SPECIAL_MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
// In microseconds: no call of a case that passes takes as long; none hangs longer.
const PATIENCE = ['timeout' => 20_000_000];

function same(mixed $expected, mixed $actual, string $what): void
{
    if ($expected !== $actual) {
        [$expected, $actual] = [var_export($expected, true), var_export($actual, true)];
        throw new UnexpectedValueException("$what: expected $expected, got $actual");
    }
}

/** What a status code is called. */
function name(int $code): string
{
    $codes = array_filter(
        get_defined_constants(true)['grpc'],
        fn($value, $name) => $value === $code && str_starts_with($name, 'Grpc\\STATUS_'),
        ARRAY_FILTER_USE_BOTH,
    );
    return substr(key($codes) ?? "$code", strlen('Grpc\\STATUS_'));
}

function sameStatus(int $code, ?string $details, stdClass $status): void
{
    $expected = [name($code), $details ?? $status->details];
    if ($expected !== [name($status->code), $status->details]) {
        throw new UnexpectedValueException(
            'the status: expected ' . implode(' ', $expected) . ', got ' . name($status->code) . " $status->details",
        );
    }
}

function sameMetadata(Library\Call $call, string $of): void
{
    [$initial, $trailing] = array_keys(METADATA);
    same(METADATA[$initial], $call->getMetadata()[$initial] ?? null, "the header $of");
    same(METADATA[$trailing], $call->getTrailingMetadata()[$trailing] ?? null, "the trailer $of");
}

/** The response of a call that must end OK. */
function ok(UnaryCall|Library\ClientStreamingCall $call): object
{
    [$response, $status] = $call->wait();
    sameStatus(Grpc\STATUS_OK, null, $status);
    return $response;
}

/** The status of a call that must have no response. */
function failed(UnaryCall|Library\ClientStreamingCall $call): stdClass
{
    [$response, $status] = $call->wait();
    same(null, $response, 'the response');
    return $status;
}

function decode(string $class): array
{
    return [$class, 'decode'];
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

function size(StreamingOutputCallResponse $response): int
{
    return strlen($response->getPayload()->getBody());
}

function unary(Stub $stub, SimpleRequest $request, array $metadata = [], array $options = []): UnaryCall
{
    return $stub->unary(SERVICE . 'UnaryCall', $request, decode(SimpleResponse::class), $metadata, $options + PATIENCE);
}

function fullDuplex(Stub $stub, array $metadata = [], array $options = PATIENCE): BidiStreamingCall
{
    return $stub->bidi(SERVICE . 'FullDuplexCall', decode(StreamingOutputCallResponse::class), $metadata, $options);
}

/** Asks for a name that only the call's credentials tell, and for what they were told. */
function credentialsReach(Stub $stub, string $target, array $options = [], ?array &$contexts = []): void
{
    $request = new SimpleRequest(['fill_username' => true]);
    for ($n = 1; $n <= 2; $n++) {
        same('somebody', ok(unary($stub, $request, [], $options))->getUsername(), "the name in call $n");
    }
    $expected = ['service_url' => "https://$target" . rtrim(SERVICE, '/'), 'method_name' => 'UnaryCall'];
    same([$expected, $expected], array_map('get_object_vars', $contexts), 'what the plugin was told');
}

/** A plugin that notes what it is told. */
function plugin(?array &$contexts): Closure
{
    return function (stdClass $context) use (&$contexts): array {
        $contexts[] = $context;
        return ['authorization' => ['Bearer somebody']];
    };
}

$cases = [
    'empty_unary' => function (Stub $stub): void {
        $response = ok($stub->unary(SERVICE . 'EmptyCall', new PBEmpty(), decode(PBEmpty::class), [], PATIENCE));
        same('', $response->serializeToString(), 'the response');
    },

    'large_unary' => function (Stub $stub): void {
        sameLargeResponse(ok(unary($stub, largeRequest())));
    },

    'client_streaming' => function (Stub $stub): void {
        $decode = decode(StreamingInputCallResponse::class);
        $call = $stub->clientStream(SERVICE . 'StreamingInputCall', $decode, [], PATIENCE);
        foreach (REQUEST_SIZES as $size) {
            $call->write(new StreamingInputCallRequest(['payload' => payload($size)]));
        }
        same(74922, ok($call)->getAggregatedPayloadSize(), 'the sum of the sizes');
    },

    'server_streaming' => function (Stub $stub): void {
        $parameters = array_map(fn(int $size) => new ResponseParameters(['size' => $size]), RESPONSE_SIZES);
        $request = new StreamingOutputCallRequest(['response_parameters' => $parameters]);
        $decode = decode(StreamingOutputCallResponse::class);
        $call = $stub->serverStream(SERVICE . 'StreamingOutputCall', $request, $decode, [], PATIENCE);
        same(RESPONSE_SIZES, array_map(size(...), iterator_to_array($call->responses(), false)), 'the sizes');
        sameStatus(Grpc\STATUS_OK, null, $call->getStatus());
    },

    'ping_pong' => function (Stub $stub): void {
        $call = fullDuplex($stub);
        foreach (array_map(null, REQUEST_SIZES, RESPONSE_SIZES) as [$requestSize, $responseSize]) {
            $call->write(outputRequest($responseSize, $requestSize));
            same($responseSize, size($call->read()), 'the size');
        }
        $call->writesDone();
        same(null, $call->read(), 'the response after the half-close');
        sameStatus(Grpc\STATUS_OK, null, $call->getStatus());
    },

    'empty_stream' => function (Stub $stub): void {
        $call = fullDuplex($stub);
        $call->writesDone();
        same(null, $call->read(), 'the response');
        sameStatus(Grpc\STATUS_OK, null, $call->getStatus());
    },

    'custom_metadata' => function (Stub $stub): void {
        $call = unary($stub, largeRequest(), METADATA);
        sameLargeResponse(ok($call));
        sameMetadata($call, 'of the unary call');

        $call = fullDuplex($stub, METADATA);
        $call->write(outputRequest(LARGE_RESPONSE, LARGE_REQUEST));
        $call->writesDone();
        same(LARGE_RESPONSE, size($call->read()), 'the size');
        same(null, $call->read(), 'the response after the last');
        sameStatus(Grpc\STATUS_OK, null, $call->getStatus());
        sameMetadata($call, 'of the stream');
    },

    'status_code_and_message' => function (Stub $stub): void {
        $status = new EchoStatus(['code' => 2, 'message' => 'test status message']);
        $answer = failed(unary($stub, new SimpleRequest(['response_status' => $status])));
        sameStatus(Grpc\STATUS_UNKNOWN, 'test status message', $answer);

        $call = fullDuplex($stub);
        $call->write(new StreamingOutputCallRequest(['response_status' => $status]));
        $call->writesDone();
        same(null, $call->read(), 'the response');
        sameStatus(Grpc\STATUS_UNKNOWN, 'test status message', $call->getStatus());
    },

    'special_status_message' => function (Stub $stub): void {
        $status = new EchoStatus(['code' => 2, 'message' => SPECIAL_MESSAGE]);
        $answer = failed(unary($stub, new SimpleRequest(['response_status' => $status])));
        sameStatus(Grpc\STATUS_UNKNOWN, SPECIAL_MESSAGE, $answer);
    },

    'unimplemented_method' => function (Stub $stub): void {
        $method = SERVICE . 'UnimplementedCall';
        $status = failed($stub->unary($method, new PBEmpty(), decode(PBEmpty::class), [], PATIENCE));
        sameStatus(Grpc\STATUS_UNIMPLEMENTED, null, $status);
    },

    'unimplemented_service' => function (Stub $stub): void {
        $method = '/grpc.testing.UnimplementedService/UnimplementedCall';
        $status = failed($stub->unary($method, new PBEmpty(), decode(PBEmpty::class), [], PATIENCE));
        sameStatus(Grpc\STATUS_UNIMPLEMENTED, null, $status);
    },

    'cancel_after_begin' => function (Stub $stub): void {
        $decode = decode(StreamingInputCallResponse::class);
        $call = $stub->clientStream(SERVICE . 'StreamingInputCall', $decode, [], PATIENCE);
        $call->cancel();
        sameStatus(Grpc\STATUS_CANCELLED, null, failed($call));
    },

    'cancel_after_first_response' => function (Stub $stub): void {
        $call = fullDuplex($stub);
        $call->write(outputRequest(31415, 27182));
        same(31415, size($call->read()), 'the size');
        $call->cancel();
        same(null, $call->read(), 'the response after the cancel');
        sameStatus(Grpc\STATUS_CANCELLED, null, $call->getStatus());
    },

    'timeout_on_sleeping_server' => function (Stub $stub): void {
        $call = fullDuplex($stub, [], ['timeout' => 1000]);
        // Where the deadline has passed by now, nothing is thrown: the status says so.
        $call->write(outputRequest(31415, 27182, intervalUs: 200_000));
        same(null, $call->read(), 'the response');
        sameStatus(Grpc\STATUS_DEADLINE_EXCEEDED, null, $call->getStatus());
    },

    // Whether the first request is compressed and the second is not is seen on the wire: see run.
    'client_compressed_unary' => function (Stub $stub): void {
        $gzip = ['grpc-internal-encoding-request' => ['gzip']];
        foreach ([[true, []], [false, ['flags' => Grpc\WRITE_NO_COMPRESS]]] as [$expected, $options]) {
            $request = largeRequest(['expect_compressed' => new BoolValue(['value' => $expected])]);
            sameLargeResponse(ok(unary($stub, $request, $gzip, $options)));
        }
    },

    // Whether the responses are compressed as asked is seen on the wire: see run.
    'server_compressed_unary' => function (Stub $stub): void {
        foreach ([true, false] as $compressed) {
            $request = largeRequest(['response_compressed' => new BoolValue(['value' => $compressed])]);
            sameLargeResponse(ok(unary($stub, $request)));
        }
    },

    'hello' => function (Stub $stub): void {
        $request = new HelloRequest(['name' => 'wörld']);
        $reply = ok($stub->unary('/helloworld.Greeter/SayHello', $request, decode(HelloReply::class), [], PATIENCE));
        same('Hello wörld', $reply->getMessage(), 'the greeting');
    },

    // Credentials of the call alone.
    'call_credentials' => function (Stub $stub, string $target): void {
        $contexts = [];
        credentialsReach($stub, $target, ['call_credentials_callback' => plugin($contexts)], $contexts);
    },

    // Credentials of the channel, which every call has.
    'channel_call_credentials' => function (Stub $stub, string $target, array $options): void {
        $contexts = [];
        $plugin = CallCredentials::createFromPlugin(plugin($contexts));
        $composite = ChannelCredentials::createComposite($options['credentials'], $plugin);
        credentialsReach(new Stub($target, ['credentials' => $composite] + $options), $target, [], $contexts);
    },

    // The callback of the stub's options, as older clients have it.
    'update_metadata' => function (Stub $stub, string $target, array $options): void {
        $contexts = [];
        $update = function (array $metadata, string $audience) use (&$contexts): array {
            $contexts[] = (object) ['service_url' => $audience, 'method_name' => 'UnaryCall'];
            return $metadata + ['Authorization' => ['Bearer somebody']];
        };
        credentialsReach(new Stub($target, ['update_metadata' => $update] + $options), $target, [], $contexts);
    },
];

$options = getopt('', ['tls', 'ca:', 'cert:', 'key:'], $rest);
[$target, $names] = [$argv[$rest], array_slice($argv, $rest + 1)];
$read = fn(string $name): ?string => isset($options[$name]) ? file_get_contents($options[$name]) : null;
$credentials = isset($options['tls'])
    ? ChannelCredentials::createSsl($read('ca'), $read('key'), $read('cert'))
    : ChannelCredentials::createInsecure();
$arguments = ['credentials' => $credentials, 'grpc.primary_user_agent' => 'interop'];
// All calls pass two interceptors, which find them as they are.
$channel = Interceptor::intercept(new Grpc\Channel($target, $arguments), [new Interceptor(), new Interceptor()]);
$stub = new Stub($target, $arguments, $channel);

$failed = false;
foreach ($names as $name) {
    try {
        $cases[$name]($stub, $target, $arguments);
        echo "ok $name\n";
    } catch (Throwable $throwable) {
        $reason = substr(preg_replace('/\s+/', ' ', $throwable->getMessage()), 0, 500);
        echo "FAIL $name ", $throwable::class, ": $reason (line {$throwable->getLine()})\n";
        $failed = true;
    }
}
exit($failed ? 1 : 0);
