--TEST--
Proxy: it belongs to its process; a forked child says so, makes its own, and holds nothing of its parent's
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\{Channel, Proxy};

/** Runs a function in a child and prints what it said and how that ended. */
function child(string $name, callable $function): void
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        ob_start();
        $function();
        fwrite(STDOUT, ob_get_clean());
        exit(0);
    }
    $ended = eventually(function () use ($pid, &$status) { return pcntl_waitpid($pid, $status, WNOHANG) === $pid; }, 20);
    if (!$ended) {
        posix_kill($pid, SIGKILL);
        pcntl_waitpid($pid, $status);
    }
    echo "$name: ", !$ended ? 'HANGS' : (pcntl_wifexited($status) ? 'exit ' . pcntl_wexitstatus($status) : 'signal ' . pcntl_wtermsig($status)), "\n";
}
$server = echoing();
$proxy = new Proxy(forwarding($server));
$later = new Proxy(forwarding($server));
[$address] = $proxy->listen();
$channel = new Channel($address);
$chat = $channel->bidi('/p.Echo/Chat', timeout: 60);
$chat->send('before');
echo $chat->receive(), "\n";

child('never uses it', function () {});
child('destroys it', function () use (&$proxy) { $proxy = null; gc_collect_cycles(); });
child('uses it', function () use ($proxy, $server) {
    outcome(fn() => $proxy->addresses());
    outcome(fn() => $proxy->listen());
    outcome(fn() => $proxy->reload(forwarding($server)));
    outcome(fn() => $proxy->stop());
    outcome(fn() => $proxy->run());
});
child('makes its own', function () use ($server) {
    $own = new Proxy(forwarding($server));
    outcome(fn() => (new Channel($own->listen()[0]))->unary('/p.Echo/Unary', 'own', timeout: 20));
    $own->stop(0);
});
child('runs what did not listen yet', function () use ($later) {
    outcome(fn() => (new Channel($later->listen()[0]))->unary('/p.Echo/Unary', 'later', timeout: 20));
    $later->stop(0);
});
echo "the parent's own:\n";
$chat->send('goes on');
echo $chat->receive(), "\n";
$chat->halfClose();
var_dump($chat->receive());
outcome(fn() => $channel->unary('/p.Echo/Unary', 'calls, too', timeout: 20));

// A child that lives on holds no socket of the proxy's.
$child = pcntl_fork();
if ($child === 0) {
    for ($n = 0; $n < 6000; $n++) usleep(10_000);
    exit(0);
}
$proxy->stop();
var_dump(refused($address));
posix_kill($child, SIGKILL);
pcntl_waitpid($child, $status);

echo "--- inside run()\n";
$forks = ServerProcess::start(<<<'PHP'
$proxy = new Proxy($argv[1]);
announce(...$proxy->listen());
Viaduct\async(function () use ($proxy, $argv) {
    delay(0);
    $pid = pcntl_fork();
    if ($pid === 0) return;
    pcntl_waitpid($pid, $status);
    say('the child ended: ' . pcntl_wexitstatus($status));
});
$parent = posix_getpid();
$proxy->run();
if (posix_getpid() !== $parent) {
    try {
        $proxy->stop();
    } catch (Viaduct\LogicException $e) {
        say($e->getMessage());
        exit(5);
    }
}
say('run() has returned');
PHP, arguments: [forwarding($server)]);
echo $forks->line(), "\n", $forks->line(), "\n";
$channel = new Channel($forks->address);
outcome(fn() => $channel->unary('/p.Echo/Unary', 'the parent forwards', timeout: 20));
echo $forks->stop(), ' ', $forks->rest(), $forks->errors(), $forks->log();
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
before
never uses it: exit 0
destroys it: exit 0
Viaduct\LogicException: the proxy runs in the parent of this process; a forked child starts its own
Viaduct\LogicException: the proxy runs in the parent of this process; a forked child starts its own
Viaduct\LogicException: the proxy runs in the parent of this process; a forked child starts its own
Viaduct\LogicException: the proxy runs in the parent of this process; a forked child starts its own
Viaduct\LogicException: the proxy runs in the parent of this process; a forked child starts its own
uses it: exit 0
OK own
makes its own: exit 0
OK later
runs what did not listen yet: exit 0
the parent's own:
goes on
NULL
OK calls, too
bool(true)
--- inside run()
the proxy runs in the parent of this process; a forked child starts its own
the child ended: 5
OK the parent forwards
0 run() has returned
0
