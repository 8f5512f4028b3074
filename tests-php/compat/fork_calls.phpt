--TEST--
Grpc: calls before and after a fork, in the parent and in the child; the child ends
--EXTENSIONS--
grpc
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/wrong.php';

function unary(Grpc\Channel $channel, string $message): string
{
    $call = call($channel, '/test.Echo/Unary');
    $call->startBatch(request($message));
    $event = $call->startBatch(RESPONSE);
    return "$event->message " . status($event->status);
}

/** Runs a function in a child: whether it returns true there, and the child ends by itself. */
function child(callable $function): void
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        exit($function() ? 7 : 1);
    }
    $status = 0;
    $ended = function () use ($pid, &$status): bool {
        return pcntl_waitpid($pid, $status, WNOHANG) === $pid;
    };
    if (!eventually($ended, 30)) {
        posix_kill($pid, SIGKILL);
        echo 'THE CHILD DID NOT END, ';
    }
    echo pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'signal', "\n";
}

$server = new Wrong('echo');
$channel = new Grpc\Channel("127.0.0.1:$server->port", []);
echo unary($channel, 'before'), "\n";
$running = call($channel, '/test.Echo/Bidi');
$running->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'sent']]);

echo "a child that does nothing: ";
child(fn() => true);
echo "the parent's next call: ", unary($channel, 'after'), "\n";
echo "a child that calls: ";
child(fn() => unary($channel, 'child') === 'child 0' && unary($channel, 'again') === 'again 0');
echo "the parent's next call: ", unary($channel, 'after'), "\n";
echo "a child that finds the parent's call over: ";
child(function () use ($running): bool {
    $running->cancel();
    $event = $running->startBatch([Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true]);
    return $event->message === null && $event->status->code !== Grpc\STATUS_OK;
});
echo "a child that drops it, and the channel: ";
child(function () use (&$running, &$channel): bool {
    $channel->close();
    $running = $channel = null;
    return gc_collect_cycles() >= 0;
});
echo "a child of a child: ";
child(function () use ($channel): bool {
    $pid = pcntl_fork();
    if ($pid === 0) {
        exit(unary($channel, 'grandchild') === 'grandchild 0' ? 7 : 1);
    }
    pcntl_waitpid($pid, $status);
    return pcntl_wexitstatus($status) === 7 && unary($channel, 'child') === 'child 0';
});
echo "it runs on in the parent: ";
echo $running->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, ', ';
$running->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => 'more'], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
echo $running->startBatch([Grpc\OP_RECV_MESSAGE => true])->message, ', ';
echo status($running->startBatch([Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status), "\n";
echo "twenty children at once: ";
for ($pids = []; count($pids) < 20;) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        exit(unary($channel, 'one of many') === 'one of many 0' ? 7 : 1);
    }
    $pids[] = $pid;
    echo unary($channel, '.')[0];
}
$codes = [];
foreach ($pids as $pid) {
    pcntl_waitpid($pid, $status);
    $codes[] = pcntl_wexitstatus($status);
}
echo ' ', implode(array_unique($codes)), "\n";
?>
--EXPECT--
before 0
a child that does nothing: 7
the parent's next call: after 0
a child that calls: 7
the parent's next call: after 0
a child that finds the parent's call over: 7
a child that drops it, and the channel: 7
a child of a child: 7
it runs on in the parent: sent, more, 0
twenty children at once: .................... 7
