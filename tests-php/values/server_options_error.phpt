--TEST--
ServerOptions: what is out of range is named; no copies
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Viaduct\ServerOptions;

refuse(fn() => new ServerOptions(concurrency: 0));
refuse(fn() => new ServerOptions(concurrency: 65537));
refuse(fn() => new ServerOptions(maxQueued: -1));
refuse(fn() => new ServerOptions(maxReceiveBytes: -5));
refuse(fn() => new ServerOptions(maxSendBytes: 1 << 40));
refuse(fn() => new ServerOptions(maxConcurrentStreams: 0));
refuse(fn() => new ServerOptions(maxConnections: 0));
refuse(fn() => new ServerOptions(drainTimeout: -1));
refuse(fn() => new ServerOptions(drainTimeout: NAN));
refuse(fn() => new ServerOptions(keepalive: 0));
refuse(fn() => new ServerOptions(keepaliveTimeout: 0));
refuse(fn() => new ServerOptions('many'));
refuse(fn() => new ServerOptions(compression: null));
refuseCopies(new ServerOptions());
?>
--EXPECT--
Viaduct\InvalidArgumentException: concurrency is 0; expected an integer from 1 to 65536
Viaduct\InvalidArgumentException: concurrency is 65537; expected an integer from 1 to 65536
Viaduct\InvalidArgumentException: maxQueued is -1; expected an integer from 0 to 2147483647
Viaduct\InvalidArgumentException: maxReceiveBytes is -5; expected an integer from 0 to 2147483647
Viaduct\InvalidArgumentException: maxSendBytes is 1099511627776; expected an integer from 0 to 2147483647
Viaduct\InvalidArgumentException: maxConcurrentStreams is 0; expected an integer from 1 to 2147483647
Viaduct\InvalidArgumentException: maxConnections is 0; expected an integer from 1 to 2147483647
Viaduct\InvalidArgumentException: drainTimeout is -1; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: drainTimeout is NAN; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: keepalive is 0; expected a finite number of seconds, more than 0
Viaduct\InvalidArgumentException: keepaliveTimeout is 0; expected a finite number of seconds, more than 0
TypeError: Viaduct\ServerOptions::__construct(): Argument #1 ($concurrency) must be of type int, string given
TypeError: Viaduct\ServerOptions::__construct(): Argument #10 ($compression) must be of type Viaduct\Compression, null given
Error: Trying to clone an uncloneable object of class Viaduct\ServerOptions
Exception: Serialization of 'Viaduct\ServerOptions' is not allowed
Exception: Unserialization of 'Viaduct\ServerOptions' is not allowed
Error: Cannot create dynamic property Viaduct\ServerOptions::$anything
