--TEST--
Server: addresses that cannot be listened on, and calls out of turn
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';
require __DIR__ . '/../support/server.php';

use Viaduct\{Server, ServerCredentials};

[$cert, $key] = certificate(scratch(), 'listen');
$tls = ServerCredentials::tls(file_get_contents($cert), file_get_contents($key));
$server = new Server();
foreach (['', '127.0.0.1:80', 'dns:///x:1', 'http://localhost', 'http://:80', 'http://a/b:80', 'http://x:65536', 'http://::1:80',
    'http://[x]:80', 'unix:', 'unix-abstract:', "unix:/a\0b", 'unix:/' . str_repeat('x', 200), "http://\xff:1", 'ftp://x:1'] as $address) {
    refuse(fn() => $server->listen($address));
}
echo "--- with and without credentials\n";
refuse(fn() => $server->listen('https://127.0.0.1:0'));
refuse(fn() => $server->listen('http://127.0.0.1:0', $tls));
echo "--- not to be bound\n";
$taken = $server->listen('http://127.0.0.1:0');
ob_start(fn($text) => str_replace([parse_url($taken, PHP_URL_PORT), scratch()], ['PORT', 'SCRATCH'], $text));
refuse(fn() => (new Server())->listen($taken));
refuse(fn() => $server->listen($taken));
refuse(fn() => $server->listen('http://192.0.2.1:0'));
refuse(fn() => $server->listen('http://no-such-host.invalid:1'));
refuse(fn() => $server->listen('unix:/no/such/directory/x.sock'));
$path = scratch() . '/x.sock';
$server->listen("unix:$path");
refuse(fn() => (new Server())->listen("unix:$path"));
file_put_contents(scratch() . '/file', 'precious');
refuse(fn() => $server->listen('unix:' . scratch() . '/file'));
echo file_get_contents(scratch() . '/file'), "\n";
echo "--- out of turn\n";
refuse(fn() => (new Server())->run());
refuse(function () use ($server) {
    $fiber = new Fiber(fn() => $server->run());
    $fiber->start();
});
refuse(fn() => Viaduct\await(Viaduct\async(fn() => $server->run())));
$server->stop();
$server->run();
echo "ran\n";
refuse(fn() => $server->run());
refuse(fn() => $server->listen('http://127.0.0.1:0'));
refuse(fn() => $server->handle('/a.B/C', fn($in) => $in));
refuse(fn() => $server->register('a.B', new ArrayObject()));
$server->stop();
echo "--- inside a handler\n";
$child = ServerProcess::start(<<<'PHP'
$server->handle('/a.B/Run', function (string $in) use ($server) { $server->run(); return ''; });
$server->handle('/a.B/Other', function (string $in) { $other = new Server(); $other->listen('http://127.0.0.1:0'); $other->run(); return ''; });
$server->handle('/a.B/Handle', function (string $in) use ($server) { $server->handle('/a.B/New', fn($in) => $in); return ''; });
serve($server);
PHP);
$channel = new Viaduct\Channel($child->address);
foreach (['Run', 'Other', 'Handle'] as $name) {
    outcome(fn() => $channel->unary("/a.B/$name", ''));
}
$child->stop();
preg_match_all('/threw: (.*) in /', $child->log(), $threw);
echo implode("\n", $threw[1]), "\n";
?>
--EXPECT--
Viaduct\InvalidArgumentException: cannot listen on "": it has no scheme; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "127.0.0.1:80": it has no scheme; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"; did you mean "http://127.0.0.1:80" (plaintext) or "https://127.0.0.1:80" (TLS)?
Viaduct\InvalidArgumentException: cannot listen on "dns:///x:1": its scheme is "dns"; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "http://localhost": it has no port; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "http://:80": its host is empty or not a host; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "http://a/b:80": its host is empty or not a host; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "http://x:65536": its port is not a number from 0 to 65535; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "http://::1:80": an IPv6 address needs brackets; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "http://[x]:80": what stands in brackets is no IPv6 address; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "unix:": the path is empty; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "unix-abstract:": the name is empty; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "unix:/a\0b": it has a NUL byte; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\InvalidArgumentException: cannot listen on "unix:/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…": the path is longer than 107 bytes; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
Viaduct\RuntimeException: cannot listen on "http://�:1": failed to lookup address information: Name or service not known
Viaduct\InvalidArgumentException: cannot listen on "ftp://x:1": its scheme is "ftp"; expected "http://host:port", "https://host:port", ":port", "unix:/path" or "unix-abstract:name"
--- with and without credentials
Viaduct\InvalidArgumentException: cannot listen on "https://127.0.0.1:0" without credentials; expected a certificate and its key, or "http://"
Viaduct\InvalidArgumentException: cannot listen on "http://127.0.0.1:0" with credentials, as "http://" is plaintext; expected "https://"
--- not to be bound
Viaduct\RuntimeException: cannot listen on "http://127.0.0.1:PORT": Address already in use (os error 98)
Viaduct\RuntimeException: cannot listen on "http://127.0.0.1:PORT": Address already in use (os error 98)
Viaduct\RuntimeException: cannot listen on "http://192.0.2.1:0": Cannot assign requested address (os error 99)
Viaduct\RuntimeException: cannot listen on "http://no-such-host.invalid:1": failed to lookup address information: Name or service not known
Viaduct\RuntimeException: cannot listen on "unix:/no/such/directory/x.sock": No such file or directory (os error 2)
Viaduct\RuntimeException: cannot listen on "unix:SCRATCH/x.sock": another process accepts on this socket
Viaduct\RuntimeException: cannot listen on "unix:SCRATCH/file": a file is there that is no socket; it is left alone
precious
--- out of turn
Viaduct\LogicException: run() without listen(): there is no address to take connections from
Viaduct\LogicException: run() inside a fiber or another run(): it belongs on the main stack
Viaduct\LogicException: run() inside a fiber or another run(): it belongs on the main stack
ran
Viaduct\LogicException: run() once more: a server runs once
Viaduct\LogicException: listen() after run(): the server has its handlers and addresses
Viaduct\LogicException: handle() after run(): the server has its handlers and addresses
Viaduct\LogicException: register() after run(): the server has its handlers and addresses
--- inside a handler
Viaduct\RpcException Internal: internal error
Viaduct\RpcException Internal: internal error
Viaduct\RpcException Internal: internal error
Viaduct\LogicException: run() once more: a server runs once
Viaduct\LogicException: run() inside a fiber or another run(): it belongs on the main stack
Viaduct\LogicException: handle() after run(): the server has its handlers and addresses
