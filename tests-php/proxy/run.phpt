--TEST--
Proxy::run(): SIGTERM, SIGINT and stop() drain it, a second signal a second later cuts, exit() in a task drains before it ends
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\Channel;

$server = echoing();
$code = <<<'PHP'
$proxy = new Proxy($argv[1]);
announce(...$proxy->listen());
register_shutdown_function(fn() => say('shutdown'));
switch ($argv[2]) {
    case 'task':
        async(function () use ($proxy, $argv): void {
            while (!is_file($argv[3])) delay(0.01);
            $proxy->stop();
            say('told');
        });
        break;
    case 'handler':
        pcntl_signal(SIGUSR1, function () use ($proxy): void { $proxy->stop(); say('told'); });
        break;
    case 'exit':
        async(function () use ($argv): void {
            while (!is_file($argv[3])) delay(0.01);
            say('exits');
            exit(3);
        });
        break;
}
// Signals are caught from the moment on that tasks run in run().
async(function (): void { delay(0.001); say('ready'); });
$proxy->run();
say('run() has returned, ' . count($proxy->addresses()) . ' addresses');
PHP;
$tell = [
    'SIGTERM' => fn($proxy) => $proxy->send(SIGTERM),
    'SIGINT' => fn($proxy) => $proxy->send(SIGINT),
    'task' => fn($proxy, $file) => touch($file),
    'handler' => fn($proxy) => $proxy->send(SIGUSR1),
    'exit' => fn($proxy, $file) => touch($file),
];
foreach ($tell as $how => $do) {
    echo "--- $how\n";
    $file = scratch() . "/go-$how";
    $proxy = ServerProcess::start($code, arguments: [forwarding($server), $how, $file]);
    echo $proxy->line(), "\n";
    $channel = new Channel($proxy->address);
    $chat = $channel->bidi('/p.Echo/Chat', timeout: 60);
    $chat->send('before');
    echo $chat->receive(), "\n";
    $do($proxy, $file);
    var_dump(refused($proxy->address), $proxy->alive());
    $chat->send('it runs on');
    echo $chat->receive(), "\n";
    $chat->halfClose();
    var_dump($chat->receive());
    echo $proxy->wait(), "\n", $proxy->rest(), $proxy->errors(), $proxy->log();
}
echo "--- a second signal\n";
$proxy = ServerProcess::start($code, arguments: [forwarding($server, 'grace = "10m"'), '', '']);
echo $proxy->line(), "\n";
$channel = new Channel($proxy->address);
$chat = $channel->bidi('/p.Echo/Chat', timeout: 60);
$chat->send('before');
echo $chat->receive(), "\n";
$proxy->send(SIGTERM);
$proxy->send(SIGTERM);
var_dump(refused($proxy->address), $proxy->alive());
$chat->send('it runs on');
echo $chat->receive(), "\n";
echo $proxy->insist(SIGINT), "\n", $proxy->rest(), $proxy->errors(), $proxy->log();
outcome(fn() => $chat->receive());
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
--- SIGTERM
ready
before
bool(true)
bool(true)
it runs on
NULL
0
run() has returned, 0 addresses
shutdown
--- SIGINT
ready
before
bool(true)
bool(true)
it runs on
NULL
0
run() has returned, 0 addresses
shutdown
--- task
ready
before
bool(true)
bool(true)
it runs on
NULL
0
told
run() has returned, 0 addresses
shutdown
--- handler
ready
before
bool(true)
bool(true)
it runs on
NULL
0
told
run() has returned, 0 addresses
shutdown
--- exit
ready
before
bool(true)
bool(true)
it runs on
NULL
3
exits
shutdown
--- a second signal
ready
before
bool(true)
bool(true)
it runs on
0
run() has returned, 0 addresses
shutdown
Viaduct\RpcException Unavailable: the peer closed the connection while receiving the answer
0
