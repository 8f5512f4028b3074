--TEST--
Grpc\Server and Grpc\ServerCredentials: what is wrong
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/server.php';

use Grpc\{Server, ServerCredentials};

foreach ([['invalid_host'], [['0.0.0.0:0']], [[1 => 'x']], [['k' => 1.5]], [['k' => []]], [['k' => null]], [[], []]] as $arguments) {
    echo thrown(fn() => new Server(...$arguments)), "\n";
}
foreach (['grpc.max_concurrent_streams' => 'many', 'grpc.max_connection_age_ms' => '10s', 'grpc.so_reuseport' => ''] as $key => $value) {
    echo thrown(fn() => new Server([$key => $value])), "\n";
}
$server = new Server();
foreach ([[], [['0.0.0.0:0']], ['0.0.0.0:0', 1]] as $arguments) {
    echo thrown(fn() => $server->addHttp2Port(...$arguments)), "\n";
}
foreach ([[], ['0.0.0.0:0'], ['0.0.0.0:0', 'credentials'], [['0.0.0.0:0']]] as $arguments) {
    echo thrown(fn() => $server->addSecureHttp2Port(...$arguments)), "\n";
}
echo "-- addresses that cannot be bound\n";
$taken = stream_socket_server('tcp://127.0.0.1:0');
foreach (['', 'localhost', '127.0.0.1:port', '127.0.0.1:99999', '203.0.113.77:0', 'no.such.host.invalid:0', stream_socket_get_name($taken, false),
    'unix:', 'unix:/no/such/directory/x.sock', '[::zz]:0', "127.0.0.1:0\0", "\xff:0", 'http://127.0.0.1:0'] as $address) {
    var_dump($server->addHttp2Port($address));
}
[$cert, $key] = array_map(file_get_contents(...), certificate(scratch(), 'server'));
$credentials = ServerCredentials::createSsl(null, $key, $cert);
foreach (['', 'localhost', stream_socket_get_name($taken, false), 'https://127.0.0.1:0'] as $address) {
    var_dump($server->addSecureHttp2Port($address, $credentials));
}
echo "-- too early, and too late\n";
echo thrown(fn() => $server->requestCall()), "\n";
$server->start();
echo thrown(fn() => $server->start()), "\n";
echo thrown(fn() => $server->addHttp2Port('127.0.0.1:0')), "\n";
echo thrown(fn() => $server->requestCall(1)), "\n";
echo "-- credentials\n";
foreach ([[], [null, 'key'], [null, [], 'chain'], [null, 'key', 'chain'], ['', "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", '']] as $arguments) {
    echo thrown(fn() => ServerCredentials::createSsl(...$arguments)), "\n";
}
echo thrown(fn() => new ServerCredentials()), "\n";
?>
--EXPECT--
InvalidArgumentException(1): Server expects an array
InvalidArgumentException(1): args keys must be strings
InvalidArgumentException(1): args keys must be strings
InvalidArgumentException(1): args values must be int or string
InvalidArgumentException(1): args values must be int or string
InvalidArgumentException(1): args values must be int or string
InvalidArgumentException(1): Server expects an array
InvalidArgumentException(1): args: grpc.max_concurrent_streams is "many"; expected an int
InvalidArgumentException(1): args: grpc.max_connection_age_ms is "10s"; expected an int
InvalidArgumentException(1): args: grpc.so_reuseport is ""; expected an int
InvalidArgumentException(1): add_http2_port expects a string
InvalidArgumentException(1): add_http2_port expects a string
InvalidArgumentException(1): add_http2_port expects a string
InvalidArgumentException(1): add_http2_port expects a string and a ServerCredentials
InvalidArgumentException(1): add_http2_port expects a string and a ServerCredentials
InvalidArgumentException(1): add_http2_port expects a string and a ServerCredentials
InvalidArgumentException(1): add_http2_port expects a string and a ServerCredentials
-- addresses that cannot be bound
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
int(0)
-- too early, and too late
LogicException(1): request_call failed
LogicException(1): the server was started before
LogicException(1): a port cannot be added to a server that was started
ArgumentCountError(0): Grpc\Server::requestCall() expects exactly 0 arguments, 1 given
-- credentials
InvalidArgumentException(1): createSsl expects 3 strings
InvalidArgumentException(1): createSsl expects 3 strings
InvalidArgumentException(1): createSsl expects 3 strings
InvalidArgumentException(1): the server's certificate chain holds no certificate; expected PEM with "-----BEGIN CERTIFICATE-----"
InvalidArgumentException(1): the server's certificate chain holds no certificate; expected PEM with "-----BEGIN CERTIFICATE-----", got an empty text
Error(0): Call to private Grpc\ServerCredentials::__construct() from global scope
