--TEST--
Exceptions made by the extension: file, line and trace are those of the PHP code that called
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{CancelledException, RpcException, StatusCode};

function caller(Throwable $original, bool $cancelled = false): ?Throwable
{
    try {
        ViaductProbe\again($original, $cancelled);                    // line 7
        return null;
    } catch (Throwable $e) {
        return $e;
    }
}
class Mine extends RpcException {}
$original = new Mine(StatusCode::DataLoss, "half\0\xff", [['type' => 'a.B', 'value' => "\0"]], ['k' => ['1', '2'], 'r-bin' => "\xfe"]);
$e = caller($original);
echo $e::class, ' ', bin2hex($e->getMessage()), ' ', $e->getCode(), ' ', basename($e->getFile()), ':', $e->getLine(), ' ',
    $e->getTrace()[0]['function'], ' ', $e->getTrace()[1]['function'], "\n";
var_dump($e->details() === $original->details(), $e->trailers() == $original->trailers(), $e->getPrevious());
echo caller(new RpcException(StatusCode::Cancelled))::class, "\n";
echo caller(new RpcException(StatusCode::DeadlineExceeded))::class, "\n";
$e = caller(new RpcException(StatusCode::DeadlineExceeded), true);
echo $e::class, ' ', $e->statusCode()->name, "\n";
var_dump(caller(new Exception()));
foreach (['logic', 'runtime'] as $kind) {
    try {
        ViaductProbe\fail($kind);
    } catch (Exception $e) {
        echo $e::class, ' ', get_parent_class($e), ' ', $e->getMessage(), ' ', $e->getLine(), "\n";
    }
}
?>
--EXPECT--
Viaduct\RpcException 68616c6600efbfbd 15 errors.php:7 ViaductProbe\again caller
bool(true)
bool(true)
NULL
Viaduct\CancelledException
Viaduct\RpcException
Viaduct\CancelledException DeadlineExceeded
NULL
Viaduct\LogicException LogicException out of turn 26
Viaduct\RuntimeException RuntimeException cannot be bound 26
