--TEST--
Server: handlers of PHP's run for every signal, also while it is idle; one for SIGTERM that is installed inside run() does not replace the drain
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1], drainTimeout: 30));
$heard = function (int $signal) { say("signal $signal"); };
foreach ([SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGWINCH, SIGIO, 40] as $signal) pcntl_signal($signal, $heard);
$server->handle('/si.A/Install', function (string $in) use ($heard): string {
    pcntl_signal(SIGTERM, $heard);
    pcntl_signal(SIGURG, $heard);
    return 'installed';
});
$server->handle('/si.A/Wait', function (string $file): string { say('running'); while (!is_file($file)) delay(0.01); return 'finished'; });
serve($server);
say('after');
PHP;
foreach ([256, 1] as $concurrency) {
    echo "--- concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: [$concurrency]);
    $channel = new Channel($server->address);
    foreach ([SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGWINCH, SIGIO, 40] as $signal) {
        $server->send($signal);
        echo $server->line(), $signal === 40 ? "\n" : ', ';
    }
    echo $channel->unary('/si.A/Install', '', timeout: 60.0), "\n";
    $server->send(SIGURG);
    echo $server->line(), "\n";
    $file = scratch() . "/go-signals-$concurrency";
    $call = $channel->start('/si.A/Wait', $file, timeout: 60.0);
    Viaduct\delay(0);
    echo $server->line(), "\n";
    // Both run: the handler and the drain, which lets the call finish.
    $server->send(SIGTERM);
    echo $server->line(), "\n";
    touch($file);
    echo $call->wait(), "\n";
    echo $server->wait(), "\n", $server->rest(), $server->errors(), $server->log();
}
?>
--EXPECT--
--- concurrency 256
signal 1, signal 3, signal 10, signal 12, signal 17, signal 14, signal 28, signal 29, signal 40
installed
signal 23
running
signal 15
finished
0
run() has returned
after
--- concurrency 1
signal 1, signal 3, signal 10, signal 12, signal 17, signal 14, signal 28, signal 29, signal 40
installed
signal 23
running
signal 15
finished
0
run() has returned
after
