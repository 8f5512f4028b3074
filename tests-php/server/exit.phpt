--TEST--
Server: exit() in a handler: its call ends Internal, the others finish, the process ends with the code
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
register_shutdown_function(fn() => say('shutdown function'));
$server->handle('/ex.A/Exit', function (string $in): string { exit((int) $in); });
$server->handle('/ex.A/Text', function (string $in): string { exit($in); });
$server->handle('/ex.A/Later', function (string $in): string { delay(0.05); exit((int) $in); });
$server->handle('/ex.A/Many', function (string $in): iterable { yield 'one'; exit((int) $in); });
$server->handle('/ex.A/Finally', function (string $in): string { try { exit((int) $in); } finally { say('finally'); } });
$server->handle('/ex.A/Up', function (RequestStream $in): string { foreach ($in as $m) exit((int) $m); return ''; });
$server->handle('/ex.A/Other', function (string $in): string { say('other'); delay(0.3); return 'other finished'; });
serve($server);
say('after');
PHP;
foreach ([256, 1] as $concurrency) {
    foreach (['Exit' => '3', 'Text' => 'text', 'Later' => '0', 'Many' => '4', 'Finally' => '5', 'Up' => '6'] as $method => $argument) {
        echo "--- $method, concurrency $concurrency\n";
        $server = ServerProcess::start($code, arguments: [$concurrency]);
        $channel = new Channel($server->address);
        if ($concurrency > 1) {
            $other = $channel->start('/ex.A/Other', '');
            Viaduct\delay(0);
            echo $server->line(), "\n";
        }
        outcome(function () use ($channel, $method, $argument) {
            if ($method === 'Up') {
                $up = $channel->clientStream('/ex.A/Up');
                $up->send($argument);
                return $up->finish();
            }
            return $method === 'Many' ? iterator_to_array($channel->serverStream('/ex.A/Many', $argument)) : $channel->unary("/ex.A/$method", $argument);
        });
        if ($concurrency > 1) {
            outcome(fn() => $other->wait());
        }
        echo $server->wait(10), "\n", $server->rest(), $server->errors(), $server->log();
    }
}
?>
--EXPECT--
--- Exit, concurrency 256
other
Viaduct\RpcException Internal: the handler ended its process
OK other finished
3
shutdown function
--- Text, concurrency 256
other
Viaduct\RpcException Internal: the handler ended its process
OK other finished
0
textshutdown function
--- Later, concurrency 256
other
Viaduct\RpcException Internal: the handler ended its process
OK other finished
0
shutdown function
--- Many, concurrency 256
other
Viaduct\RpcException Internal: the handler ended its process
OK other finished
4
shutdown function
--- Finally, concurrency 256
other
Viaduct\RpcException Internal: the handler ended its process
OK other finished
5
shutdown function
--- Up, concurrency 256
other
Viaduct\RpcException Internal: the handler ended its process
OK other finished
6
shutdown function
--- Exit, concurrency 1
Viaduct\RpcException Internal: the handler ended its process
3
shutdown function
--- Text, concurrency 1
Viaduct\RpcException Internal: the handler ended its process
0
textshutdown function
--- Later, concurrency 1
Viaduct\RpcException Internal: the handler ended its process
0
shutdown function
--- Many, concurrency 1
Viaduct\RpcException Internal: the handler ended its process
4
shutdown function
--- Finally, concurrency 1
Viaduct\RpcException Internal: the handler ended its process
5
shutdown function
--- Up, concurrency 1
Viaduct\RpcException Internal: the handler ended its process
6
shutdown function
