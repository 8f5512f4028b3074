--TEST--
The exceptions: file, line, trace, previous, code, details, trailers
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{CancelledException, InvalidArgumentException, LogicException, RpcException, StatusCode};

function thrower(): never
{
    throw new RpcException(                                           // line 6
        StatusCode::NotFound,
        'no such user',
        [['type' => 'google.rpc.ErrorInfo', 'value' => "\0\x01"], ['type' => 'https://x.test/A', 'value' => '']],
        ['X-Tenant' => 'a', 'token-bin' => ["\0\xff", ''], 123 => ['4', '5']],
        new DomainException('why'),
    );
}
try {
    thrower();
} catch (RuntimeException $e) {
    echo $e::class, ' ', $e->getMessage(), ' ', $e->getCode(), ' ', $e->statusCode()->name, "\n";
    echo basename($e->getFile()), ':', $e->getLine(), ' ', $e->getTraceAsString() === "#0 " . __FILE__ . "(15): thrower()\n#1 {main}"
        ? 'traced' : $e->getTraceAsString(), "\n";
    echo $e->getPrevious()::class, ' ', $e->getPrevious()->getMessage(), "\n";
    echo json_encode(array_map(fn($d) => [$d['type'], bin2hex($d['value'])], $e->details())), "\n";
    foreach ($e->trailers() as $key => $values) {
        echo var_export($key, true), ' ', implode(' ', array_map('bin2hex', $values)), "\n";
    }
    var_dump(str_contains((string) $e, 'Next Viaduct\RpcException: NotFound: no such user in '));
}

echo "-- only a code\n";
$e = new CancelledException(StatusCode::DeadlineExceeded);
var_dump($e->getMessage(), $e->getCode(), $e->details(), $e->trailers(), $e->getPrevious());
var_dump($e instanceof RpcException);
var_dump((new LogicException('a', 3))->getCode(), (new InvalidArgumentException('b')) instanceof \InvalidArgumentException);
echo $e->getLine(), "\n";

echo "-- subclasses\n";
class NotFound extends RpcException
{
    protected $message = 'not found';
    private array $details = ['mine'];

    public function __construct(public readonly int $id)
    {
        parent::__construct(StatusCode::NotFound, trailers: ['id' => (string) $id]);
    }

    public function mine(): array
    {
        return $this->details;
    }
}
$e = new NotFound(7);
echo $e->getMessage(), ' ', $e->getCode(), ' ', $e->id, ' ', json_encode([$e->trailers(), $e->details(), $e->mine()]), ' ',
    $e->getLine(), "\n";

class Lazy extends RpcException
{
    public function __construct() {}
}
$e = new Lazy();
var_dump($e->statusCode(), $e->details(), $e->trailers());

echo "-- serialized, as every exception\n";
$e = unserialize(serialize(new RpcException(StatusCode::Aborted, 'x', trailers: ['a' => 'b'])));
var_dump($e->statusCode(), $e->trailers()['a']);
?>
--EXPECT--
Viaduct\RpcException no such user 5 NotFound
exceptions.php:6 traced
DomainException why
[["type.googleapis.com\/google.rpc.ErrorInfo","0001"],["https:\/\/x.test\/A",""]]
'x-tenant' 61
'token-bin' 00ff 
123 34 35
bool(true)
-- only a code
string(0) ""
int(4)
array(0) {
}
array(0) {
}
NULL
bool(true)
int(3)
bool(true)
29
-- subclasses
not found 5 7 [{"id":["7"]},[],["mine"]] 51
enum(Viaduct\StatusCode::Unknown)
array(0) {
}
array(0) {
}
-- serialized, as every exception
enum(Viaduct\StatusCode::Aborted)
array(1) {
  [0]=>
  string(1) "b"
}
