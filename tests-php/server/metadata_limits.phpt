--TEST--
Server: headers and trailers that one side does not take end their call RESOURCE_EXHAUSTED, and no other; a status' text is cut to what the client takes
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!is_executable(__DIR__ . '/../../.venv/bin/python')) die('skip .venv is missing: scripts/setup test'); ?>
--FILE--
<?php
require __DIR__ . '/../support/process.php';
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions, RpcException, ServerOptions};

$server = ServerProcess::start(<<<'PHP'
$server = new Server(new ServerOptions(exposeErrors: true));
$server->handle('/t.S/Meta', fn(string $in, Context $context): string => strlen(implode($context->metadata()['x-a'] ?? [])));
$server->handle('/t.S/Fail', fn(string $in): string => throw new RpcException(StatusCode::NotFound, str_repeat('m', (int) $in)));
$server->handle('/t.S/Trace', fn(string $in): string => throw new DomainException(str_repeat('t', (int) $in)));
$server->handle('/t.S/Headers', function (string $in, Context $context): string {
    try {
        $context->sendHeaders(['x-h' => str_repeat('h', (int) $in)]);
    } catch (RpcException $e) {
        say($e->statusCode()->name . ': ' . preg_replace('/are \d+/', 'are N', $e->getMessage()));
        throw $e;
    }
    return 'sent';
});
$server->handle('/t.S/Trailers', function (string $in, Context $context): string {
    $context->setTrailers(['x-t' => str_repeat('t', (int) $in)]);
    return 'sent';
});
$server->handle('/t.S/Wait', function (RequestStream $in): string { foreach ($in as $message) {} return 'the neighbour goes on'; });
announce($server->listen('http://127.0.0.1:0'), $server->listen("unix:$argv[1]/s.sock"));
$server->run();
PHP, arguments: [$directory = scratch()]);

ini_set('pcre.jit', '0');
// Of each answer the code, and the text without what was repeated in it.
$show = function (int $code, string $text): string {
    $text = preg_replace(['/([a-z])\1{100,}+/', '/are \d+ bytes/', '/viaduct-test-\d+/'], ['$1…', 'are N bytes', 'N'], $text);
    return Viaduct\StatusCode::from($code)->name . ' ' . strtok($text, "\n");
};
foreach ($server->addresses as $address) {
    echo '-- ', strstr($address, ':', true), "\n";
    // It takes 64 KiB.
    $channel = new Channel($address);
    $wait = $channel->clientStream('/t.S/Wait');
    foreach ([8_000, 17_000, 70_000, 1 << 20, 4 << 20] as $length) {
        $call = $channel->start('/t.S/Meta', '', metadata: ['x-a' => str_repeat('a', $length)]);
        echo "$length: ", $show($call->status()->code->value, $call->status()->message), "\n";
    }
    foreach (['Fail', 'Trace', 'Headers', 'Trailers'] as $method) {
        foreach ([1_000, 60_000, 2_000_000] as $length) {
            $call = $channel->start("/t.S/$method", (string) $length);
            echo "$method $length: ", $show($call->status()->code->value, $call->status()->message), "\n";
        }
    }
    echo $wait->finish(), "\n";
}
echo $server->line(), "\n";

file_put_contents($script = "$directory/client.py", <<<'PYTHON'
import queue
import sys
import grpc

# It takes what grpcio takes where nothing is said: 16 KiB, and from 8 KiB on perhaps not.
channel = grpc.insecure_channel(sys.argv[1])
end = queue.Queue()
wait = channel.stream_unary('/t.S/Wait').future(iter(end.get, None))
def call(method, message, **more):
    try:
        answer = channel.unary_unary('/t.S/' + method)(message, timeout=60, **more)
        print(method, answer.decode(), flush=True)
    except grpc.RpcError as e:
        details = e.details()
        print(method, len(message) and message.decode(), e.code().name, len(details) < 8192, details[-7:], flush=True)
for length in 8_000, 17_000, 1 << 20:
    call('Meta', b'', metadata=[('x-a', 'a' * length)])
for method in 'Fail', 'Trace':
    for length in b'1000', b'9000', b'60000', b'2000000':
        call(method, length)
for method in 'Headers', 'Trailers':
    for length in b'1000', b'60000':
        call(method, length)
end.put(None)
print(wait.result(60).decode())
PYTHON);
foreach ($server->addresses as $address) {
    $target = preg_replace('~^http://~', '', $address);
    echo "-- grpcio\n", shell_exec(implode(' ', array_map(escapeshellarg(...), [__DIR__ . '/../../.venv/bin/python', $script, $target])) . ' 2>&1');
}
?>
--EXPECT--
-- http
8000: Ok 
17000: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
70000: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
1048576: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
4194304: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
Fail 1000: NotFound m…
Fail 60000: NotFound m…… (cut)
Fail 2000000: NotFound m…… (cut)
Trace 1000: Internal DomainException: t… in /tmp/N/script.php:5
Trace 60000: Internal DomainException: t…… (cut)
Trace 2000000: Internal DomainException: t…… (cut)
Headers 1000: Ok 
Headers 60000: Ok 
Headers 2000000: ResourceExhausted the response's headers are N bytes; the client accepts 65536 (SETTINGS_MAX_HEADER_LIST_SIZE)
Trailers 1000: Ok 
Trailers 60000: Ok 
Trailers 2000000: ResourceExhausted the response's trailers are N bytes; the client accepts 65536 (SETTINGS_MAX_HEADER_LIST_SIZE)
the neighbour goes on
-- unix
8000: Ok 
17000: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
70000: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
1048576: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
4194304: ResourceExhausted the request's headers are N bytes; the server accepts 16384 (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent
Fail 1000: NotFound m…
Fail 60000: NotFound m…… (cut)
Fail 2000000: NotFound m…… (cut)
Trace 1000: Internal DomainException: t… in /tmp/N/script.php:5
Trace 60000: Internal DomainException: t…… (cut)
Trace 2000000: Internal DomainException: t…… (cut)
Headers 1000: Ok 
Headers 60000: Ok 
Headers 2000000: ResourceExhausted the response's headers are N bytes; the client accepts 65536 (SETTINGS_MAX_HEADER_LIST_SIZE)
Trailers 1000: Ok 
Trailers 60000: Ok 
Trailers 2000000: ResourceExhausted the response's trailers are N bytes; the client accepts 65536 (SETTINGS_MAX_HEADER_LIST_SIZE)
the neighbour goes on
ResourceExhausted: the response's headers are N bytes; the client accepts 65536 (SETTINGS_MAX_HEADER_LIST_SIZE)
-- grpcio
Meta 8000
Meta 0 RESOURCE_EXHAUSTED True a_size)
Meta 0 RESOURCE_EXHAUSTED True a_size)
Fail 1000 NOT_FOUND True mmmmmmm
Fail 9000 NOT_FOUND True … (cut)
Fail 60000 NOT_FOUND True … (cut)
Fail 2000000 NOT_FOUND True … (cut)
Trace 1000 INTERNAL True  {main}
Trace 9000 INTERNAL True … (cut)
Trace 60000 INTERNAL True … (cut)
Trace 2000000 INTERNAL True … (cut)
Headers sent
Headers 60000 RESOURCE_EXHAUSTED True T_SIZE)
Trailers sent
Trailers 60000 RESOURCE_EXHAUSTED True T_SIZE)
the neighbour goes on
-- grpcio
Meta 8000
Meta 0 RESOURCE_EXHAUSTED True a_size)
Meta 0 RESOURCE_EXHAUSTED True a_size)
Fail 1000 NOT_FOUND True mmmmmmm
Fail 9000 NOT_FOUND True … (cut)
Fail 60000 NOT_FOUND True … (cut)
Fail 2000000 NOT_FOUND True … (cut)
Trace 1000 INTERNAL True  {main}
Trace 9000 INTERNAL True … (cut)
Trace 60000 INTERNAL True … (cut)
Trace 2000000 INTERNAL True … (cut)
Headers sent
Headers 60000 RESOURCE_EXHAUSTED True T_SIZE)
Trailers sent
Trailers 60000 RESOURCE_EXHAUSTED True T_SIZE)
the neighbour goes on
