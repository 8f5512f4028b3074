--TEST--
Status: readonly values, made by the extension
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{RpcException, StatusCode};

$status = ViaductProbe\status(new RpcException(StatusCode::NotFound, "gone \u{263a}", [['type' => 'a.B', 'value' => "v"]]));
var_dump($status);
var_dump($status->isOk(), $status->code === StatusCode::NotFound);
// What a subclass leaves out is Unknown.
class Lazy extends RpcException { public function __construct() {} }
var_dump(ViaductProbe\status(new Lazy())->code);
var_dump(ViaductProbe\status(new Exception()));
?>
--EXPECTF--
object(Viaduct\Status)#%d (3) {
  ["code"]=>
  enum(Viaduct\StatusCode::NotFound)
  ["message"]=>
  string(8) "gone ☺"
  ["details"]=>
  array(1) {
    [0]=>
    array(2) {
      ["type"]=>
      string(23) "type.googleapis.com/a.B"
      ["value"]=>
      string(1) "v"
    }
  }
}
bool(false)
bool(true)
enum(Viaduct\StatusCode::Unknown)
NULL
