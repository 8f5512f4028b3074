--TEST--
Bad targets, methods, metadata, timeouts and options: the exception, and what it says
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/refuse.php';

use Viaduct\{Channel, ChannelOptions, Credentials};

echo "-- targets\n";
foreach ([
    '', 'localhost', 'localhost:50051', '127.0.0.1:50051', 'ftp://x:1', 'http:x', 'http://', 'http://a b:1', 'http://x:99999',
    'http://x:0', 'http://x:', 'http://x/path', 'http://::1:50051', 'http://[::1', 'dns://8.8.8.8/x', 'ipv4:localhost:1',
    'ipv4:', 'ipv6:127.0.0.1:1', 'unix:', 'unix://x', 'unix-abstract:', "unix:/a\0b", "http://\xff:1",
] as $target) {
    refuse(fn() => new Channel($target));
}
refuse(fn() => new Channel());
refuse(fn() => new Channel([]));
refuse(fn() => new Channel('http://x:1', 'insecure'));
refuse(fn() => new Channel('http://x:1', null, []));
refuse(fn() => new Channel('http://x:1', Credentials::tls()));
refuse(fn() => new Channel('https://x:1', Credentials::insecure()));

$server = new Wrong('echo');
$channel = $server->channel();
$m = '/test.Echo/Unary';

echo "-- methods\n";
foreach (['', 'x', '/', '//', '/a', '/a/', '//b', '/a/b/c', 'a/b', "/a/b\0", '/a/b c', '/a/b?c', '/a/b#c', "/a/\xc3\xa9", "/a/\xff", "/a/b\n"] as $method) {
    refuse(fn() => $channel->unary($method, 'x'));
}
refuse(fn() => $channel->start('a', 'x'));
refuse(fn() => $channel->serverStream('a', 'x'));
refuse(fn() => $channel->clientStream('a'));
refuse(fn() => $channel->bidi('a'));
refuse(fn() => $channel->unary([], 'x'));

echo "-- metadata\n";
foreach ([
    ['' => 'x'], ['a b' => 'x'], ["a\0" => 'x'], ['ä' => 'x'], [':path' => 'x'], ['grpc-timeout' => '1S'], ['grpc-own' => 'x'],
    ['content-type' => 'x'], ['TE' => 'x'], ['host' => 'x'], ['a' => "x\n"], ['a' => "\0"], ['a' => 'ä'], ['a' => 5],
    ['a' => null], ['a' => [5]], ['a' => [['x']]], ['a' => new stdClass()], ['good' => 'x', 'bad key' => 'y'],
    ['a' => ['good', "bad\x7f"]], ['many' => array_fill(0, 5000, 'x')],
] as $metadata) {
    refuse(fn() => $channel->unary($m, 'x', metadata: $metadata));
}
refuse(fn() => $channel->bidi($m, metadata: ['a b' => 'x']));
refuse(fn() => $channel->unary($m, 'x', metadata: 'x'));

echo "-- the rest\n";
foreach ([-1.0, -0.001, NAN, INF, -INF] as $timeout) {
    refuse(fn() => $channel->unary($m, 'x', timeout: $timeout));
}
refuse(fn() => $channel->clientStream($m, timeout: -2));
refuse(fn() => $channel->unary($m, 'x', timeout: 'soon'));
refuse(fn() => $channel->waitForReady(-1.0));
refuse(fn() => $channel->unary($m, 'x', waitForReady: []));
refuse(fn() => $channel->unary($m, 'x', compression: 'gzip'));
refuse(fn() => $channel->unary($m));
refuse(fn() => $channel->unary(request: 'x'));
refuse(fn() => $channel->unary($m, 'x', null, [], null, null, null, 8));
refuse(fn() => $channel->unary($m, 'x', deadline: 5));
refuse(fn() => new ChannelOptions(userAgent: "a\nb"));
refuse(fn() => new ChannelOptions(authority: 'a b'));
refuse(fn() => $server->channel(authority: ''));

$stats = $server->stats();
echo $stats['connections'], ' connections, ', $stats['streams'], " streams\n";
?>
--EXPECT--
-- targets
Viaduct\InvalidArgumentException: target "": it has no scheme; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "localhost": it has no scheme; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "localhost:50051": it has no scheme; for plaintext write "http://localhost:50051"; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "127.0.0.1:50051": it has no scheme; for plaintext write "http://127.0.0.1:50051"; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "ftp://x:1": the scheme "ftp" is not known; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http:x": after the scheme comes "//"; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://": "" is not a host name; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://a b:1": "a b" is not a host name; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://x:99999": "99999" is not a port from 1 to 65535; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://x:0": "0" is not a port from 1 to 65535; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://x:": "" is not a port from 1 to 65535; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://x/path": "x/path" is not a host name; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://::1:50051": an IPv6 address stands in brackets; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "http://[::1": a "[" is not closed; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "dns://8.8.8.8/x": a name server of one's own is not supported: write dns:///; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "ipv4:localhost:1": "localhost" is not an IPv4 address; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "ipv4:": "" is not an IPv4 address; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "ipv6:127.0.0.1:1": "127.0.0.1" is not an IPv6 address; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "unix:": the path is missing; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "unix://x": after unix:// comes an absolute path; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "unix-abstract:": the name is missing; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: target "unix:/a\0b": it has a NUL byte; expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, unix:/path or unix-abstract:name
Viaduct\InvalidArgumentException: authority "�:1" is not legal; expected host or host:port
ArgumentCountError: Viaduct\Channel::__construct() expects at least 1 argument, 0 given
TypeError: Viaduct\Channel::__construct(): Argument #1 ($target) must be of type string, array given
TypeError: Viaduct\Channel::__construct(): Argument #2 ($credentials) must be of type ?Viaduct\Credentials, string given
TypeError: Viaduct\Channel::__construct(): Argument #3 ($options) must be of type ?Viaduct\ChannelOptions, array given
Viaduct\InvalidArgumentException: target "http://x:1" says plaintext, but TLS credentials were given; expected https:// or no credentials
Viaduct\InvalidArgumentException: target "https://x:1" does not go with Credentials::insecure(): https:// means TLS; expected http:// for plaintext
-- methods
Viaduct\InvalidArgumentException: "" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "x" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "//" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "//b" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b/c" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "a/b" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b\0" is not a method: it has the byte 0x00; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b c" is not a method: it has the byte 0x20; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b?c" is not a method: it has the byte 0x3f; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b#c" is not a method: it has the byte 0x23; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/é" is not a method: it has the byte 0xc3; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/�" is not a method: it is not UTF-8; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "/a/b\n" is not a method: it has the byte 0x0a; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "a" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "a" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "a" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
Viaduct\InvalidArgumentException: "a" is not a method: it has not the two slashes with a name after each; expected "/package.Service/Method"
TypeError: Viaduct\Channel::unary(): Argument #1 ($method) must be of type string, array given
-- metadata
Viaduct\InvalidArgumentException: metadata key "" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key "a b" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key "a\0" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key "ä" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key ":path" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata key "grpc-timeout" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata key "grpc-own" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata key "content-type" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata key "TE" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata key "host" belongs to the protocol and cannot be set
Viaduct\InvalidArgumentException: metadata value of "a" has the byte 0x0a; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: metadata value of "a" has the byte 0x00; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: metadata value of "a" has the byte 0xc3; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: metadata: the value of "a" is of type int; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata: the value of "a" is of type null; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata: an element of "a" is of type int; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata: an element of "a" is of type array; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata: the value of "a" is of type stdClass; expected a string or a list of strings
Viaduct\InvalidArgumentException: metadata key "bad key" is not legal; expected one or more of 0-9 a-z _ - .
Viaduct\InvalidArgumentException: metadata value of "a" has the byte 0x7f; expected printable ASCII (0x20 to 0x7e), or a key that ends in "-bin" for binary values
Viaduct\InvalidArgumentException: metadata has more than 4096 values
Viaduct\InvalidArgumentException: metadata key "a b" is not legal; expected one or more of 0-9 a-z _ - .
TypeError: Viaduct\Channel::unary(): Argument #4 ($metadata) must be of type array, string given
-- the rest
Viaduct\InvalidArgumentException: timeout is -1; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: timeout is -0.001; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: timeout is NAN; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: timeout is INF; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: timeout is -INF; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: timeout is -2; expected a finite number of seconds, 0 or more
TypeError: Viaduct\Channel::unary(): Argument #5 ($timeout) must be of type ?float, string given
Viaduct\InvalidArgumentException: timeout is -1; expected a finite number of seconds, 0 or more
TypeError: Viaduct\Channel::unary(): Argument #6 ($waitForReady) must be of type ?bool, array given
TypeError: Viaduct\Channel::unary(): Argument #7 ($compression) must be of type ?Viaduct\Compression, string given
ArgumentCountError: Viaduct\Channel::unary() expects at least 2 arguments, 1 given
ArgumentCountError: Viaduct\Channel::unary(): Argument #1 ($method) not passed
ArgumentCountError: Viaduct\Channel::unary() expects at most 7 arguments, 8 given
Error: Unknown named parameter $deadline
Viaduct\InvalidArgumentException: userAgent is "a\nb", with the byte 0x0a; expected printable ASCII (0x20 to 0x7e)
Viaduct\InvalidArgumentException: authority is "a b"; expected a host name or address, with or without a port
Viaduct\InvalidArgumentException: authority is ""; expected a host name or address, with or without a port
0 connections, 0 streams
