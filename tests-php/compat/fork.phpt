--TEST--
Grpc: calls in a forked child and in its parent; the child ends at once
--EXTENSIONS--
grpc
pcntl
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/server.php';

use const Grpc\{OP_RECV_CLOSE_ON_SERVER, OP_RECV_MESSAGE, OP_SEND_INITIAL_METADATA, OP_SEND_MESSAGE};

$peer = ServerProcess::start(<<<'PHP'
    $server->handle('/test.Echo/Unary', fn(string $in): string => $in);
    $server->handle('/test.Echo/Bidi', function (RequestStream $in): iterable { foreach ($in as $one) { yield $one; } });
    serve($server);
PHP);
$target = substr($peer->address, strlen('http://'));
function echoed(Grpc\Channel $channel, string $text): string
{
    $call = call($channel, '/test.Echo/Unary');
    $call->startBatch(request($text));
    return (string) $call->startBatch(RESPONSE)->message;
}
$pooled = new Grpc\Channel($target, []);
echo echoed($pooled, 'before'), "\n";
// Calls that run at the fork: one of a client, one of a server.
$bidi = call($pooled, '/test.Echo/Bidi');
$bidi->startBatch([OP_SEND_INITIAL_METADATA => [], OP_SEND_MESSAGE => ['message' => 'one']]);
[$server, $toServer] = pair();
$served = call($toServer);
$served->startBatch(request('x'));
$incoming = $server->requestCall()->call;

for ($n = 0; $n < 3; $n++) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        // What was inherited is over, as data; it is not the child's to end.
        $event = $bidi->startBatch(RESPONSE);
        $over = $event->status->code === Grpc\STATUS_UNAVAILABLE && $event->message === null && $event->metadata === [];
        $over = $over && $incoming->startBatch([OP_RECV_MESSAGE => true, OP_RECV_CLOSE_ON_SERVER => true])->cancelled;
        $over = $over && str_starts_with(thrown(fn() => $server->requestCall()), 'RuntimeException');
        $bidi->cancel();
        $incoming->cancel();
        // Calls of its own, also on the channel that it has inherited, and a server.
        $own = echoed($pooled, 'child') === 'child';
        [$second, $toSecond] = pair();
        $call = call($toSecond);
        $call->startBatch(request('x'));
        $second->requestCall()->call->startBatch(answer('y'));
        $own = $own && $call->startBatch(RESPONSE)->message === 'y';
        unset($server, $incoming);
        exit(($over ? 1 : 0) + ($own ? 2 : 0));
    }
    echo echoed($pooled, "parent $n"), "\n";
    pcntl_waitpid($pid, $status);
    echo pcntl_wexitstatus($status), "\n";
}
// The parent's go on.
echo $bidi->startBatch([OP_RECV_MESSAGE => true])->message, "\n";
$bidi->startBatch([OP_SEND_MESSAGE => ['message' => 'two'], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
echo $bidi->startBatch([OP_RECV_MESSAGE => true])->message, ' ', status($bidi->startBatch(RESPONSE)->status), "\n";
$incoming->startBatch(answer('served'));
echo $served->startBatch(RESPONSE)->message, "\n";
// A server that was made, not started, before the fork is the child's to start.
$late = new Grpc\Server();
$port = $late->addHttp2Port('127.0.0.1:0');
$pid = pcntl_fork();
if ($pid === 0) {
    $late->start();
    $incoming = $late->requestCall()->call;
    $incoming->startBatch(answer('by the child'));
    exit(0);
}
unset($late);
echo (function () use ($port) {
    $call = call(new Grpc\Channel("127.0.0.1:$port", []));
    $call->startBatch(request('x'));
    return $call->startBatch(RESPONSE)->message;
})(), "\n";
pcntl_waitpid($pid, $status);
// A child that does nothing ends at once, as it is.
$pid = pcntl_fork();
if ($pid === 0) {
    exit(5);
}
pcntl_waitpid($pid, $status);
echo pcntl_wexitstatus($status), ' ', echoed($pooled, 'after'), "\n";
$peer->stop();
?>
--EXPECT--
before
parent 0
3
parent 1
3
parent 2
3
one
two 0
served
by the child
5 after
