--TEST--
The comparison with the stubs sees every kind of difference
--EXTENSIONS--
grpc
--INI--
pcre.jit=0
--FILE--
<?php
require __DIR__ . '/../support/stubs.php';

$stubs = sys_get_temp_dir() . '/viaduct-stubs-' . getmypid();
mkdir($stubs);
foreach (glob(__DIR__ . '/../../php-ext/stubs/*.stub.php') as $file) {
    copy($file, "$stubs/" . basename($file));
}
$change = function (string $file, string $from, string $to) use ($stubs): void {
    $code = file_get_contents("$stubs/$file");
    assert(str_contains($code, $from));
    file_put_contents("$stubs/$file", str_replace($from, $to, $code));
};
$change('StatusCode.stub.php', 'case DataLoss = 15;', 'case DataLoss = 20;');
$change('Compression.stub.php', 'case Deflate = 2;', '');
$change('Credentials.stub.php', 'insecure()', 'plaintext()');
$change('Status.stub.php', 'public readonly string $message', 'public string $message');
$change('Status.stub.php', '): bool', '): ?bool');
$change('ServerOptions.stub.php', 'final class', 'class');
$change('ServerOptions.stub.php', '$concurrency = 256', '$concurrency = 255');
$change('ChannelOptions.stub.php', '?int $maxSendBytes', '?int $maxsendBytes');
$change('ChannelOptions.stub.php', '= Compression::None', '= Compression::Gzip');
$change('constants.stub.php', "VERSION = '", "VERSION = 'other ");
$change('exceptions.stub.php', 'class LogicException extends \LogicException', 'class LogicException extends \RuntimeException');

$mine = '/^(const VERSION|Viaduct.(StatusCode|Compression|Credentials|Status|ServerOptions|ChannelOptions|LogicException)\b)/';
foreach (compareWithStubs($stubs) as $difference) {
    if (preg_match($mine, $difference)) {
        echo strtok($difference, "\n"), "\n";
    }
}
array_map('unlink', glob("$stubs/*"));
echo "--- Grpc\n";
foreach (glob(__DIR__ . '/../../php-ext/stubs/grpc/*.stub.php') as $file) {
    copy($file, "$stubs/" . basename($file));
}
$change('Channel.stub.php', 'close()', 'close(): void');
$change('Channel.stub.php', '$try_to_connect = false', 'bool $try_to_connect = false');
$change('Timeval.stub.php', 'class Timeval', 'final class Timeval');
$change('Call.stub.php', 'protected $channel', 'protected ?Channel $channel');
$change('CallCredentials.stub.php', 'private function', 'public function');
foreach (compareWithStubs($stubs, 'Grpc') as $difference) {
    echo strtok($difference, "\n"), "\n";
}
array_map('unlink', glob("$stubs/*"));
rmdir($stubs);
?>
--EXPECT--
Viaduct\ChannelOptions::__construct()
Viaduct\Credentials::plaintext() is missing in the extension
Viaduct\ServerOptions
Viaduct\ServerOptions::__construct()
Viaduct\Status::$message
Viaduct\Status::isOk()
Viaduct\StatusCode::DataLoss
Viaduct\LogicException
const VERSION
Viaduct\Compression::Deflate is missing in the stubs: public case 2
Viaduct\Credentials::insecure() is missing in the stubs: public static (): Viaduct\Credentials
--- Grpc
Grpc\Call::$channel
Grpc\CallCredentials::__construct()
Grpc\Channel::getConnectivityState()
Grpc\Channel::close()
Grpc\Timeval
