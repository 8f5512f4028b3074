--TEST--
ServerOptions: defaults, named arguments, limits of the ranges
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{Compression, ServerOptions};

var_dump(new ServerOptions());
new ServerOptions(
    concurrency: 1,
    maxQueued: 0,
    maxReceiveBytes: 0,
    maxSendBytes: 2147483647,
    maxConcurrentStreams: 1,
    maxConnections: 1,
    drainTimeout: 0,
    keepalive: 0.5,
    keepaliveTimeout: 0.5,
    compression: Compression::Deflate,
    exposeErrors: true,
);
new ServerOptions(exposeErrors: true);
new ServerOptions(65536);
echo "DONE\n";
?>
--EXPECTF--
object(Viaduct\ServerOptions)#%d (0) {
}
DONE
