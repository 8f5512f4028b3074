--TEST--
Server: RequestStream::as() with what is no message class
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$server = ServerProcess::start(<<<'PHP'
$server = new Viaduct\Server();
$server->handle('/as.A/Try', function (RequestStream $in): string {
    $text = '';
    foreach (['No\Such', ArrayObject::class] as $class) {
        try {
            $in->as($class);
        } catch (Viaduct\InvalidArgumentException $exception) {
            $text .= $exception->getMessage() . "\n";
        }
    }
    return $text . implode(',', iterator_to_array($in));
});
serve($server);
PHP);
$call = (new Channel($server->address))->clientStream('/as.A/Try');
$call->send('still');
$call->send('strings');
echo $call->finish(), "\n";
?>
--EXPECT--
messageClass is "No\Such", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
messageClass is "ArrayObject", which has no method mergeFromString; expected a google/protobuf class
still,strings
