--TEST--
Clients on a unix socket name the path in :authority, each in its way: servers of both namespaces and the proxy take it as localhost
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!is_executable(__DIR__ . '/../../.venv/bin/python')) die('skip .venv is missing: scripts/setup test'); ?>
--FILE--
<?php
require __DIR__ . '/../support/process.php';
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server->handle('/t.S/Unary', fn(string $in, Context $context): string => "$in {$context->authority()}");
$server->handle('/t.S/Join', function (RequestStream $in, Context $context): string {
    return array_sum(array_map(strlen(...), iterator_to_array($in))) . " {$context->authority()}";
});
announce($server->listen("unix:$argv[1]/viaduct.sock"), $server->listen('http://127.0.0.1:0'));
$server->run();
PHP, arguments: [$directory = scratch()]);
$tcp = preg_replace('~^http://~', '', $server->addresses[1]);
$proxy = ServerProcess::start(<<<'PHP'
$proxy = new Proxy(<<<TOML
    [[listen]]
    address = "unix:$argv[1]/proxy.sock"
    [[group]]
    name = "all"
    members = ["$argv[2]"]
    TOML);
$proxy->listen();
announce('the proxy listens');
$proxy->run();
PHP, arguments: [$directory, $tcp]);
$official = ServerProcess::start(<<<'PHP'
$server = new Grpc\Server([]);
$server->addHttp2Port("unix:$argv[1]/official.sock");
$server->start();
announce('it listens');
for (;;) {
    $seen = $server->requestCall();
    $got = $seen->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message;
    $seen->call->startBatch([
        Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => "$got $seen->host"],
        Grpc\OP_SEND_STATUS_FROM_SERVER => ['code' => 0, 'details' => ''], Grpc\OP_RECV_CLOSE_ON_SERVER => true,
    ]);
}
PHP, arguments: [$directory]);

file_put_contents($script = "$directory/client.py", <<<'PYTHON'
import sys
import grpc

channel = grpc.insecure_channel('unix:' + sys.argv[1])
unary = channel.unary_unary('/t.S/Unary')
for n in range(3):
    print(unary(b'call %d' % n, timeout=60, metadata=[('k', 'v' * 1000)]).decode())
if len(sys.argv) > 2:
    print(channel.stream_unary('/t.S/Join')(iter([b'x' * 100_000] * 20), timeout=60).decode())
PYTHON);
foreach (['viaduct' => 'streams', 'official' => '', 'proxy' => ''] as $which => $more) {
    $command = array_filter([__DIR__ . '/../../.venv/bin/python', $script, "$directory/$which.sock", $more]);
    echo "$which:\n", shell_exec(implode(' ', array_map(escapeshellarg(...), $command)) . ' 2>&1');
}
?>
--EXPECT--
viaduct:
call 0 localhost
call 1 localhost
call 2 localhost
2000000 localhost
official:
call 0 localhost
call 1 localhost
call 2 localhost
proxy:
call 0 localhost
call 1 localhost
call 2 localhost
