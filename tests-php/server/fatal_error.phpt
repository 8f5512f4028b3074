--TEST--
Server: a fatal error in a handler: every call that is here gets its answer, and the process ends with 255
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

afterFatalErrors();
$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
register_shutdown_function(fn() => say('shutdown function'));
$server->handle('/fa.A/Memory', fn(string $in): string => outOfMemory());
$server->handle('/fa.A/Time', function (string $in): string { set_time_limit(1); for (;;); });
$server->handle('/fa.A/Later', function (string $in): string { delay(0.05); return outOfMemory(); });
$server->handle('/fa.A/Many', function (string $in): iterable { yield 'one'; yield outOfMemory(); });
$server->handle('/fa.A/Class', function (string $in): string { eval('class Bad implements Countable {}'); return ''; });
$server->handle('/fa.A/Trigger', function (string $in): string { trigger_error('mine', E_USER_ERROR); });
$server->handle('/fa.A/Task', function (string $in): string { [$a] = await(async(outOfMemory(...))); return $a; });
$server->handle('/fa.A/Other', function (string $in): string { say('other'); delay(30); return 'other finished'; });
serve($server);
say('after');
PHP;
foreach ([256, 2, 1] as $concurrency) {
    foreach (['Memory', 'Time', 'Later', 'Many', 'Class', 'Trigger', 'Task'] as $method) {
        echo "--- $method, concurrency $concurrency\n";
        $server = ServerProcess::start($code, arguments: [$concurrency]);
        $channel = new Channel($server->address);
        if ($concurrency > 1) {
            $other = $channel->start('/fa.A/Other', '');
            Viaduct\delay(0);
            echo $server->line(), "\n";
        }
        // Calls that wait for the connection together arrive in any order.
        $channel->waitForReady(10);
        // Those after the first wait in the queue where it is the only one that may run.
        $calls = $method === 'Many' ? [] : array_map(fn() => $channel->start("/fa.A/$method", ''), range(1, 3));
        // Whichever of them came first ran; in this order, Internal stands first.
        $codes = array_map(fn($call) => $call->status()->code->name, $calls);
        sort($codes);
        foreach ($codes as $n => $ended) {
            if ($concurrency === 1 && $n > 0) {
                echo 'queued: ', in_array($ended, ['Unavailable', 'Internal'], true) ? 'answered' : $ended, "\n";
            } elseif ($n === 0) {
                echo "$ended\n";
            } else {
                echo $ended === 'Ok' ? "OK?\n" : '';
            }
        }
        if ($method === 'Many') {
            $stream = $channel->serverStream('/fa.A/Many', '');
            try {
                while (($message = $stream->receive()) !== null) {
                    echo "$message ";
                }
            } catch (Viaduct\RpcException $e) {
                echo $e->statusCode()->name, "\n";
            }
        }
        if ($concurrency > 1) {
            echo $other->status()->code->name, "\n";
        }
        echo $server->wait(20), ' ', var_export($server->signal, true), "\n", $server->rest(), $server->errors();
        preg_match('/PHP Fatal error:  (.*?)(?: \(tried|$| in )/m', $server->log(), $fatal);
        echo preg_replace('/\d+/', 'N', $fatal[1] ?? 'NOTHING IN THE LOG'), "\n";
    }
}
?>
--EXPECT--
--- Memory, concurrency 256
other
Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Time, concurrency 256
other
Internal
Internal
255 NULL
shutdown function
Maximum execution time of N second exceeded
--- Later, concurrency 256
other
Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Many, concurrency 256
other
one Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Class, concurrency 256
other
Internal
Internal
255 NULL
shutdown function
Class Bad contains N abstract method and must therefore be declared abstract or implement the remaining methods (Countable::count)
--- Trigger, concurrency 256
other
Internal
Internal
255 NULL
shutdown function
mine
--- Task, concurrency 256
other
Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Memory, concurrency 2
other
Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Time, concurrency 2
other
Internal
Internal
255 NULL
shutdown function
Maximum execution time of N second exceeded
--- Later, concurrency 2
other
Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Many, concurrency 2
other
one Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Class, concurrency 2
other
Internal
Internal
255 NULL
shutdown function
Class Bad contains N abstract method and must therefore be declared abstract or implement the remaining methods (Countable::count)
--- Trigger, concurrency 2
other
Internal
Internal
255 NULL
shutdown function
mine
--- Task, concurrency 2
other
Internal
Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Memory, concurrency 1
Internal
queued: answered
queued: answered
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Time, concurrency 1
Internal
queued: answered
queued: answered
255 NULL
shutdown function
Maximum execution time of N second exceeded
--- Later, concurrency 1
Internal
queued: answered
queued: answered
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Many, concurrency 1
one Internal
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
--- Class, concurrency 1
Internal
queued: answered
queued: answered
255 NULL
shutdown function
Class Bad contains N abstract method and must therefore be declared abstract or implement the remaining methods (Countable::count)
--- Trigger, concurrency 1
Internal
queued: answered
queued: answered
255 NULL
shutdown function
mine
--- Task, concurrency 1
Internal
queued: answered
queued: answered
255 NULL
shutdown function
Allowed memory size of N bytes exhausted
