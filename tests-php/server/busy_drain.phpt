--TEST--
Server: handlers that do not come back (a loop, a lock) do not outlive drainTimeout; the log says where they are
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
register_shutdown_function(fn() => say('SHUTDOWN'));
function spin(): void
{
    while (true) {
    }
}
// Not sleep(), which a signal ends.
class Blocks { static function now(): void { flock(fopen($GLOBALS['argv'][3], 'c'), LOCK_EX); } }
$server = new Server(new ServerOptions(concurrency: (int) $argv[1], drainTimeout: (float) $argv[2]));
$server->handle('/bd.A/Spin', function (string $in): string { say('busy'); spin(); return ''; });
$server->handle('/bd.A/Lock', function (string $in): string { say('busy'); Blocks::now(); return ''; });
$server->handle('/bd.A/Task', function (string $in): string { return async(function () { say('busy'); spin(); })->wait(); });
$server->handle('/bd.A/Fiber', function (string $in): string { (new Fiber(function () { say('busy'); spin(); }))->start(); return ''; });
$server->handle('/bd.A/Stop', function (string $in) use ($server): string { $server->stop(); say('busy'); spin(); return ''; });
$server->handle('/bd.A/Wait', function (string $in): string { say('waits'); delay(100); return ''; });
$server->handle('/bd.A/Until', function (string $in): string { say('busy'); for ($end = microtime(true) + (float) $in; microtime(true) < $end;); return 'in time'; });
$server->handle('/bd.A/Main', function (string $in): string { say('busy'); try { delay(100); } catch (CancelledException $e) { say('cancelled'); throw $e; } return ''; });
serve($server);
PHP;

function ending(Viaduct\UnaryCall $call): string
{
    $status = $call->status();
    return $status->code->name . ': ' . $status->message;
}
function logged(ServerProcess $server): string
{
    return preg_replace(
        // A function that is compiled tells the line of its last call only, or where it begins.
        ['/^\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d UTC\] /m', '~/\S+/(script.php)~', '/for [\d.]+ s;/', '/:[345] in spin/'],
        ['[time] ', '$1', 'for N s;', ':N in spin'], $server->log());
}

$lock = scratch() . '/lock';
$held = fopen($lock, 'c');
flock($held, LOCK_EX);
foreach ([['Spin', 256], ['Lock', 256], ['Task', 256], ['Fiber', 256], ['Stop', 256], ['Spin', 1], ['Lock', 1]] as [$method, $concurrency]) {
    echo "--- $method, concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: [$concurrency, 0.2, $lock]);
    $channel = new Channel($server->address);
    $other = new Channel($server->address);
    $calls = [];
    if ($concurrency > 1) {
        $calls[] = $other->start('/bd.A/Wait', '', timeout: 60);
        Viaduct\delay(0);
        echo $server->line(), "\n";
    }
    $calls[] = $channel->start("/bd.A/$method", '', timeout: 60);
    Viaduct\delay(0);
    echo $server->line(), "\n";
    $started = microtime(true);
    if ($method !== 'Stop') {
        // It waits for its turn, which does not come. The next one the engine answers by itself: then it has seen both.
        $calls[] = $other->start('/bd.A/Wait', 'queued', timeout: 60);
        outcome(fn() => $other->unary('/bd.A/None', '', timeout: 60));
        $started = microtime(true);
        $server->send(SIGTERM);
    }
    foreach ($calls as $call) {
        echo ending($call), "\n";
    }
    echo $server->wait(10), ' ', $server->rest(), $server->errors(), "\n";
    $took = microtime(true) - $started;
    echo $took < 0.15 || $took > patient(5) ? "AFTER $took\n" : '', logged($server);
}

echo "--- it comes back in time\n";
$server = ServerProcess::start($code, arguments: [256, 20]);
$channel = new Channel($server->address);
$call = $channel->start('/bd.A/Until', '0.5', timeout: 60);
Viaduct\delay(0);
echo $server->line(), "\n";
$server->send(SIGTERM);
// The drain begins while the handler computes: nobody is let in.
$port = parse_url($server->address, PHP_URL_PORT);
var_dump(eventually(fn() => @fsockopen('127.0.0.1', $port, $errno, $error, 1) === false && $errno === 111), $call->done());
outcome(fn() => $call->wait());
echo $server->wait(10), ' ', $server->rest(), $server->errors(), logged($server);

echo "--- a handler that waits on the main stack\n";
$server = ServerProcess::start($code, arguments: [1, 0.3]);
$channel = new Channel($server->address);
$call = $channel->start('/bd.A/Main', '', timeout: 60);
Viaduct\delay(0);
echo $server->line(), "\n";
$server->send(SIGTERM);
echo ending($call), "\n";
echo $server->wait(10), ' ', $server->rest(), $server->errors(), logged($server);

echo "--- the log on stderr\n";
$server = ServerProcess::start($code, ['error_log' => ''], [256, 0.1, $lock]);
$channel = new Channel($server->address);
$call = $channel->start('/bd.A/Lock', '', timeout: 60);
Viaduct\delay(0);
echo $server->line(), "\n";
$server->send(SIGTERM);
echo ending($call), "\n", $server->wait(10), ' ', $server->rest(), preg_replace(['~/\S+/(script.php)~', '/for [\d.]+ s;/'], ['$1', 'for N s;'], $server->errors()), $server->log();
?>
--EXPECT--
--- Spin, concurrency 256
waits
busy
Viaduct\RpcException Unimplemented: unknown method None of service bd.A
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server process is ending; no handler has run
1 
[time] viaduct: the handler of /bd.A/Spin (script.php:11) has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:N in spin(). The process ends with exit code 1.
--- Lock, concurrency 256
waits
busy
Viaduct\RpcException Unimplemented: unknown method None of service bd.A
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server process is ending; no handler has run
1 
[time] viaduct: the handler of /bd.A/Lock (script.php:12) has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:9 in Blocks::now(), in a call of flock(). The process ends with exit code 1.
--- Task, concurrency 256
waits
busy
Viaduct\RpcException Unimplemented: unknown method None of service bd.A
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server process is ending; no handler has run
1 
[time] viaduct: a task or a fiber that a handler has started has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:N in spin(). The process ends with exit code 1.
--- Fiber, concurrency 256
waits
busy
Viaduct\RpcException Unimplemented: unknown method None of service bd.A
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server process is ending; no handler has run
1 
[time] viaduct: a task or a fiber that a handler has started has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:N in spin(). The process ends with exit code 1.
--- Stop, concurrency 256
waits
busy
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server stops, and the call did not end within its drainTimeout
1 
[time] viaduct: the handler of /bd.A/Stop (script.php:15) has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:N in spin(). The process ends with exit code 1.
--- Spin, concurrency 1
busy
Viaduct\RpcException Unimplemented: unknown method None of service bd.A
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server process is ending; no handler has run
1 
[time] viaduct: the handler of /bd.A/Spin (script.php:11) has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:N in spin(). The process ends with exit code 1.
--- Lock, concurrency 1
busy
Viaduct\RpcException Unimplemented: unknown method None of service bd.A
Unavailable: the server stops, and the call did not end within its drainTimeout
Unavailable: the server process is ending; no handler has run
1 
[time] viaduct: the handler of /bd.A/Lock (script.php:12) has not come back 0.2 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:9 in Blocks::now(), in a call of flock(). The process ends with exit code 1.
--- it comes back in time
busy
bool(true)
bool(false)
OK in time
0 run() has returned
SHUTDOWN
--- a handler that waits on the main stack
busy
Unavailable: the server stops, and the call did not end within its drainTimeout
0 cancelled
run() has returned
SHUTDOWN
--- the log on stderr
busy
Unavailable: the server stops, and the call did not end within its drainTimeout
1 viaduct: the handler of /bd.A/Lock (script.php:12) has not come back 0.1 s after the server was told to stop (drainTimeout), and has blocked all others for N s; it is at script.php:9 in Blocks::now(), in a call of flock(). The process ends with exit code 1.