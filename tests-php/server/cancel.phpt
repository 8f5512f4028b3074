--TEST--
Server: deadlines and cancellation reach the handler where it waits, and the answer does not wait for it
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
$told = function (callable $wait) {
    return function (...$arguments) use ($wait) {
        try {
            say('waits');
            return $wait(...$arguments);
        } catch (CancelledException $e) {
            say('cancelled: ' . $e->statusCode()->name);
            throw $e;
        } finally {
            say('finally');
        }
    };
};
$self = null;
$delay = $told(fn() => delay(60) ?? '');
$server->handle('/ca.A/Delay', fn(string $in): string => $delay());
$receive = $told(function (RequestStream $in) { foreach ($in as $m) say("got $m"); return 'end'; });
$server->handle('/ca.A/Receive', fn(RequestStream $in): string => $receive($in));
$server->handle('/ca.A/Yield', function (string $in): iterable {
    try {
        say('waits');
        $n = 0;
        for (;;) { yield str_repeat('x', 10_000); $n++; }
    } finally {
        say('finally');
    }
});
$server->handle('/ca.A/Chat', function (RequestStream $in): iterable {
    try {
        foreach ($in as $m) yield $m;
    } catch (CancelledException $e) {
        say('cancelled: ' . $e->statusCode()->name);
        throw $e;
    } finally {
        say('finally');
    }
});
$await = $told(fn() => await(async(function () { delay(60); return ''; }))[0]);
$server->handle('/ca.A/Await', fn(string $in): string => $await());
$server->handle('/ca.A/Busy', function (string $in, Context $c): string {
    say('waits');
    $end = microtime(true) + 30;
    while (!$c->isCancelled() && microtime(true) < $end);
    say($c->isCancelled() ? 'saw it' : 'saw nothing');
    return 'too late';
});
$server->handle('/ca.A/Loop', function (string $in): string {
    say('waits');
    for ($end = microtime(true) + 60; !is_file($in) && microtime(true) < $end;) clearstatcache();
    say(is_file($in) ? 'loop ended' : 'the answer waited for the handler');
    return 'too late';
});
$server->handle('/ca.A/Catch', function (string $in, Context $c): string {
    try {
        say('waits');
        delay(60);
    } catch (CancelledException) {
        // A handler that goes on: its waits end at once.
        try { delay(60); say('waited'); } catch (CancelledException) { say('and again'); }
        say(json_encode($c->isCancelled()));
    }
    return 'nobody hears';
});
$server->handle('/ca.A/Echo', fn(string $in): string => $in);
serve($server);
PHP;
// Where both sides have a timer, the client's reset may come before the server's own.
$say = function (ServerProcess $server, int $lines) {
    while ($lines-- > 0) echo '    ', preg_replace('/^(cancelled): DeadlineExceeded$/', '$1: Cancelled', $server->line(15)), "\n";
};
foreach ([256, 1] as $concurrency) {
    echo "=== concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: [$concurrency]);
    $channel = new Channel($server->address);
    foreach (['Delay' => 2, 'Await' => 2, 'Catch' => 2] as $method => $lines) {
        echo "$method, deadline\n";
        $start = microtime(true);
        outcome(fn() => $channel->unary("/ca.A/$method", '', timeout: patient(0.2)));
        $say($server, $lines + 1);
        echo "$method, cancelled by the client\n";
        $call = $channel->start("/ca.A/$method", '');
        Viaduct\delay(0);
        $say($server, 1);
        $call->cancel();
        outcome(fn() => $call->wait());
        Viaduct\delay(0);
        $say($server, $lines);
        echo "$method, the client goes away\n";
        $other = new Channel($server->address, options: new Viaduct\ChannelOptions(persistent: false));
        $call = $other->start("/ca.A/$method", '');
        Viaduct\delay(0);
        $say($server, 1);
        $other->close();
        Viaduct\delay(0.01);
        $say($server, $lines);
    }
    echo "Receive, deadline\n";
    $up = $channel->clientStream('/ca.A/Receive', timeout: 10);
    $up->send('a');
    outcome(fn() => $up->finish());
    $say($server, 3);
    $up = $channel->clientStream('/ca.A/Receive', timeout: patient(0.3));
    $up->send('a');
    Viaduct\delay(0);
    $say($server, 2);
    Viaduct\delay(patient(0.5));
    outcome(fn() => $up->finish());
    $say($server, 2);
    echo "Receive, cancelled\n";
    $up = $channel->clientStream('/ca.A/Receive');
    $up->send('a');
    Viaduct\delay(0);
    $say($server, 2);
    $up->cancel();
    Viaduct\delay(0.01);
    $say($server, 2);
    echo "Chat, cancelled\n";
    $chat = $channel->bidi('/ca.A/Chat');
    $chat->send('a');
    echo $chat->receive(), "\n";
    $chat->cancel();
    Viaduct\delay(0.01);
    $say($server, 2);
    echo "Yield, cancelled\n";
    $stream = $channel->serverStream('/ca.A/Yield', '');
    $stream->receive();
    $say($server, 1);
    $stream->cancel();
    Viaduct\delay(0.01);
    $say($server, 1);
    echo "Yield, nobody reads\n";
    $stream = $channel->serverStream('/ca.A/Yield', '');
    $stream->receive();
    $say($server, 1);
    Viaduct\delay(0.1);
    unset($stream);
    Viaduct\delay(0.01);
    $say($server, 1);
    echo "Busy, deadline\n";
    outcome(fn() => $channel->unary('/ca.A/Busy', '', timeout: patient(0.2)));
    $say($server, 2);
    echo "Busy, cancelled\n";
    $call = $channel->start('/ca.A/Busy', '');
    Viaduct\delay(0);
    $say($server, 1);
    $call->cancel();
    Viaduct\delay(0.01);
    $say($server, 1);
    echo "Loop, deadline: answered while PHP computes\n";
    $answered = scratch() . "/answered-$concurrency";
    $start = microtime(true);
    outcome(fn() => $channel->unary('/ca.A/Loop', $answered, timeout: patient(0.3)));
    $took = microtime(true) - $start;
    echo $took < patient(2.5) ? '' : "after $took\n", $server->rest();
    touch($answered);
    $say($server, 2);
    outcome(fn() => $channel->unary('/ca.A/Echo', 'alive'));
    echo $server->stop(), "\n", $server->rest(), $server->errors(), $server->log();
}
?>
--EXPECT--
=== concurrency 256
Delay, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    cancelled: Cancelled
    finally
Delay, cancelled by the client
    waits
Viaduct\CancelledException Cancelled: the call was cancelled by this side
    cancelled: Cancelled
    finally
Delay, the client goes away
    waits
    cancelled: Cancelled
    finally
Await, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    cancelled: Cancelled
    finally
Await, cancelled by the client
    waits
Viaduct\CancelledException Cancelled: the call was cancelled by this side
    cancelled: Cancelled
    finally
Await, the client goes away
    waits
    cancelled: Cancelled
    finally
Catch, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    and again
    true
Catch, cancelled by the client
    waits
Viaduct\CancelledException Cancelled: the call was cancelled by this side
    and again
    true
Catch, the client goes away
    waits
    and again
    true
Receive, deadline
OK end
    waits
    got a
    finally
    waits
    got a
Viaduct\RpcException DeadlineExceeded
    cancelled: Cancelled
    finally
Receive, cancelled
    waits
    got a
    cancelled: Cancelled
    finally
Chat, cancelled
a
    cancelled: Cancelled
    finally
Yield, cancelled
    waits
    finally
Yield, nobody reads
    waits
    finally
Busy, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    saw it
Busy, cancelled
    waits
    saw it
Loop, deadline: answered while PHP computes
Viaduct\RpcException DeadlineExceeded
waits
    waits
    loop ended
OK alive
0
run() has returned
=== concurrency 1
Delay, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    cancelled: Cancelled
    finally
Delay, cancelled by the client
    waits
Viaduct\CancelledException Cancelled: the call was cancelled by this side
    cancelled: Cancelled
    finally
Delay, the client goes away
    waits
    cancelled: Cancelled
    finally
Await, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    cancelled: Cancelled
    finally
Await, cancelled by the client
    waits
Viaduct\CancelledException Cancelled: the call was cancelled by this side
    cancelled: Cancelled
    finally
Await, the client goes away
    waits
    cancelled: Cancelled
    finally
Catch, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    and again
    true
Catch, cancelled by the client
    waits
Viaduct\CancelledException Cancelled: the call was cancelled by this side
    and again
    true
Catch, the client goes away
    waits
    and again
    true
Receive, deadline
OK end
    waits
    got a
    finally
    waits
    got a
Viaduct\RpcException DeadlineExceeded
    cancelled: Cancelled
    finally
Receive, cancelled
    waits
    got a
    cancelled: Cancelled
    finally
Chat, cancelled
a
    cancelled: Cancelled
    finally
Yield, cancelled
    waits
    finally
Yield, nobody reads
    waits
    finally
Busy, deadline
Viaduct\RpcException DeadlineExceeded
    waits
    saw it
Busy, cancelled
    waits
    saw it
Loop, deadline: answered while PHP computes
Viaduct\RpcException DeadlineExceeded
waits
    waits
    loop ended
OK alive
0
run() has returned
