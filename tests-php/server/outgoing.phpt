--TEST--
Server: outgoing calls of a handler suspend it, inherit its deadline and are cancelled with it
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$back = ServerProcess::start(<<<'PHP'
$server->handle('/ba.A/Remaining', fn(string $in, Context $c): string => json_encode($c->timeRemaining() === null ? null : round($c->timeRemaining())));
$server->handle('/ba.A/Wait', function (string $in): string {
    try {
        say('back waits');
        delay(60);
        return '';
    } catch (CancelledException $e) {
        say('back cancelled: ' . $e->statusCode()->name);
        throw $e;
    }
});
$server->handle('/ba.A/Count', function (string $in): iterable { for ($i = 0; $i < (int) $in; $i++) yield (string) $i; });
$server->handle('/ba.A/Sum', function (RequestStream $in): string { $sum = 0; foreach ($in as $m) $sum += (int) $m; return (string) $sum; });
$server->handle('/ba.A/Fail', fn(string $in): string => throw new RpcException(StatusCode::OutOfRange, 'back failed', trailers: ['t' => 'x']));
serve($server);
PHP);
$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[2]));
$back = new Channel($argv[1]);
$server->handle('/fr.A/Remaining', fn(string $in): string => $back->unary('/ba.A/Remaining', '', timeout: $in === '' ? null : (float) $in));
$server->handle('/fr.A/Wait', function (string $in) use ($back): string {
    try {
        return $back->unary('/ba.A/Wait', '');
    } catch (RpcException $e) {
        say('front: ' . $e::class . ' ' . $e->statusCode()->name);
        throw $e;
    }
});
$server->handle('/fr.A/WaitStarted', function (string $in) use ($back): string { return await($back->start('/ba.A/Wait', ''))[0]; });
$server->handle('/fr.A/Count', function (string $in) use ($back): iterable { yield from $back->serverStream('/ba.A/Count', $in); });
$server->handle('/fr.A/Through', function (RequestStream $in) use ($back): iterable {
    foreach ($in as $m) yield $back->unary('/ba.A/Remaining', '') . $m;
});
$server->handle('/fr.A/Sum', function (RequestStream $in) use ($back): string { $up = $back->clientStream('/ba.A/Sum'); foreach ($in as $m) $up->send($m); return $up->finish(); });
$server->handle('/fr.A/Fail', fn(string $in): string => $back->unary('/ba.A/Fail', ''));
$server->handle('/fr.A/Fan', function (string $in) use ($back): string {
    return implode('', await(...array_map(fn() => $back->start('/ba.A/Remaining', ''), range(1, 50))));
});
$server->handle('/fr.A/Echo', fn(string $in): string => $in);
$self = null;
$server->handle('/fr.A/Self', function (string $in) use (&$self): string {
    return (int) $in === 0 ? 'bottom' : $self->unary('/fr.A/Self', (string) ((int) $in - 1)) . ".";
});
$address = $server->listen('http://127.0.0.1:0');
$self = new Channel($address);
announce($address);
$server->run();
PHP;
foreach ([256, 1] as $concurrency) {
    echo "=== concurrency $concurrency\n";
    $front = ServerProcess::start($code, arguments: [$back->address, $concurrency]);
    $channel = new Channel($front->address);
    echo $channel->unary('/fr.A/Remaining', ''), "\n";
    echo in_array($channel->unary('/fr.A/Remaining', '', timeout: 100), ['99', '100', '99.0', '100.0']) ? 'inherited' : 'not inherited', "\n";
    echo in_array($channel->unary('/fr.A/Remaining', '50', timeout: 100), ['49', '50', '49.0', '50.0']) ? 'its own' : 'not its own', "\n";
    echo in_array($channel->unary('/fr.A/Remaining', '500', timeout: 100), ['99', '100', '99.0', '100.0']) ? 'the sooner' : 'not the sooner', "\n";
    echo count(iterator_to_array($channel->serverStream('/fr.A/Count', '1000'))), "\n";
    $up = $channel->clientStream('/fr.A/Sum');
    foreach (range(1, 100) as $i) $up->send((string) $i);
    echo $up->finish(), "\n";
    $chat = $channel->bidi('/fr.A/Through');
    foreach (['a', 'b'] as $m) { $chat->send($m); echo $chat->receive(), "\n"; }
    $chat->halfClose();
    var_dump($chat->receive());
    outcome(fn() => $channel->unary('/fr.A/Fail', ''));
    outcome(fn() => $channel->unary('/fr.A/Fan', ''));
    echo "deadline\n";
    outcome(fn() => $channel->unary('/fr.A/Wait', '', timeout: 0.3));
    echo preg_match('/^front: Viaduct.(RpcException DeadlineExceeded|CancelledException \w+)$/', $line = $front->line()) ? 'front' : $line, "\n", $back->line(), "\n", preg_match('/^back cancelled: (Cancelled|DeadlineExceeded)$/', $line = $back->line()) ? 'and back too' : $line, "\n";
    outcome(fn() => $channel->unary('/fr.A/WaitStarted', '', timeout: 0.3));
    echo $back->line(), "\n", preg_match('/^back cancelled: (Cancelled|DeadlineExceeded)$/', $line = $back->line()) ? 'and back too' : $line, "\n";
    echo "cancelled\n";
    foreach (['Wait', 'WaitStarted'] as $method) {
        $call = $channel->start("/fr.A/$method", '');
        Viaduct\delay(0);
        echo $back->line(), "\n";
        $call->cancel();
        Viaduct\delay(0.01);
        echo $method === 'Wait' ? $front->line() . "\n" : '', $back->line(5), "\n";
    }
    if ($concurrency > 1) {
        echo $channel->unary('/fr.A/Self', '20'), "\n";
    } else {
        // It waits for itself, and only the deadline ends that.
        outcome(fn() => $channel->unary('/fr.A/Self', '1', timeout: 0.5));
    }
    outcome(fn() => $channel->unary('/fr.A/Echo', 'alive'));
    echo $front->stop(), "\n", $front->rest(), $front->errors(), $front->log();
}
echo $back->stop(), "\n", $back->rest(), $back->errors(), $back->log();
?>
--EXPECT--
=== concurrency 256
null
inherited
its own
the sooner
1000
5050
nulla
nullb
NULL
Viaduct\RpcException OutOfRange: back failed
OK nullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnull
deadline
Viaduct\RpcException DeadlineExceeded
front
back waits
and back too
Viaduct\RpcException DeadlineExceeded
back waits
and back too
cancelled
back waits
front: Viaduct\CancelledException Cancelled
back cancelled: Cancelled
back waits
back cancelled: Cancelled
bottom....................
OK alive
0
=== concurrency 1
null
inherited
its own
the sooner
1000
5050
nulla
nullb
NULL
Viaduct\RpcException OutOfRange: back failed
OK nullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnullnull
deadline
Viaduct\RpcException DeadlineExceeded
front
back waits
and back too
Viaduct\RpcException DeadlineExceeded
back waits
and back too
cancelled
back waits
front: Viaduct\CancelledException Cancelled
back cancelled: Cancelled
back waits
back cancelled: Cancelled
Viaduct\RpcException DeadlineExceeded
OK alive
0
0
run() has returned
