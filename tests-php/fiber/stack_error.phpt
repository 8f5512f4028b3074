--TEST--
Fibers whose stack cannot be had: the call waits or ends ResourceExhausted, a task is an exception; stacks that are too small are refused
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php
require __DIR__ . '/../support/patience.php';
if (underValgrind()) die('skip valgrind needs more address space than there is');
?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, RpcException};

/** A script, as a server or not, that has so many MiB of address space. */
function limited(int $mib, string $code, array $ini, array $arguments = [], bool $serves = true): ServerProcess
{
    // The limit is inherited.
    $before = posix_getrlimit();
    posix_setrlimit(POSIX_RLIMIT_AS, $mib << 20, -1);
    try {
        return ServerProcess::start($code, $ini, $arguments, $serves);
    } finally {
        posix_setrlimit(POSIX_RLIMIT_AS, -1, -1);
    }
}

echo "--- too small\n";
foreach (['48K', '255K'] as $size) {
    foreach ([
        "try { async(fn() => 1); } catch (RuntimeException \$e) { say(\$e->getMessage()); }",
        "\$server->listen('http://127.0.0.1:0'); try { \$server->run(); } catch (RuntimeException \$e) { say(\$e->getMessage()); }",
        "(new Fiber(function () { try { delay(0.001); } catch (RuntimeException \$e) { say(\$e->getMessage()); } }))->start();",
        // Without fibers nothing is refused.
        "delay(0.001); say('main'); \$server = new Server(new ServerOptions(concurrency: 1)); \$server->listen('http://127.0.0.1:0'); \$server->stop(); \$server->run(); say('served');",
    ] as $n => $code) {
        // From 8.3 on PHP itself refuses to run code in a fiber with so small a stack.
        if ($n === 2 && $size === '48K') continue;
        $process = ServerProcess::start($code, ['fiber.stack_size' => $size], serves: false);
        echo $process->wait(), ' ', $process->rest(), $process->errors(), $process->log();
    }
}
$process = ServerProcess::start("say(async(fn() => 'enough')->wait());", ['fiber.stack_size' => '256K'], serves: false);
echo $process->wait(), ' ', $process->rest(), $process->errors(), $process->log();

echo "--- tasks\n";
$process = limited(1500, <<<'PHP'
$tasks = [];
try {
    for (;;) $tasks[] = async(fn() => delay(0.01));
} catch (RuntimeException $e) {
    say($e::class . ' ' . preg_replace('/\d+/', 'N', $e->getMessage()));
}
say(count($tasks) > 3 ? 'some' : 'NONE');
await(...$tasks);
// Those that have ended give theirs to the next.
say(async(fn() => 'again')->wait());
PHP, ['fiber.stack_size' => '64M'], serves: false);
echo $process->wait(), ' ', $process->rest(), $process->errors(), $process->log();

echo "--- a server's calls wait\n";
$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: 1000));
$running = $most = 0;
$server->handle('/st.A/Wait', function (string $in) use (&$running, &$most): string { $most = max($most, ++$running); delay(0.02); $running--; return (string) $most; });
serve($server);
PHP;
$server = limited(1500, $code, ['fiber.stack_size' => '64M']);
$channel = new Channel($server->address);
$answers = Viaduct\await(...array_map(fn() => $channel->start('/st.A/Wait', '', timeout: 60), range(1, 200)));
echo count($answers), ' ', max($answers) > 3 && max($answers) < 40 ? 'few at once' : 'AT ONCE: ' . max($answers), "\n";
echo $server->stop(), "\n", $server->errors();
echo preg_replace(['/^\[.*?\] /m', '/\d+/'], ['', 'N'], $server->log());

echo "--- none for the first\n";
$server = limited(1500, $code, ['fiber.stack_size' => '2G']);
$channel = new Channel($server->address);
$endings = array_map(fn($call) => $call->status(), array_map(fn() => $channel->start('/st.A/Wait', '', timeout: 60), range(1, 20)));
echo implode(' ', array_unique(array_map(fn($status) => $status->code->name . ': ' . preg_replace('/\d+/', 'N', $status->message), $endings))), "\n";
echo $server->stop(), "\n", $server->errors();
echo preg_replace(['/^\[.*?\] /m', '/\d+/'], ['', 'N'], $server->log());
?>
--EXPECT--
--- too small
0 fiber.stack_size is 49152 bytes; Viaduct's fibers need at least 262144 (256K)
0 fiber.stack_size is 49152 bytes; Viaduct's fibers need at least 262144 (256K)
0 main
served
0 fiber.stack_size is 261120 bytes; Viaduct's fibers need at least 262144 (256K)
0 fiber.stack_size is 261120 bytes; Viaduct's fibers need at least 262144 (256K)
0 fiber.stack_size is 261120 bytes; Viaduct's fibers need at least 262144 (256K)
0 main
served
0 enough
--- tasks
0 Viaduct\RuntimeException no fiber can be started: there are N, and the address space is limited to N MiB (ulimit -v)
some
again
--- a server's calls wait
200 few at once
0
viaduct: no fiber can be started: there are N, and the address space is limited to N MiB (ulimit -v); N handlers run, N calls wait until one ends
--- none for the first
ResourceExhausted: the server cannot run the handler: no fiber can be started: there are N, and the address space is limited to N MiB (ulimit -v)
0
viaduct: no fiber can be started: there are N, and the address space is limited to N MiB (ulimit -v); N handlers run, N calls wait until one ends