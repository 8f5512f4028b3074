--TEST--
What a started call tells when it fails, and how one is cancelled
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/peer.php';
require __DIR__ . '/../support/refuse.php';

$peer = new Peer();
$channel = $peer->channel();
$call = $channel->start('/test.Peer/Fail', '9');
$status = $call->status();
echo $status->code->name, ' ', json_encode($status->message, JSON_UNESCAPED_UNICODE), ' ', $status->details[0]['type'], ' ', bin2hex($status->details[0]['value']), "\n";
echo json_encode(array_map(fn($list) => array_map(bin2hex(...), $list), $call->trailers())), "\n";
try {
    $call->wait();
} catch (Viaduct\RpcException $e) {
    echo $e::class, ' ', $e->statusCode()->name, ' ', json_encode($e->getMessage(), JSON_UNESCAPED_UNICODE), "\n";
    echo json_encode($e->trailers()['x-why']), ' ', bin2hex($e->trailers()['x-why-bin'][0]), ' ', $e->details()[0]['type'], "\n";
}
foreach (range(1, 16) as $code) {
    $exception = null;
    try {
        $channel->unary('/test.Peer/Fail', "$code");
    } catch (Viaduct\RpcException $exception) {
    }
    $class = $code === 1 ? Viaduct\CancelledException::class : Viaduct\RpcException::class;
    if ($exception?->getCode() !== $code || $exception::class !== $class) {
        echo "$code comes as ", get_debug_type($exception), ' ', $exception?->getCode(), "\n";
    }
}
refuse(fn() => $channel->unary('/test.Peer/None', ''));
refuse(fn() => $channel->unary('/test.None/None', ''));

// Cancelled: at once, and the server hears of it.
$silent = new Wrong('silence');
$channel = $silent->channel();
$call = $channel->start('/test.Echo/Unary', 'x');
$silent->reaches('streams', 1);
$call->cancel();
var_dump($call->done());
refuse($call->wait(...));
echo $call->status()->code->name, ' ', json_encode([$call->headers(), $call->trailers()]), "\n";
$call->cancel();
var_dump($silent->reaches('resets', 1));
// Before anything could be sent, and after the end.
$call = $silent->channel()->start('/test.Echo/Unary', 'x');
$call->cancel();
refuse($call->wait(...));
$good = (new Wrong('echo'))->channel();
$call = $good->start('/test.Echo/Unary', 'kept');
$call->status();
$call->cancel();
echo $call->wait(), ' ', $call->status()->code->name, "\n";
refuse(fn() => $call->wait(1));
refuse(fn() => $call->cancel('x'));
?>
--EXPECT--
FailedPrecondition "naïve: 100%\n" type.googleapis.com/test.Detail 0801
{"x-why":["61","62"],"x-why-bin":["00"]}
Viaduct\RpcException FailedPrecondition "naïve: 100%\n"
["a","b"] 00 type.googleapis.com/test.Detail
Viaduct\RpcException: unknown method None of service test.Peer
Viaduct\RpcException: unknown service test.None
bool(true)
Viaduct\CancelledException: the call was cancelled by this side
Cancelled [[],[]]
bool(true)
Viaduct\CancelledException: the call was cancelled by this side
kept Ok
ArgumentCountError: Viaduct\UnaryCall::wait() expects exactly 0 arguments, 1 given
ArgumentCountError: Viaduct\UnaryCall::cancel() expects exactly 0 arguments, 1 given
