--TEST--
Testing: a handler with a context and requests that nobody sent
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Context, ContextInterface, RequestStream, RequestStreamInterface, StatusCode, Testing};

/** What as() takes. */
class Number
{
    public function __construct(public int $value = 0) {}
    public function serializeToString(): string { return (string) $this->value; }
    public function mergeFromString(string $text): void { $this->value = (int) $text; }
}

final class Sums
{
    /** As the server calls it: with the classes. */
    public function sum(RequestStream $numbers, Context $context): string
    {
        $context->sendHeaders(['x-for' => $context->metadata()['x-user'][0] ?? 'nobody', 'x-bin' => "\0\xff"]);
        $sum = 0;
        foreach ($numbers->as(Number::class) as $n => $number) {
            $sum += $number->value;
            $context->setTrailers(['x-count' => (string) ($n + 1)]);
        }
        return "$sum";
    }

    /** With the interfaces. */
    public function first(RequestStreamInterface $numbers, ContextInterface $context): string
    {
        return $context->authority() . ' ' . ($numbers->receive() ?? 'none');
    }
}

$sums = new Sums();
echo "-- what is said is what the handler sees\n";
$context = Testing::context('/sums.Sums/Sum', ['x-user' => 'Ada'], timeout: 60, peer: 'unix:', authority: 'sums.test');
echo $sums->sum(Testing::requestStream(['1', new Number(20), '300']), $context), "\n";
var_dump(Testing::headers($context) === ['x-for' => ['Ada'], 'x-bin' => ["\0\xff"]], Testing::trailers($context));
echo implode(' ', [$context->method(), $context->peer(), $context->authority()]), "\n";
var_dump($context->metadata(), $context->timeRemaining() > 30 && $context->timeRemaining() <= 60);
var_dump(abs($context->deadline() - microtime(true) - 60) < 30, $context->isCancelled());
outcome(fn() => $context->sendHeaders(['a' => 'twice']));

echo "-- where nothing is said\n";
$context = Testing::context();
echo $sums->first(Testing::requestStream([]), $context), "\n";
echo json_encode([
    $context->peer(), $context->authority(), $context->metadata(), $context->deadline(), $context->timeRemaining(),
    $context->isCancelled(), Testing::headers($context), Testing::trailers($context),
], JSON_UNESCAPED_SLASHES), "\n";

echo "-- a client that goes away, and a deadline that passes\n";
Testing::cancel($context);
$context->sendHeaders(['nobody' => 'reads it']);
var_dump($context->isCancelled(), Testing::headers($context));
$context = Testing::context(timeout: 0.01);
while (!$context->isCancelled()) {
    usleep(1000);
}
var_dump($context->timeRemaining());
foreach (StatusCode::cases() as $end) {
    $requests = Testing::requestStream(['one', 'two'], $end);
    echo $end->name, ': ', $requests->receive(), ' ', $requests->receive(), ' ';
    outcome(fn() => var_export($requests->receive()));
}

echo "-- the stream is that of calls\n";
$requests = Testing::requestStream(['a' => 'one', 'b' => '', 'c' => 'three']);
foreach ($requests as $key => $request) {
    echo "$key: ", var_export($request, true), "\n";
}
outcome(fn() => $requests->rewind());
var_dump($requests->receive());

echo "-- the server takes handlers with the interfaces\n";
$server = ServerProcess::start(<<<'PHP'
interface Numbers { const NAME = 'sums.Sums'; public function first(Viaduct\RequestStreamInterface $numbers, Viaduct\ContextInterface $context): string; }
$server->register(Numbers::class, new class implements Numbers {
    public function first(Viaduct\RequestStreamInterface $numbers, Viaduct\ContextInterface $context): string
    {
        return ($context->metadata()['x-user'][0] ?? 'nobody') . ' ' . implode('+', iterator_to_array($numbers));
    }
});
serve($server);
PHP);
$call = (new Viaduct\Channel($server->address))->clientStream('/sums.Sums/first', metadata: ['x-user' => 'Ada']);
$call->send('1');
$call->send('2');
echo $call->finish(), "\n";
?>
--EXPECT--
-- what is said is what the handler sees
321
bool(true)
array(1) {
  ["x-count"]=>
  array(1) {
    [0]=>
    string(1) "3"
  }
}
/sums.Sums/Sum unix: sums.test
array(1) {
  ["x-user"]=>
  array(1) {
    [0]=>
    string(3) "Ada"
  }
}
bool(true)
bool(true)
bool(false)
Viaduct\LogicException: the headers of this call have been sent already
-- where nothing is said
localhost none
["ipv4:127.0.0.1:50000","localhost",[],null,null,false,null,[]]
-- a client that goes away, and a deadline that passes
bool(true)
NULL
float(0)
Ok: one two NULLOK null
Cancelled: one two Viaduct\CancelledException Cancelled: the test ends the requests with Cancelled
Unknown: one two Viaduct\RpcException Unknown: the test ends the requests with Unknown
InvalidArgument: one two Viaduct\RpcException InvalidArgument: the test ends the requests with InvalidArgument
DeadlineExceeded: one two Viaduct\CancelledException DeadlineExceeded
NotFound: one two Viaduct\RpcException NotFound: the test ends the requests with NotFound
AlreadyExists: one two Viaduct\RpcException AlreadyExists: the test ends the requests with AlreadyExists
PermissionDenied: one two Viaduct\RpcException PermissionDenied: the test ends the requests with PermissionDenied
ResourceExhausted: one two Viaduct\RpcException ResourceExhausted: the test ends the requests with ResourceExhausted
FailedPrecondition: one two Viaduct\RpcException FailedPrecondition: the test ends the requests with FailedPrecondition
Aborted: one two Viaduct\RpcException Aborted: the test ends the requests with Aborted
OutOfRange: one two Viaduct\RpcException OutOfRange: the test ends the requests with OutOfRange
Unimplemented: one two Viaduct\RpcException Unimplemented: the test ends the requests with Unimplemented
Internal: one two Viaduct\RpcException Internal: the test ends the requests with Internal
Unavailable: one two Viaduct\RpcException Unavailable: the test ends the requests with Unavailable
DataLoss: one two Viaduct\RpcException DataLoss: the test ends the requests with DataLoss
Unauthenticated: one two Viaduct\RpcException Unauthenticated: the test ends the requests with Unauthenticated
-- the stream is that of calls
0: 'one'
1: ''
2: 'three'
Viaduct\LogicException: a stream cannot be rewound: a loop has gone past its first message
NULL
-- the server takes handlers with the interfaces
Ada 1+2
