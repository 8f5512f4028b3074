--TEST--
What PHP writes of an exception that nobody catches names code and method; Viaduct\Exception catches all of ours
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\{Channel, Credentials, LogicException, RpcException, Server, StatusCode};

$throwers = [
    fn() => (new Channel('unix:/nowhere.sock'))->unary('/a.B/C', ''),
    fn() => (new Channel('unix:/nowhere.sock'))->unary('/a.B/C', '', metadata: ['x-a: 1']),
    fn() => (new Channel('unix:/nowhere.sock'))->unary('/a.B/C', '', 'App\NoSuch'),
    fn() => Credentials::tls('/etc/ssl/ca.pem'),
    fn() => Credentials::tls('ca.crt'),
    fn() => (new Server())->run(),
    fn() => (new Server())->listen('unix:/nowhere/at/all.sock'),
    fn() => (new Server())->handle('/a.B/C', function (string $in): iterable { yield $in; }, Viaduct\MethodKind::Unary),
    fn() => throw new Viaduct\CancelledException(StatusCode::Cancelled),
];
foreach ($throwers as $thrower) {
    try {
        $thrower();
    } catch (Viaduct\Exception $e) {
        echo $e::class, ': ', str_replace(__DIR__, '', $e->getMessage()), "\n";
    }
}
$method = function (callable $call): void {
    try {
        $call();
    } catch (RpcException $e) {
        var_dump($e->method());
    }
};
$channel = new Channel('unix:/nowhere.sock');
$method(fn() => $channel->unary('/a.B/Unary', ''));
$method(fn() => $channel->start('/a.B/Start', '')->wait());
$method(fn() => $channel->serverStream('/a.B/Server', '')->receive());
$method(fn() => $channel->clientStream('/a.B/Client')->finish());
$method(fn() => $channel->bidi('/a.B/Bidi')->receive());
$method(fn() => throw new RpcException(StatusCode::NotFound));

$child = ServerProcess::start(<<<'PHP'
class Own extends RpcException {}
try {
    throw new Own(StatusCode::Aborted, 'first');
} catch (Own $e) {
    error_log(strtok((string) $e, "\n"));
}
(new Channel('unix:/nowhere.sock'))->unary('/a.B/C', '');
PHP, serves: false);
echo 'exit code ', $child->wait(), "\n", preg_replace(['~^\[.*?\] ~m', '~/\S+/script.php:\d+~', '~/\S+script.php\(\d+\)~', '~/\S+script.php on line \d+~'], ['', 'SCRIPT:LINE', 'SCRIPT', 'SCRIPT'], $child->log());
?>
--EXPECT--
Viaduct\RpcException: cannot connect to unix:/nowhere.sock: unix:/nowhere.sock: No such file or directory (os error 2)
Viaduct\InvalidArgumentException: metadata is a list; expected ['key' => 'value', …]
Viaduct\InvalidArgumentException: responseClass is "App\NoSuch", which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php); expected a google/protobuf class
Viaduct\InvalidArgumentException: the CA certificates holds no certificate; expected PEM with "-----BEGIN CERTIFICATE-----", got what looks like a file's name: give the file's content
Viaduct\InvalidArgumentException: the CA certificates holds no certificate; expected PEM with "-----BEGIN CERTIFICATE-----", got what looks like a file's name: give the file's content
Viaduct\LogicException: run() without listen(): there is no address to take connections from
Viaduct\RuntimeException: cannot listen on "unix:/nowhere/at/all.sock": No such file or directory (os error 2)
Viaduct\InvalidArgumentException: the handler of /a.B/C (/uncaught.php:14): it is a generator (it has yield), and the kind has one response; expected it to return the response, or MethodKind::ServerStream or MethodKind::Bidi
Viaduct\CancelledException: 
string(10) "/a.B/Unary"
string(10) "/a.B/Start"
string(11) "/a.B/Server"
string(11) "/a.B/Client"
string(9) "/a.B/Bidi"
NULL
exit code 255
Own: Aborted: first in SCRIPT:LINE
PHP Fatal error:  Uncaught Viaduct\RpcException: Unavailable (/a.B/C): cannot connect to unix:/nowhere.sock: unix:/nowhere.sock: No such file or directory (os error 2) in SCRIPT:LINE
Stack trace:
#0 SCRIPT: Viaduct\Channel->unary('/a.B/C', '')
#1 {main}
  thrown in SCRIPT
