--TEST--
Server::run() and Proxy::run(): a signal with a PHP handler that came shortly before is handled, at once
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\{Proxy, Server, ServerOptions};

$subjects = [
    'a server' => new Server(),
    'a server without fibers' => new Server(new ServerOptions(concurrency: 1)),
    'a proxy' => new Proxy(forwarding('http://127.0.0.1:1')),
];
foreach ($subjects as $name => $subject) {
    pcntl_signal(SIGUSR1, function () use ($name, $subject): void {
        echo "$name is told to stop\n";
        $subject->stop();
    });
    if ($subject instanceof Server) {
        $subject->handle('/before.A/Run', fn(string $in): string => $in);
        $subject->listen('http://127.0.0.1:0');
    }
    // PHP only takes note of it: nothing runs the handler before run() does.
    posix_kill(getmypid(), SIGUSR1);
    $subject->run();
    echo "and has ended\n";
}
?>
--EXPECT--
a server is told to stop
and has ended
a server without fibers is told to stop
and has ended
a proxy is told to stop
and has ended
