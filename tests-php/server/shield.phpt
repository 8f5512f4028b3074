--TEST--
Viaduct\shield() and detached tasks: a handler cleans up after its call was cancelled, and leaves work behind
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, RpcException};
use function Viaduct\{delay, shield};

$code = <<<'PHP'
$back = new Channel($argv[1]);
$record = fn(string $what) => $back->unary('/ba.A/Record', $what, timeout: 60.0);
$server = new Server(new ServerOptions(concurrency: (int) $argv[2]));
foreach (['catch', 'finally'] as $how) {
    $server->handle('/sh.A/' . ucfirst($how), function (string $in) use ($how, $record): string {
        $clean = function () use ($how, $record) {
            try {
                $record('unshielded');
            } catch (CancelledException $e) {
                say("$how: refused");
            }
            say("$how: " . Viaduct\shield(fn() => delay(0.01) ?? $record('shielded')));
            // Tasks under it, too.
            say("$how: " . Viaduct\shield(fn() => async(fn() => $record('in a task'))->wait(), timeout: 60.0));
            try {
                $record('after it');
            } catch (CancelledException $e) {
                say("$how: refused again");
            }
        };
        say('running');
        if ($how === 'catch') {
            try { delay(60); } catch (CancelledException $e) { $clean(); throw $e; }
        } else {
            try { delay(60); } finally { $clean(); }
        }
    });
}
$server->handle('/sh.A/Late', function (string $in): string {
    try {
        return Viaduct\shield(fn() => delay(60) ?? 'in time', 0.01);
    } catch (CancelledException $e) {
        return $e->statusCode()->name . ': ' . $e->getMessage();
    }
});
$server->handle('/sh.A/Detached', function (string $in) use ($record): string {
    foreach ([false, true] as $detached) {
        async(function () use ($detached, $record) {
            try {
                delay(0.3);
                say($record($detached ? 'detached goes on' : 'kept'));
            } catch (RpcException $e) {
                say($detached ? 'detached was cancelled' : 'the other was cancelled');
            }
        }, detached: $detached);
    }
    return 'answered';
});
serve($server);
PHP;
$back = ServerProcess::start(<<<'PHP'
$server->handle('/ba.A/Record', fn(string $in): string => "recorded $in");
serve($server);
PHP);
foreach ([256, 1] as $concurrency) {
    echo "--- concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: [$back->address, $concurrency]);
    $channel = new Channel($server->address);
    foreach (['Catch', 'Finally'] as $method) {
        $call = $channel->start("/sh.A/$method", '', timeout: 60.0);
        delay(0);
        echo $server->line(), "\n";
        $call->cancel();
        for ($n = 0; $n < 4; $n++) echo $server->line(), "\n";
    }
    echo $channel->unary('/sh.A/Late', '', timeout: 60.0), "\n";
    // The deadline passes before the tasks end.
    echo $channel->unary('/sh.A/Detached', '', timeout: 0.2), "\n";
    $lines = [$server->line(), $server->line()];
    sort($lines);
    echo implode("\n", $lines), "\n";
    echo $server->stop(), "\n", $server->errors();
}
echo $back->stop(), "\n";
?>
--EXPECT--
--- concurrency 256
running
catch: refused
catch: recorded shielded
catch: recorded in a task
catch: refused again
running
finally: refused
finally: recorded shielded
finally: recorded in a task
finally: refused again
DeadlineExceeded: the time of Viaduct\shield() is over
answered
recorded detached goes on
the other was cancelled
0
--- concurrency 1
running
catch: refused
catch: recorded shielded
catch: recorded in a task
catch: refused again
running
finally: refused
finally: recorded shielded
finally: recorded in a task
finally: refused again
DeadlineExceeded: the time of Viaduct\shield() is over
answered
recorded detached goes on
the other was cancelled
0
0
