--TEST--
What a forked child inherits: calls and streams end Unavailable, nothing hangs, the parent's go on
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

/** Runs a function in a child and prints how that ended. */
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
$short = fn(callable $use) => outcome(function () use ($use) {
    try {
        return $use();
    } catch (Viaduct\RpcException $e) {
        return $e->statusCode()->name;
    }
});

// The sockets that a program has which takes a child's place; the test may have been given some.
$scratch = scratch();
$sockets = fn(string $to) => pcntl_exec('/bin/sh', ['-c', "ls -l /proc/self/fd | grep -c socket > $scratch/$to; exit 6"]);
child('exec before all', fn() => $sockets('before'));

$server = ServerProcess::start(<<<'PHP'
$server->handle('/in.A/Echo', fn(string $in): string => $in);
$server->handle('/in.A/Slow', function (string $in): string { delay((float) $in); return 'slow'; });
$server->handle('/in.A/Count', function (string $in): iterable { for ($i = 0; $i < 1000; $i++) { yield (string) $i; } });
$server->handle('/in.A/Join', fn(RequestStream $in): string => implode('', iterator_to_array($in)));
$server->handle('/in.A/Chat', function (RequestStream $in): iterable { yield from $in; });
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
$channel->unary('/in.A/Echo', '');
child('never uses it', function () {});
child('only destroys', function () use (&$channel) { $channel = null; gc_collect_cycles(); });
child('closes', function () use ($channel) { $channel->close(); });

$slow = $channel->start('/in.A/Slow', '1.5');
$count = $channel->serverStream('/in.A/Count', '');
$up = $channel->clientStream('/in.A/Join');
$up->send('a');
$chat = $channel->bidi('/in.A/Chat');
$chat->send('a');
echo $count->receive(), $chat->receive(), "\n";
$all = [&$slow, &$count, &$up, &$chat];
child('with open calls', function () {});
child('destroys open calls', function () use (&$all) { foreach ($all as &$one) $one = null; gc_collect_cycles(); });
child('uses inherited calls', function () use ($slow, $count, $up, $chat, $short) {
    $short(fn() => $slow->wait());
    $short(fn() => json_encode($slow->done()) . $slow->status()->code->name);
    $short(fn() => $count->receive());
    $short(fn() => $up->send('x'));
    $short(fn() => $up->finish());
    $short(fn() => $chat->send('x'));
    $short(fn() => $chat->receive());
    $short(fn() => $slow->cancel() ?? $count->cancel() ?? $up->cancel() ?? $chat->cancel() ?? 'cancelled');
    $short(fn() => json_encode($count->headers()) . $count->peer());
});
child('calls on the channel', function () use ($channel) { echo $channel->unary('/in.A/Echo', 'from the child', timeout: 10), "\n"; });
child('fork of a fork', function () use ($channel) {
    echo $channel->unary('/in.A/Echo', 'child', timeout: 10), "\n";
    $pid = pcntl_fork();
    if ($pid === 0) {
        ob_clean();
        echo $channel->unary('/in.A/Echo', 'grandchild', timeout: 10), "\n";
        fwrite(STDOUT, ob_get_clean());
        exit(0);
    }
    pcntl_waitpid($pid, $status);
    echo 'grandchild ', $status, "\n", $channel->unary('/in.A/Echo', 'child again', timeout: 10), "\n";
});
child('exec', function () { pcntl_exec('/bin/sh', ['-c', 'exit 5']); });
child('exec after a call', function () use ($channel, $sockets) { $channel->unary('/in.A/Echo', '', timeout: 10); $sockets('after'); });
echo file_get_contents("$scratch/after") - file_get_contents("$scratch/before"), " more sockets\n";
child('killed', function () use ($channel) { posix_kill(posix_getpid(), SIGKILL); });
child('with a task that waits', function () { $task = Viaduct\async(fn() => Viaduct\delay(30)); });
$task = Viaduct\async(function () use ($channel) { Viaduct\delay(0.5); return $channel->unary('/in.A/Echo', 'task'); });
child('inherits a task that waits', function () {});
child('throws away a task that waits', function () use (&$task) { $task = null; gc_collect_cycles(); });
echo "the parent's own:\n";
echo $task->wait(), "\n";
outcome(fn() => $slow->wait());
$rest = 0;
while ($count->receive() !== null) $rest++;
echo $rest, "\n";
$up->send('b');
outcome(fn() => $up->finish());
$chat->send('b');
outcome(fn() => $chat->receive());
$chat->halfClose();
outcome(fn() => $chat->receive());
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
exec before all: exit 6
never uses it: exit 0
only destroys: exit 0
closes: exit 0
0a
with open calls: exit 0
destroys open calls: exit 0
OK Unavailable
OK trueUnavailable
OK Unavailable
OK Unavailable
OK Unavailable
OK Unavailable
OK Unavailable
OK cancelled
OK Unavailable
uses inherited calls: exit 0
from the child
calls on the channel: exit 0
grandchild
child
grandchild 0
child again
fork of a fork: exit 0
exec: exit 5
exec after a call: exit 6
0 more sockets
killed: signal 9
with a task that waits: exit 0
inherits a task that waits: exit 0
throws away a task that waits: exit 0
the parent's own:
task
OK slow
999
OK ab
OK b
OK null
0
