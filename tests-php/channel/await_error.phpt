--TEST--
Calls that are started and fail
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/refuse.php';

use function Viaduct\{async, await, delay};

$good = (new Wrong('echo'))->channel();
$not_found = (new Wrong('trailers-only-5'))->channel();
$denied = (new Wrong('trailers-only-7'))->channel();
$m = '/test.Echo/Unary';

$call = $not_found->start($m, 'x');
refuse($call->wait(...));
refuse($call->wait(...));
try {
    $call->wait();
} catch (Viaduct\RpcException $e) {
    echo $e->getCode(), ' ', $e->statusCode()->name, ' ', basename($e->getFile()), ':', $e->getLine(), "\n";
}
echo $call->status()->code->name, ' ', $call->done() ? 'done' : 'not done', "\n";

// The first in the order of the arguments, though a later one failed long before; all have ended by then.
$late = async(function () use ($not_found, $m) {
    delay(0.1);
    return $not_found->unary($m, 'x');
});
$early = $denied->start($m, 'x');
$fine = $good->start($m, 'fine');
echo ending(fn() => await($fine, $late, $early)), "\n";
echo $early->done() ? 'early has ended' : 'EARLY RUNS', "\n";
echo ending(fn() => await($early, $fine, $late)), "\n";
echo $fine->wait(), "\n";
echo ending(fn() => await($fine, async(fn() => throw new Viaduct\RpcException(Viaduct\StatusCode::Aborted, 'own')))), "\n";

refuse(fn() => await(5));
refuse(fn() => await($fine, null));
refuse(fn() => await($fine, [$fine]));
refuse(fn() => await(first: $fine));
refuse(fn() => await($good->bidi($m)));
refuse(fn() => async('no such function'));
refuse(fn() => async());
refuse(fn() => delay(-1.0));
refuse(fn() => delay(NAN));
refuse(fn() => delay(INF));
refuse(fn() => delay('x'));
echo implode(await($fine, $good->start($m, ' and on'))), "\n";
?>
--EXPECT--
Viaduct\RpcException: said on purpose: 100% naïve
Viaduct\RpcException: said on purpose: 100% naïve
5 NotFound await_error.php:16
NotFound done
NotFound: said on purpose: 100% naïve
early has ended
PermissionDenied: said on purpose: 100% naïve
fine
Aborted: own
TypeError: Viaduct\await(): Argument #1 must be of type Viaduct\UnaryCallInterface|Viaduct\Task, int given
TypeError: Viaduct\await(): Argument #2 must be of type Viaduct\UnaryCallInterface|Viaduct\Task, null given
TypeError: Viaduct\await(): Argument #2 must be of type Viaduct\UnaryCallInterface|Viaduct\Task, array given
ArgumentCountError: Viaduct\await() does not accept unknown named parameters
TypeError: Viaduct\await(): Argument #1 must be of type Viaduct\UnaryCallInterface|Viaduct\Task, Viaduct\BidiStream given
TypeError: Viaduct\async(): Argument #1 ($function) must be a valid callback, string given
ArgumentCountError: Viaduct\async() expects at least 1 argument, 0 given
Viaduct\InvalidArgumentException: seconds is -1; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: seconds is NAN; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: seconds is INF; expected a finite number of seconds, 0 or more
TypeError: Viaduct\delay(): Argument #1 ($seconds) must be of type float, string given
fine and on
