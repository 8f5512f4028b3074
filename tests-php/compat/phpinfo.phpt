--TEST--
phpinfo(): versions, channels, the reactor's state
--EXTENSIONS--
grpc
--FILE--
<?php
function section(): void
{
    ob_start();
    phpinfo(INFO_MODULES);
    preg_match('/^grpc\n\n(.*?)\n\n/ms', ob_get_clean(), $found);
    echo $found[1], "\n";
}
section();
echo "---\n";
$one = new Grpc\Channel('localhost:0', []);
$two = new Grpc\Channel('localhost:0', ['force_new' => true]);
new Grpc\Channel('127.0.0.1:0', []);
$one->getConnectivityState(true);
section();
?>
--EXPECTF--
gRPC support => enabled
Viaduct version => %d.%d.%d
Compatible with ext-grpc => 1.%d.%d
h2 version => %d.%d.%d
rustls version => %d.%d.%d
tokio version => %d.%d.%d
Grpc\Channel connections => 0 open, 0 of them pooled, 0 of these in use
Viaduct\Channel connections => 0 open, 0 of them pooled, 0 of these in use
Reactor => not started
---
gRPC support => enabled
Viaduct version => %d.%d.%d
Compatible with ext-grpc => 1.%d.%d
h2 version => %d.%d.%d
rustls version => %d.%d.%d
tokio version => %d.%d.%d
Grpc\Channel connections => 3 open, 2 of them pooled, 1 of these in use
Viaduct\Channel connections => 0 open, 0 of them pooled, 0 of these in use
Reactor => driven by the thread that waits; the janitor has woken up %d times and taken over %d times
