<?php

// The interop test server on the drop-in: Grpc\Server, driven as the library on top of it does, one call at a time.
//
//     grpc-server.php [--tls CERT KEY [--ca CA]]
//
// Prints "port N" once it serves, and serves until SIGTERM. What each method does: see server.php.

require __DIR__ . '/../support/autoload.php';
require __DIR__ . '/../compat/lib/server.php';

use Grpc\ServerCredentials;
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
use Library\Kind;
use Library\Reader;
use Library\Server;
use Library\ServerContext;
use Library\Status;
use Library\Writer;

const ECHO_INITIAL = 'x-grpc-test-echo-initial';
const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';
const SERVICE = '/grpc.testing.TestService/';

function payload(int $size): Payload
{
    return new Payload(['body' => str_repeat("\0", $size)]);
}

/** Takes what is to be echoed, and the status that was asked for: whether the call goes on. */
function prepare(ServerContext $context, ?EchoStatus $asked = null): bool
{
    $metadata = $context->metadata();
    $context->initialMetadata = array_intersect_key($metadata, [ECHO_INITIAL => 1]);
    $trailers = array_intersect_key($metadata, [ECHO_TRAILING => 1]);
    $context->status = $asked?->getCode()
        ? Status::of($asked->getCode(), $asked->getMessage(), $trailers)
        : Status::ok($trailers);
    return $context->status['code'] === Grpc\STATUS_OK;
}

/** Whom the call's credentials name. */
function user(ServerContext $context): string
{
    return str_replace('Bearer ', '', implode(', ', $context->metadata()['authorization'] ?? []));
}

function outputs(StreamingOutputCallRequest $request, Writer $writer): void
{
    foreach ($request->getResponseParameters() as $parameters) {
        usleep($parameters->getIntervalUs());
        $writer->write(new StreamingOutputCallResponse(['payload' => payload($parameters->getSize())]));
    }
}

/** What follows an option on the command line: $count values, or null where the option is not there. */
function option(array $arguments, string $name, int $count): ?array
{
    $at = array_search($name, $arguments, true);
    return $at === false ? null : array_map(file_get_contents(...), array_slice($arguments, $at + 1, $count));
}

$tls = option($argv, '--tls', 2);
$ca = option($argv, '--ca', 1);

$server = new Server();

$empty = function (?PBEmpty $request, ServerContext $context): PBEmpty {
    prepare($context);
    return new PBEmpty();
};
$server->method(SERVICE . 'EmptyCall', Kind::Unary, PBEmpty::class, $empty);

$unary = function (?SimpleRequest $request, ServerContext $context): ?SimpleResponse {
    if (!prepare($context, $request->getResponseStatus())) {
        return null;
    }
    if ($request->hasResponseCompressed()) {
        $context->initialMetadata['grpc-internal-encoding-request'] = ['gzip'];
        $context->flags = $request->getResponseCompressed()->getValue() ? 0 : Grpc\WRITE_NO_COMPRESS;
    }
    $username = $request->getFillUsername() ? user($context) : '';
    return new SimpleResponse(['payload' => payload($request->getResponseSize()), 'username' => $username]);
};
$server->method(SERVICE . 'UnaryCall', Kind::Unary, SimpleRequest::class, $unary);

$output = function (?StreamingOutputCallRequest $request, Writer $writer, ServerContext $context): void {
    if (prepare($context, $request->getResponseStatus())) {
        outputs($request, $writer);
    }
    $writer->finish();
};
$server->method(SERVICE . 'StreamingOutputCall', Kind::ServerStreaming, StreamingOutputCallRequest::class, $output);

$input = function (Reader $reader, ServerContext $context): StreamingInputCallResponse {
    for ($size = 0; ($request = $reader->read()) !== null;) {
        $size += strlen($request->getPayload()?->getBody() ?? '');
    }
    return new StreamingInputCallResponse(['aggregated_payload_size' => $size]);
};
$server->method(SERVICE . 'StreamingInputCall', Kind::ClientStreaming, StreamingInputCallRequest::class, $input);

$duplex = function (Reader $reader, Writer $writer, ServerContext $context): void {
    prepare($context);
    while (($request = $reader->read()) !== null && prepare($context, $request->getResponseStatus())) {
        outputs($request, $writer);
    }
    $writer->finish();
};
$server->method(SERVICE . 'FullDuplexCall', Kind::BidiStreaming, StreamingOutputCallRequest::class, $duplex);

$hello = fn(?HelloRequest $request): HelloReply => new HelloReply(['message' => "Hello {$request->getName()}"]);
$server->method('/helloworld.Greeter/SayHello', Kind::Unary, HelloRequest::class, $hello);

if ($tls !== null) {
    [$cert, $key] = $tls;
    $port = $server->addSecureHttp2Port('127.0.0.1:0', ServerCredentials::createSsl($ca[0] ?? null, $key, $cert));
} else {
    $port = $server->addHttp2Port('127.0.0.1:0');
}
pcntl_async_signals(true);
pcntl_signal(SIGTERM, fn() => exit(0));
echo "port $port\n";
$server->run();
