--TEST--
ChannelOptions: what is out of range is named; no copies
--EXTENSIONS--
grpc
--FILE--
<?php
declare(strict_types=1);

require __DIR__ . '/../support/refuse.php';

use Viaduct\ChannelOptions;

refuse(fn() => new ChannelOptions(maxReceiveBytes: -1));
refuse(fn() => new ChannelOptions(maxReceiveBytes: 2147483648));
refuse(fn() => new ChannelOptions(maxSendBytes: PHP_INT_MIN));
refuse(fn() => new ChannelOptions(keepalive: 0.0));
refuse(fn() => new ChannelOptions(keepalive: NAN));
refuse(fn() => new ChannelOptions(keepaliveTimeout: -0.5));
refuse(fn() => new ChannelOptions(connectTimeout: INF));
refuse(fn() => new ChannelOptions(idleTimeout: -INF));
refuse(fn() => new ChannelOptions(initialBackoff: 0.0));
refuse(fn() => new ChannelOptions(initialBackoff: 2.0, maxBackoff: 1.5));
refuse(fn() => new ChannelOptions(initialBackoff: NAN));
refuse(fn() => new ChannelOptions(userAgent: "a\r\nx: y"));
refuse(fn() => new ChannelOptions(userAgent: "caf\u{e9}"));
refuse(fn() => new ChannelOptions(authority: ''));
refuse(fn() => new ChannelOptions(authority: 'a b'));
refuse(fn() => new ChannelOptions(authority: 'user@host'));
refuse(fn() => new ChannelOptions(authority: 'host/path'));
refuse(fn() => new ChannelOptions(serviceConfig: ''));
refuse(fn() => new ChannelOptions(serviceConfig: "\xff"));
refuse(fn() => new ChannelOptions(serviceConfig: '[1]'));
refuse(fn() => new ChannelOptions(serviceConfig: '{"methodConfig": [{"retryPolicy": {}}]}'));
refuse(fn() => new ChannelOptions(serviceConfig: '{"methodConfig": [{"timeout": "soon"}]}'));
refuse(fn() => new ChannelOptions(loadBalancing: 'ROUND_ROBIN'));
refuse(fn() => new ChannelOptions(loadBalancing: ''));
refuse(fn() => new ChannelOptions(proxy: 'proxy:3128'));
refuse(fn() => new ChannelOptions(proxy: 'socks5://user:secret@proxy'));
refuse(fn() => new ChannelOptions(proxy: 'http://user:secret@proxy:0'));
refuse(fn() => new ChannelOptions(proxy: "http://a\0b"));
refuse(fn() => new ChannelOptions(proxy: "http://proxy:1\r\nx: y"));
refuse(fn() => new ChannelOptions(proxy: 'http://proxy/path'));
echo "types\n";
refuse(fn() => new ChannelOptions('1'));
refuse(fn() => new ChannelOptions(1.0));
refuse(fn() => new ChannelOptions(keepalive: '1'));
refuse(fn() => new ChannelOptions(keepaliveTimeout: null));
refuse(fn() => new ChannelOptions(keepaliveWithoutCalls: 1));
refuse(fn() => new ChannelOptions(userAgent: 1));
refuse(fn() => new ChannelOptions(compression: 1));
refuse(fn() => new ChannelOptions(proxy: []));
refuse(fn() => new ChannelOptions(compression: Viaduct\StatusCode::Ok));
refuse(fn() => new ChannelOptions(serviceConfig: []));
refuse(fn() => new ChannelOptions(retries: null));
refuse(fn() => new ChannelOptions(nothing: 1));
refuse(fn() => new ChannelOptions(1, 1, 1.0, 1.0, false, 1.0, 1.0, 1.0, 1.0, 'a', 'a', Viaduct\Compression::None, true, '{}', true, 'pick_first', '', 65536, [], false, 1));
echo "copies\n";
$options = new ChannelOptions();
refuseCopies($options);
refuse(fn() => $options->__construct());
refuse(fn() => (new ReflectionClass($options))->newInstanceWithoutConstructor());
?>
--EXPECT--
Viaduct\InvalidArgumentException: maxReceiveBytes is -1; expected an integer from 0 to 2147483647
Viaduct\InvalidArgumentException: maxReceiveBytes is 2147483648; expected an integer from 0 to 2147483647
Viaduct\InvalidArgumentException: maxSendBytes is -9223372036854775808; expected an integer from 0 to 2147483647
Viaduct\InvalidArgumentException: keepalive is 0; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: keepalive is NAN; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: keepaliveTimeout is -0.5; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: connectTimeout is INF; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: idleTimeout is -INF; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: initialBackoff is 0; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: maxBackoff is 1.5; expected at least initialBackoff, which is 2
Viaduct\InvalidArgumentException: initialBackoff is NAN; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: userAgent is "a\r\nx: y", with the byte 0x0d; expected printable ASCII (0x20 to 0x7e)
Viaduct\InvalidArgumentException: userAgent is "café", with the byte 0xc3; expected printable ASCII (0x20 to 0x7e)
Viaduct\InvalidArgumentException: authority is ""; expected a host name or address, with or without a port
Viaduct\InvalidArgumentException: authority is "a b"; expected a host name or address, with or without a port
Viaduct\InvalidArgumentException: authority is "user@host"; expected a host name or address, with or without a port
Viaduct\InvalidArgumentException: authority is "host/path"; expected a host name or address, with or without a port
Viaduct\InvalidArgumentException: the service config is not JSON: EOF while parsing a value at line 1 column 0
Viaduct\InvalidArgumentException: serviceConfig is not UTF-8; expected the JSON of a service config
Viaduct\InvalidArgumentException: the service config is the list "[1]"; expected an object
Viaduct\InvalidArgumentException: the service config at methodConfig[0].retryPolicy has no retryableStatusCodes; expected one, as it is required
Viaduct\InvalidArgumentException: the service config at methodConfig[0].timeout is "soon"; expected a span like "0.5s", 0 or more
Viaduct\InvalidArgumentException: loadBalancing is "ROUND_ROBIN"; expected "pick_first" or "round_robin"
Viaduct\InvalidArgumentException: loadBalancing is ""; expected "pick_first" or "round_robin"
Viaduct\InvalidArgumentException: proxy "proxy:3128": it has no scheme; expected http://host:port or http://user:password@host:port
Viaduct\InvalidArgumentException: proxy "socks5://…@proxy": the scheme "socks5" is not supported; expected http://host:port or http://user:password@host:port
Viaduct\InvalidArgumentException: proxy "http://…@proxy:0": its port is not legal; expected http://host:port or http://user:password@host:port
Viaduct\InvalidArgumentException: proxy "http://a\0b": it has no legal host; expected http://host:port or http://user:password@host:port
Viaduct\InvalidArgumentException: proxy "http://proxy:1\r\nx: y": it has no legal host; expected http://host:port or http://user:password@host:port
Viaduct\InvalidArgumentException: proxy "http://proxy/path": after the port comes nothing; expected http://host:port or http://user:password@host:port
types
TypeError: Viaduct\ChannelOptions::__construct(): Argument #1 ($maxReceiveBytes) must be of type int, string given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #1 ($maxReceiveBytes) must be of type int, float given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #3 ($keepalive) must be of type ?float, string given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #4 ($keepaliveTimeout) must be of type float, null given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #5 ($keepaliveWithoutCalls) must be of type bool, int given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #10 ($userAgent) must be of type ?string, int given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #12 ($compression) must be of type Viaduct\Compression, int given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #17 ($proxy) must be of type ?string, array given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #12 ($compression) must be of type Viaduct\Compression, Viaduct\StatusCode given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #14 ($serviceConfig) must be of type ?string, array given
TypeError: Viaduct\ChannelOptions::__construct(): Argument #15 ($retries) must be of type bool, null given
Error: Unknown named parameter $nothing
ArgumentCountError: Viaduct\ChannelOptions::__construct() expects at most 20 arguments, 21 given
copies
Error: Trying to clone an uncloneable object of class Viaduct\ChannelOptions
Exception: Serialization of 'Viaduct\ChannelOptions' is not allowed
Exception: Unserialization of 'Viaduct\ChannelOptions' is not allowed
Error: Cannot create dynamic property Viaduct\ChannelOptions::$anything
Error: the Viaduct\ChannelOptions is constructed already
ReflectionException: Class Viaduct\ChannelOptions is an internal class marked as final that cannot be instantiated without invoking its constructor
