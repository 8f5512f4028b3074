--TEST--
Grpc: batches wait in fibers of Viaduct, and inherit the deadline of a handler
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/server.php';

use function Viaduct\{async, await};

echo "-- client and server as two tasks, each with six operations or one\n";
[$server, $channel] = pair();
$serving = async(function () use ($server) {
    for ($n = 0; $n < 10; $n++) {
        $incoming = $server->requestCall()->call;
        async(function () use ($incoming) {
            $message = $incoming->startBatch([Grpc\OP_RECV_MESSAGE => true])->message;
            $incoming->startBatch(answer("re: $message"));
        });
    }
    return 'served';
});
$tasks = [];
for ($n = 0; $n < 10; $n++) {
    // All six in one batch: that waits while the server's task runs.
    $tasks[] = async(fn() => call($channel)->startBatch(request("$n") + RESPONSE)->message);
}
echo implode(', ', await(...$tasks)), "\n";
echo await($serving)[0], "\n";

echo "-- one call read in one task and written in another\n";
$call = call($channel);
$call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => []]);
$incoming = $server->requestCall()->call;
$reader = async(function () use ($call) {
    for ($got = []; ($message = $call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message) !== null;) {
        $got[] = $message;
    }
    return implode(' ', $got);
});
// Two that read at once are a mistake.
$second = async(fn() => thrown(fn() => $call->startBatch([Grpc\OP_RECV_MESSAGE => true])));
echo await($second)[0], "\n";
$echo = async(function () use ($incoming) {
    while (($message = $incoming->startBatch([Grpc\OP_RECV_MESSAGE => true])->message) !== null) {
        $incoming->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => $message]]);
    }
    $incoming->startBatch([Grpc\OP_SEND_STATUS_FROM_SERVER => ['code' => 0, 'details' => '']]);
});
foreach (['a', 'b', 'c'] as $message) {
    $call->startBatch([Grpc\OP_SEND_MESSAGE => ['message' => $message]]);
}
$call->startBatch([Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
echo await($reader, $echo)[0], "\n";

echo "-- in a handler of a server of Viaduct\n";
$outer = ServerProcess::start(<<<'PHP'
    require $argv[1];
    // A server that takes calls and shows their deadline.
    $inner = new Grpc\Server();
    $port = $inner->addHttp2Port('127.0.0.1:0');
    $inner->start();
    $channel = new Grpc\Channel("127.0.0.1:$port", []);
    $server->handle('/a.B/Deadline', function (string $in) use ($inner, $channel): string {
        $call = new Grpc\Call($channel, '/a.B/Inner', Grpc\Timeval::infFuture());
        $call->startBatch(request('x'));
        $incoming = $inner->requestCall();
        return json_encode(Grpc\Timeval::compare($incoming->absolute_deadline, soon(3600)));
    });
    $server->handle('/a.B/Cancelled', function (string $in) use ($channel): string {
        $call = new Grpc\Call($channel, '/a.B/Inner', Grpc\Timeval::infFuture());
        $call->startBatch(request('x'));
        say('begun');
        try {
            $call->startBatch(RESPONSE);
        } catch (CancelledException $e) {
            say('cancelled');
            throw $e;
        }
        return '';
    });
    serve($server);
PHP, arguments: [dirname(__DIR__) . '/support/compat.php']);
$viaduct = new Viaduct\Channel($outer->address);
echo $viaduct->unary('/a.B/Deadline', '', timeout: 20.0), ' ', $viaduct->unary('/a.B/Deadline', ''), "\n";
$call = $viaduct->start('/a.B/Cancelled', '');
echo $outer->line(), "\n";
$call->cancel();
echo $outer->line(), "\n";
echo $outer->stop(), "\n";
?>
--EXPECT--
-- client and server as two tasks, each with six operations or one
re: 0, re: 1, re: 2, re: 3, re: 4, re: 5, re: 6, re: 7, re: 8, re: 9
served
-- one call read in one task and written in another
LogicException(8): start_batch was called incorrectly
a b c
-- in a handler of a server of Viaduct
-1 1
begun
cancelled
0
