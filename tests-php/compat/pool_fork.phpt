--TEST--
Grpc\Channel: a forked child has connections of its own, and the parent keeps its
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Grpc\{Channel, Timeval};

function ready(Channel $channel): bool
{
    $channel->getConnectivityState(true);
    while (($state = $channel->getConnectivityState()) === Grpc\CHANNEL_CONNECTING) {
        $channel->watchConnectivityState($state, Timeval::infFuture());
    }
    return $state === Grpc\CHANNEL_READY;
}
/** Runs a function in a child; its exit code. */
function child(callable $function): void
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        exit($function() ? 7 : 1);
    }
    pcntl_waitpid($pid, $status);
    echo pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'signal', "\n";
}
$server = new Wrong('echo');
$target = "127.0.0.1:$server->port";
$channel = new Channel($target, []);
var_dump(ready($channel), $server->reaches('open', 1));
echo "does nothing: ";
child(fn() => true);
echo "closes: ";
child(function () use ($channel) { $channel->close(); return true; });
echo "finds an idle one: ";
child(fn() => $channel->getConnectivityState() === Grpc\CHANNEL_IDLE && (new Channel($target, []))->getConnectivityState() === Grpc\CHANNEL_IDLE);
echo "connects: ";
child(fn() => ready($channel) && (new Channel($target, []))->getConnectivityState() === Grpc\CHANNEL_READY);
echo "makes another: ";
child(fn() => ready(new Channel($target, ['a' => 1])) && ready(new Channel($target, ['grpc_target_persist_bound' => 0])));
echo "the parent's: ";
var_dump($server->reaches('open', 1), $channel->getConnectivityState() === Grpc\CHANNEL_READY, (new Channel($target, []))->getConnectivityState() === Grpc\CHANNEL_READY);
?>
--EXPECT--
bool(true)
bool(true)
does nothing: 7
closes: 7
finds an idle one: 7
connects: 7
makes another: 7
the parent's: bool(true)
bool(true)
bool(true)
