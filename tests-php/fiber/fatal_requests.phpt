--TEST--
Requests that end with a fatal error while fibers wait and idle: their stacks do not stay in a process that goes on
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
// Forty that idle, and forty that wait.
await(...array_map(fn() => async(fn() => delay(0.001)), range(1, 40)));
$waiting = array_map(fn() => async(fn() => delay(1000.0)), range(1, 40));
trigger_error('the end', E_USER_ERROR);
PHP);
file_put_contents("$directory/maps.php", '<?php echo extension_loaded("grpc") ? count(file("/proc/" . getmypid() . "/maps")) : "";');
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($reserved, false);
fclose($reserved);
// What was loaded as "grpc", wherever it lies.
preg_match('/\s(\S*grpc\S*\.so)$/m', file_get_contents('/proc/self/maps'), $library);
$command = [PHP_BINARY, '-d', "extension=$library[1]", '-S', $address, '-t', $directory];
$server = proc_open($command, [1 => ['file', '/dev/null', 'w'], 2 => ['file', '/dev/null', 'w']], $pipes);
$get = fn(string $path) => @file_get_contents("http://$address/$path", context: stream_context_create(['http' => ['ignore_errors' => true, 'timeout' => patient(30)]]));
var_dump(eventually(fn() => $get('maps.php') !== false, 30));
$get('fatal.php');
$before = (int) $get('maps.php');
for ($n = 0; $n < 20; $n++) $get('fatal.php');
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
they are given back
