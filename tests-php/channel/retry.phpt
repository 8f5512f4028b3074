--TEST--
Retries by service config: all kinds of calls, against a server whose handlers fail twice
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/process.php';
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions};

$server = ServerProcess::start(<<<'PHP'
    // Fails twice, and then says how many attempts the client knows of.
    $third = function (string $method, Context $context): string {
        static $attempts = [];
        $attempts[$method] = ($attempts[$method] ?? 0) + 1;
        if ($attempts[$method] % 3 !== 0) {
            throw new RpcException(StatusCode::Unavailable, "attempt $attempts[$method]");
        }
        return $context->metadata()['grpc-previous-rpc-attempts'][0] . ' before';
    };
    $server->handle('/t.T/Unary', fn(string $in, Context $c): string => "$in, " . $third('unary', $c));
    $server->handle('/t.T/List', function (string $in, Context $c) use ($third): iterable {
        yield $third('list', $c);
        yield $in;
    });
    $server->handle('/t.T/Join', function (RequestStream $in, Context $c) use ($third): string {
        $all = $in->receive();
        $before = $third('join', $c);
        while (($message = $in->receive()) !== null) {
            $all .= ",$message";
        }
        return "$all, $before";
    });
    $server->handle('/t.T/Chat', function (RequestStream $in, Context $c) use ($third): iterable {
        $first = $in->receive();
        yield $first . ', ' . $third('chat', $c);
        while (($message = $in->receive()) !== null) {
            yield $message;
        }
    });
    $server->handle('/u.U/Unary', fn(string $in, Context $c): string => "$in, " . $third('other', $c));
    $server->handle('/t.T/Slow', function (string $in): string { delay(0.3); return $in; });
    serve($server);
    PHP);

$config = json_encode([
    'methodConfig' => [
        [
            'name' => [['service' => 't.T']],
            'retryPolicy' => [
                'maxAttempts' => 3, 'initialBackoff' => '0.01s', 'maxBackoff' => '0.02s', 'backoffMultiplier' => 2,
                'retryableStatusCodes' => ['UNAVAILABLE'],
            ],
        ],
        ['name' => [['service' => 't.T', 'method' => 'Slow']], 'timeout' => '0.05s'],
    ],
    'loadBalancingConfig' => [['round_robin' => new stdClass()]],
]);
$channel = new Channel($server->address, options: new ChannelOptions(serviceConfig: $config));
$calls = fn(Channel $channel) => [
    'unary' => fn() => $channel->unary('/t.T/Unary', 'hello', timeout: 30.0),
    'start' => fn() => $channel->start('/t.T/Unary', 'hello', timeout: 30.0)->wait(),
    'server stream' => fn() => iterator_to_array($channel->serverStream('/t.T/List', 'hello', timeout: 30.0), false),
    'client stream' => function () use ($channel) {
        $stream = $channel->clientStream('/t.T/Join', timeout: 30.0);
        foreach (['a', 'b', 'c'] as $message) {
            $stream->send($message);
        }
        return $stream->finish();
    },
    'bidi' => function () use ($channel) {
        $stream = $channel->bidi('/t.T/Chat', timeout: 30.0);
        $stream->send('a');
        $received = [$stream->receive()];
        $stream->send('b');
        $stream->halfClose();
        while (($message = $stream->receive()) !== null) {
            $received[] = $message;
        }
        return $received;
    },
];
foreach ($calls($channel) as $kind => $call) {
    echo "$kind: ";
    outcome($call);
}
echo "another service: ";
outcome(fn() => $channel->unary('/u.U/Unary', 'hello', timeout: 30.0));
echo "the method's timeout: ";
outcome(fn() => $channel->unary('/t.T/Slow', 'hello', timeout: 30.0));

echo "without retries\n";
$once = new Channel($server->address, options: new ChannelOptions(serviceConfig: $config, retries: false));
foreach ($calls($once) as $kind => $call) {
    echo "$kind: ";
    outcome($call);
}
echo $server->stop(), "\n";
?>
--EXPECT--
unary: OK hello, 2 before
start: OK hello, 2 before
server stream: OK ["2 before","hello"]
client stream: OK a,b,c, 2 before
bidi: OK ["a, 2 before","b"]
another service: Viaduct\RpcException Unavailable: attempt 1
the method's timeout: Viaduct\RpcException DeadlineExceeded
without retries
unary: Viaduct\RpcException Unavailable: attempt 7
start: Viaduct\RpcException Unavailable: attempt 8
server stream: Viaduct\RpcException Unavailable: attempt 4
client stream: Viaduct\RpcException Unavailable: attempt 4
bidi: Viaduct\RpcException Unavailable: attempt 4
0
