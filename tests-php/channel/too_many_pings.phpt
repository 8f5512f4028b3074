--TEST--
A server that finds PINGs too frequent is sent half as many, until a long call lives
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!is_executable(__DIR__ . '/../../.venv/bin/python')) die('skip .venv is missing: scripts/setup test'); ?>
--FILE--
<?php
require __DIR__ . '/../support/process.php';
require __DIR__ . '/../support/server.php';

// grpcio, as strict as one wishes: it closes a connection at the second PING within a second.
file_put_contents($script = scratch() . '/server.py', <<<'PYTHON'
import sys, time
from concurrent import futures
import grpc

def wait(request, context):
    for n in range(300):
        if not context.is_active():
            return
        time.sleep(0.01)
    yield b'lived'

class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(wait)

options = [('grpc.http2.min_ping_interval_without_data_ms', 1000), ('grpc.http2.min_recv_ping_interval_without_data_ms', 1000), ('grpc.http2.max_ping_strikes', 1)]
server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Handler()], options=options)
port = server.add_insecure_port('127.0.0.1:0')
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(0)
PYTHON);
$server = new Process([__DIR__ . '/../../.venv/bin/python', $script]);
$port = (int) $server->line();

/** How many calls of three seconds were cut before one lived. */
function cut(callable $call): int
{
    for ($n = 0; $n < 12; $n++) {
        $details = $call();
        if ($details === 'lived') {
            return $n;
        }
        if (!preg_match('/too[_ ]many[_ ]pings|ENHANCE_YOUR_CALM/i', $details)) {
            throw new Exception($details);
        }
    }
    return $n;
}
$options = new Viaduct\ChannelOptions(keepalive: 0.2, initialBackoff: 0.01);
$channel = new Viaduct\Channel("http://127.0.0.1:$port", options: $options);
$cut = cut(function () use ($channel): string {
    try {
        return implode(iterator_to_array($channel->serverStream('/a.B/C', 'x', timeout: patient(30)), false));
    } catch (Viaduct\RpcException $e) {
        return $e->getMessage();
    }
});
// After two without data it sends one a minute: as the official library does, with which such servers live.
echo 'Viaduct: ', $cut === 0 ? 'lived' : "cut $cut times", "\n";
$channel = new Grpc\Channel("127.0.0.1:$port", ['grpc.keepalive_time_ms' => 200, 'grpc.http2.max_pings_without_data' => 0, 'grpc.initial_reconnect_backoff_ms' => 10]);
$cut = cut(function () use ($channel): string {
    $call = new Grpc\Call($channel, '/a.B/C', Grpc\Timeval::infFuture());
    $got = $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'x'], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
        Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true]);
    return $got->message ?? $got->status->details;
});
echo 'Grpc: ', $cut > 0 && $cut < 12 ? 'cut, and lived' : "cut $cut times", "\n";
?>
--EXPECT--
Viaduct: lived
Grpc: cut, and lived
