--TEST--
cancel() before PHP was told how a call ended is Cancelled, whatever has arrived meanwhile; afterwards it changes nothing
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, ChannelOptions, RpcException};

$server = ServerProcess::start(<<<'PHP'
$fail = fn() => throw new Viaduct\RpcException(Viaduct\StatusCode::Unavailable, 'no');
$server->handle('/t.S/Unary', fn(string $in): string => $in === 'fail' ? $fail() : $in);
$server->handle('/t.S/Server', function (string $in) use ($fail): Generator { yield 'one'; $in === 'fail' ? $fail() : yield 'two'; });
$server->handle('/t.S/Client', fn(RequestStream $in): string => $in->receive() === 'fail' ? $fail() : 'there');
$server->handle('/t.S/Bidi', function (RequestStream $in) use ($fail): Generator { $in->receive() === 'fail' ? $fail() : yield 'two'; });
serve($server);
PHP);
$retry = new ChannelOptions(serviceConfig: json_encode(['methodConfig' => [[
    'name' => [['service' => 't.S']],
    'retryPolicy' => ['maxAttempts' => 2, 'initialBackoff' => '0.001s', 'maxBackoff' => '0.001s', 'backoffMultiplier' => 1, 'retryableStatusCodes' => ['INTERNAL']],
]]]));

/** Begins a call of each kind, as far as the server can end it. */
$kinds = [
    'Unary' => fn(Channel $channel, string $what) => $channel->start('/t.S/Unary', $what, timeout: patient(60)),
    'Server' => fn(Channel $channel, string $what) => $channel->serverStream('/t.S/Server', $what, timeout: patient(60)),
    'Client' => function (Channel $channel, string $what) {
        $call = $channel->clientStream('/t.S/Client', timeout: patient(60));
        $call->send($what);
        return $call;
    },
    'Bidi' => function (Channel $channel, string $what) {
        $call = $channel->bidi('/t.S/Bidi', timeout: patient(60));
        $call->send($what);
        return $call;
    },
];
/** How it ends for who asks for its last result. */
function ends(object $call): string
{
    try {
        match (true) {
            $call instanceof Viaduct\UnaryCall => $call->wait(),
            $call instanceof Viaduct\ClientStream => $call->finish(),
            $call instanceof Viaduct\BidiStream => (function () use ($call) { while ($call->receive() !== null); })(),
            default => iterator_to_array($call, false),
        };
        return 'Ok';
    } catch (RpcException $e) {
        return $e->statusCode()->name;
    }
}
foreach (['plain' => new ChannelOptions(), 'with a retryPolicy' => $retry] as $policy => $options) {
    $channel = new Channel($server->address, options: $options);
    foreach ($kinds as $kind => $begin) {
        foreach (['fail', 'go on'] as $what) {
            $before = $begin($channel, $what);
            // What was sent before these is answered before them, on one connection and by handlers that do not wait.
            for ($n = 0; $n < 3; $n++) {
                $channel->unary('/t.S/Unary', 'x', timeout: patient(60));
            }
            $before->cancel();
            $before->cancel();
            $after = $begin($channel, $what);
            $seen = ends($after);
            $after->cancel();
            echo "$policy, $kind, $what: ", ends($before), ' ', $before->status()->code->name, ', seen first: ', $seen, ' ', $after->status()->code->name, "\n";
        }
    }
}
echo "--- who asks whether it is done was told\n";
$call = $channel->start('/t.S/Unary', 'x', timeout: patient(60));
while (!$call->done()) {
    usleep(1000);
}
$call->cancel();
echo $call->wait(), ' ', $call->status()->code->name, "\n";
$server->stop();
?>
--EXPECT--
plain, Unary, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
plain, Unary, go on: Cancelled Cancelled, seen first: Ok Ok
plain, Server, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
plain, Server, go on: Cancelled Cancelled, seen first: Ok Ok
plain, Client, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
plain, Client, go on: Cancelled Cancelled, seen first: Ok Ok
plain, Bidi, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
plain, Bidi, go on: Cancelled Cancelled, seen first: Ok Ok
with a retryPolicy, Unary, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
with a retryPolicy, Unary, go on: Cancelled Cancelled, seen first: Ok Ok
with a retryPolicy, Server, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
with a retryPolicy, Server, go on: Cancelled Cancelled, seen first: Ok Ok
with a retryPolicy, Client, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
with a retryPolicy, Client, go on: Cancelled Cancelled, seen first: Ok Ok
with a retryPolicy, Bidi, fail: Cancelled Cancelled, seen first: Unavailable Unavailable
with a retryPolicy, Bidi, go on: Cancelled Cancelled, seen first: Ok Ok
--- who asks whether it is done was told
x Ok
