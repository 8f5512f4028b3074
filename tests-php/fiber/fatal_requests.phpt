--TEST--
Requests that end with a fatal error while fibers wait and idle: neither their stacks nor what they wait for stays in a process that goes on
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/patience.php';

$directory = sys_get_temp_dir() . '/viaduct-fatal-' . getmypid();
mkdir($directory);
file_put_contents("$directory/fatal.php", <<<'PHP'
<?php
use function Viaduct\{async, await, delay};
// Forty that idle.
await(...array_map(fn() => async(fn() => delay(0.001)), range(1, 40)));
// Forty that wait: with arguments, for each other, in fibers of their own, and for a server that says nothing.
$waiting = array_map(fn($n) => async(fn(...$seconds) => delay(...$seconds), seconds: 1000.0 + $n), range(1, 28));
$waiting[] = async(delay(...), 1000.0);
$waiting[] = async(fn() => $waiting[0]->wait());
$waiting[] = async(await(...), $waiting[1], $waiting[2]);
$waiting[] = async(fn() => (new Fiber(fn() => delay(1000.0)))->start());
$silent = $_GET['silent'];
$channel = new Viaduct\Channel("http://$silent");
$official = new Grpc\Channel($silent, ['credentials' => null]);
$waiting[] = async(fn() => $channel->waitForReady(1000.0));
$waiting[] = async(fn() => $channel->unary('/a.B/C', 'x', timeout: 1000.0));
$waiting[] = async(fn() => $channel->start('/a.B/C', 'x', timeout: 1000.0)->wait());
$waiting[] = async(fn() => iterator_to_array($channel->serverStream('/a.B/C', 'x', timeout: 1000.0)));
$waiting[] = async(function () use ($channel) {
    $upload = $channel->clientStream('/a.B/C', timeout: 1000.0);
    $upload->send('x');
    $upload->finish();
});
$waiting[] = async(fn() => $channel->bidi('/a.B/C', timeout: 1000.0)->receive());
$waiting[] = async(fn() => $channel->bidi('/a.B/C', timeout: 1000.0)->send(str_repeat('x', 4 << 20)));
$waiting[] = async(fn() => (new Grpc\Call($official, '/a.B/C', Grpc\Timeval::infFuture()))->startBatch([
    Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'x'],
    Grpc\OP_SEND_CLOSE_FROM_CLIENT => true, Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true,
]));
foreach ($waiting as $task) $task->done() && exit("a task does not wait\n");
trigger_error('the end', E_USER_ERROR);
PHP);
file_put_contents("$directory/maps.php", '<?php echo extension_loaded("grpc") ? count(file("/proc/" . getmypid() . "/maps")) : "";');
$silent = stream_socket_server('tcp://127.0.0.1:0');
$fatal = 'fatal.php?silent=' . stream_socket_get_name($silent, false);
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($reserved, false);
fclose($reserved);
// What was loaded as "grpc", wherever it lies.
preg_match('/\s(\S*grpc\S*\.so)$/m', file_get_contents('/proc/self/maps'), $library);
afterFatalErrors(request: true);
$command = [PHP_BINARY, '-d', 'display_errors=1', '-d', "extension=$library[1]", '-S', $address, '-t', $directory];
$server = proc_open($command, [1 => ['file', '/dev/null', 'w'], 2 => ['file', '/dev/null', 'w']], $pipes);
$get = fn(string $path) => @file_get_contents("http://$address/$path", context: stream_context_create(['http' => ['ignore_errors' => true, 'timeout' => patient(30)]]));
var_dump(eventually(fn() => $get('maps.php') !== false, 30));
$said = $get($fatal);
echo str_contains($said, "the end") ? "a fatal error\n" : "not that error: $said\n";
$before = (int) $get('maps.php');
for ($n = 0; $n < 20; $n++) $get($fatal);
$after = (int) $get('maps.php');
// A stack is two mappings: 3,200 would have stayed.
echo $before > 0 && $after - $before < 100 ? "they are given back\n" : "from $before to $after mappings\n";
proc_terminate($server);
proc_close($server);
array_map('unlink', glob("$directory/*.php"));
rmdir($directory);
?>
--EXPECT--
bool(true)
a fatal error
they are given back
