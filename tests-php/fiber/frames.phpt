--TEST--
What traces and Reflection show of fibers of ours
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use function Viaduct\{async, delay};

function frames(array $trace): string
{
    return implode(', ', array_map(fn($frame) => ($frame['class'] ?? '') . ($frame['type'] ?? '') . $frame['function'], $trace));
}
function inner(): string { delay(0.001); return frames(debug_backtrace()); }
/** Without directories; and PHP 8.4 says where a closure was made. */
function short(string $trace): string
{
    return preg_replace(['~^.*#~m', '~\{closure:[^}]*\}~', '~/[^\s:(]*/~'], ['#', '{closure}', ''], $trace);
}

echo async(inner(...))->wait(), "\n";
try {
    async(function () { delay(0.001); throw new DomainException('thrown'); })->wait();
} catch (DomainException $e) {
    echo short($e->getTraceAsString()), "\n";
}
ob_start();
async(function () { delay(0.001); debug_print_backtrace(); })->wait();
echo short(ob_get_clean());

echo "--- the callable\n";
$fiber = async(function () { delay(0.001); return Fiber::getCurrent(); })->wait();
$callable = (new ReflectionFiber($fiber))->getCallable();
$function = new ReflectionFunction($callable);
var_dump($function->getName(), $function->isInternal(), $function->getExtensionName(), $function->getNumberOfParameters(), (string) $function->getReturnType(), $function->getClosureScopeClass()->getName());
$method = new ReflectionMethod(Viaduct\Task::class, 'run');
var_dump($method->isPrivate(), $method->isStatic(), $method->invoke(null), $callable());
try { $callable(1); } catch (ArgumentCountError $e) { echo $e->getMessage(), "\n"; }
try { Viaduct\Task::run(); } catch (Error $e) { echo $e->getMessage(), "\n"; }
echo async(fn() => $callable() ?? 'in a task')->wait(), "\n";

echo "--- of a handler\n";
$server = ServerProcess::start(<<<'PHP'
function inner(): string { delay(0.001); return json_encode(array_map(fn($f) => ($f['class'] ?? '') . ($f['type'] ?? '') . $f['function'], debug_backtrace())); }
$server->handle('/fr.A/Trace', fn(string $in): string => inner());
$server->handle('/fr.A/Throw', fn(string $in): string => throw new DomainException('thrown'));
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
echo short(implode(', ', json_decode($channel->unary('/fr.A/Trace', '')))), "\n";
outcome(fn() => $channel->unary('/fr.A/Throw', ''));
echo $server->stop(), "\n", $server->errors();
preg_match_all('/^#\d+ .*$/m', $server->log(), $lines);
echo short(implode("\n", $lines[0])), "\n";
?>
--EXPECT--
inner, Viaduct\Task::run, Viaduct\Task->wait
#0 [internal function]: {closure}()
#1 [internal function]: Viaduct\Task::run()
#2 frames.php(19): Viaduct\Task->wait()
#3 {main}
#0 [internal function]: {closure}()
#1 [internal function]: Viaduct\Task::run()
#2 frames.php(24): Viaduct\Task->wait()
--- the callable
string(3) "run"
bool(true)
string(4) "grpc"
int(0)
string(4) "void"
string(12) "Viaduct\Task"
bool(true)
bool(true)
NULL
NULL
Viaduct\Task::run() expects exactly 0 arguments, 1 given
Call to private method Viaduct\Task::run() from global scope
in a task
--- of a handler
inner, {closure}, Viaduct\Task::run, Viaduct\Server->run, serve
Viaduct\RpcException Internal: internal error
0
#0 [internal function]: {closure}('')
#1 [internal function]: Viaduct\Task::run()
#2 child.php(12): Viaduct\Server->run()
#3 script.php(5): serve(Object(Viaduct\Server))
#4 {main}
