--TEST--
Channel: answers of grpcio with headers, trailers and texts over the limit; requests that grpcio does not take; metadata of the channel
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!is_executable(__DIR__ . '/../../.venv/bin/python')) die('skip .venv is missing: scripts/setup test'); ?>
--FILE--
<?php
require __DIR__ . '/../support/process.php';
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions};

// One server takes what grpcio takes where nothing is said (16 KiB), the other 8 MiB.
file_put_contents($script = scratch() . '/server.py', <<<'PYTHON'
import sys
from concurrent import futures
import grpc

def serve(request, context):
    what, length = request.decode().split()
    long = 'v' * int(length)
    if what == 'headers':
        context.send_initial_metadata([('x-h', long)])
    elif what == 'trailers':
        context.set_trailing_metadata([('x-t', long)])
    elif what == 'fail':
        context.abort(grpc.StatusCode.NOT_FOUND, long)
    return ','.join(value for key, value in context.invocation_metadata() if key == 'x-default').encode()

def wait(requests, context):
    for request in requests:
        pass
    return b'the neighbour goes on'

handlers = {'Any': grpc.unary_unary_rpc_method_handler(serve), 'Wait': grpc.stream_unary_rpc_method_handler(wait)}
ports = []
for options in [], [('grpc.max_metadata_size', 8 << 20)]:
    server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
    server.add_registered_method_handlers('t.S', handlers)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler('t.S', handlers)])
    ports.append(server.add_insecure_port('127.0.0.1:0'))
    server.start()
    globals()[f'server{len(ports)}'] = server
print(*ports, flush=True)
sys.stdin.read()
PYTHON);
$python = proc_open([__DIR__ . '/../../.venv/bin/python', $script], [['pipe', 'r'], ['pipe', 'w']], $pipes);
[$narrow, $wide] = explode(' ', trim(fgets($pipes[1])));

ini_set('pcre.jit', '0');
$show = fn(int $code, string $text): string =>
    Viaduct\StatusCode::from($code)->name . ' ' . preg_replace(['/v{100,}+/', '/are \d+/'], ['v…', 'are N'], $text);
$viaduct = function (Channel $channel, string $message, array $metadata = []) use ($show): string {
    $status = $channel->start('/t.S/Any', $message, metadata: $metadata)->status();
    return $show($status->code->value, $status->message);
};
$official = function (Grpc\Channel $channel, string $message, array $metadata = []) use ($show): string {
    $call = new Grpc\Call($channel, '/t.S/Any', Grpc\Timeval::infFuture());
    $status = $call->startBatch([
        Grpc\OP_SEND_INITIAL_METADATA => array_map(fn($value) => [$value], $metadata),
        Grpc\OP_SEND_MESSAGE => ['message' => $message],
        Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
        Grpc\OP_RECV_INITIAL_METADATA => true,
        Grpc\OP_RECV_MESSAGE => true,
        Grpc\OP_RECV_STATUS_ON_CLIENT => true,
    ])->status;
    return $show($status->code, $status->details);
};
foreach ([$narrow, $wide] as $port) {
    $channel = new Channel("http://127.0.0.1:$port");
    $grpc = new Grpc\Channel("127.0.0.1:$port", ['credentials' => null]);
    $wait = $channel->clientStream('/t.S/Wait');
    echo '-- requests to the ', $port === $narrow ? 'narrow' : 'wide', " one\n";
    foreach ([7_000, 17_000, 70_000, 1 << 20, 4 << 20] as $length) {
        $metadata = ['x-a' => str_repeat('a', $length)];
        echo "$length: ", $viaduct($channel, 'none 0', $metadata), "\n";
        echo "    Grpc: ", $official($grpc, 'none 0', $metadata), "\n";
    }
    echo $wait->finish(), "\n";
}
echo "-- answers\n";
$wait = $channel->clientStream('/t.S/Wait');
$more = new Channel("http://127.0.0.1:$wide", options: new ChannelOptions(maxMetadataBytes: 2 << 20));
$grpcMore = new Grpc\Channel("127.0.0.1:$wide", ['credentials' => null, 'grpc.max_metadata_size' => 2 << 20]);
foreach (['headers', 'trailers', 'fail'] as $what) {
    foreach ([8_000, 60_000, 1_000_000] as $length) {
        echo "$what $length: ", $viaduct($channel, "$what $length"), "\n";
        echo "    2 MiB: ", $viaduct($more, "$what $length"), ', Grpc: ', $official($grpcMore, "$what $length"), "\n";
    }
}
echo $wait->finish(), "\n";

echo "-- metadata of the channel\n";
$channel = new Channel("http://127.0.0.1:$wide", options: new ChannelOptions(metadata: ['x-default' => ['a', 'b']]));
echo $channel->unary('/t.S/Any', 'none 0'), ' ', $channel->unary('/t.S/Any', 'none 0', metadata: ['x-default' => 'mine']), "\n";
foreach ([['maxMetadataBytes' => 1023], ['maxMetadataBytes' => 1 << 30], ['metadata' => ['grpc-timeout' => '1S']]] as $wrong) {
    outcome(fn() => new ChannelOptions(...$wrong));
}
outcome(fn() => new Viaduct\ServerOptions(maxMetadataBytes: 0));
outcome(fn() => new Viaduct\ServerOptions(maxConnectionAge: 0.0));
outcome(fn() => new Viaduct\ServerOptions(maxConnectionIdle: -1.0));
fclose($pipes[0]);
proc_close($python);
?>
--EXPECT--
-- requests to the narrow one
7000: Ok 
    Grpc: Ok 
17000: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
    Grpc: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
70000: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
    Grpc: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
1048576: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
    Grpc: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
4194304: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
    Grpc: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
the neighbour goes on
-- requests to the wide one
7000: Ok 
    Grpc: Ok 
17000: Ok 
    Grpc: Ok 
70000: Ok 
    Grpc: Ok 
1048576: Ok 
    Grpc: Ok 
4194304: Ok 
    Grpc: Ok 
the neighbour goes on
-- answers
headers 8000: Ok 
    2 MiB: Ok , Grpc: Ok 
headers 60000: Ok 
    2 MiB: Ok , Grpc: Ok 
headers 1000000: ResourceExhausted the response's headers are N bytes; the limit is 65536 bytes (maxMetadataBytes, grpc.max_metadata_size)
    2 MiB: Ok , Grpc: Ok 
trailers 8000: Ok 
    2 MiB: Ok , Grpc: Ok 
trailers 60000: Ok 
    2 MiB: Ok , Grpc: Ok 
trailers 1000000: ResourceExhausted the response's trailers are N bytes; the limit is 65536 bytes (maxMetadataBytes, grpc.max_metadata_size); the call had ended OK
    2 MiB: Ok , Grpc: Ok 
fail 8000: NotFound v…
    2 MiB: NotFound v…, Grpc: NotFound v…
fail 60000: NotFound v…
    2 MiB: NotFound v…, Grpc: NotFound v…
fail 1000000: ResourceExhausted the response's headers are N bytes; the limit is 65536 bytes (maxMetadataBytes, grpc.max_metadata_size); the call had ended NOT_FOUND
    2 MiB: NotFound v…, Grpc: NotFound v…
the neighbour goes on
-- metadata of the channel
a,b mine
Viaduct\InvalidArgumentException: maxMetadataBytes is 1023; expected an integer from 1024 to 16777216
Viaduct\InvalidArgumentException: maxMetadataBytes is 1073741824; expected an integer from 1024 to 16777216
Viaduct\InvalidArgumentException: metadata key "grpc-timeout" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: maxMetadataBytes is 0; expected an integer from 1024 to 16777216
Viaduct\InvalidArgumentException: maxConnectionAge is 0; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: maxConnectionIdle is -1; expected a finite number of seconds, more than 0
