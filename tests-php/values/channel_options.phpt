--TEST--
ChannelOptions: defaults, named arguments, limits of the ranges
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{ChannelOptions, Compression};

var_dump(new ChannelOptions());
new ChannelOptions(
    maxReceiveBytes: 0,
    maxSendBytes: 2147483647,
    keepalive: 0.001,
    keepaliveTimeout: 1e-12,
    keepaliveWithoutCalls: true,
    connectTimeout: 1e300,
    idleTimeout: 5,
    initialBackoff: 0.2,
    maxBackoff: 0.2,
    userAgent: 'shop/1.0 (eu)',
    authority: 'greeter.internal:443',
    compression: Compression::Gzip,
    waitForReady: true,
    serviceConfig: '{"methodConfig": [{"name": [{}], "timeout": "1s", "unknown": 1}]}',
    retries: false,
);
// A gap before a named argument: the engine fills it from the declared defaults.
new ChannelOptions(waitForReady: true);
new ChannelOptions(retries: false);
new ChannelOptions(serviceConfig: '{}');
new ChannelOptions(4194304, null, null, 20.0, false, 20.0, null, 1.0, 120.0, null, null, Compression::None, false, null, true);
new ChannelOptions(...['authority' => '[::1]:50051', 'userAgent' => '']);
new ChannelOptions('16');
foreach (['host', '127.0.0.1', 'a.b:1'] as $authority) {
    new ChannelOptions(authority: $authority);
}
echo "DONE\n";
?>
--EXPECTF--
object(Viaduct\ChannelOptions)#%d (0) {
}
DONE
