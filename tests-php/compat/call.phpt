--TEST--
Grpc\Call: the constructor, the peer, the host override, subclasses
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

[$server, $channel, $port] = pair();

// Subclasses see the channel.
final class Mine extends Grpc\Call
{
    public function channel(): mixed
    {
        return $this->channel;
    }
}
$mine = new Mine($channel, '/a.B/C', Grpc\Timeval::infFuture());
var_dump($mine->channel() === $channel);
$property = new ReflectionProperty(Grpc\Call::class, 'channel');
var_dump($property->isProtected(), $property->hasType());

echo "-- the peer\n";
echo $mine->getPeer() === "127.0.0.1:$port" ? "target\n" : $mine->getPeer() . "\n";
$mine->startBatch(request('x'));
echo $mine->getPeer() === "ipv4:127.0.0.1:$port" ? "address\n" : $mine->getPeer() . "\n";
$incoming = $server->requestCall();
echo preg_replace('/\d+$/', 'N', $incoming->call->getPeer()), "\n";
$incoming->call->startBatch(answer('y'));
echo $mine->startBatch(RESPONSE)->message, "\n";

[$six, $channel6] = pair(address: '[::1]:0');
$call = call($channel6);
$call->startBatch(request('x'));
$incoming = $six->requestCall();
echo preg_replace('/\d+$/', 'N', $call->getPeer()), ' ', preg_replace('/\d+$/', 'N', $incoming->call->getPeer()), "\n";
unset($incoming, $call);

echo "-- the host\n";
foreach (['', 'other.example', 'other.example:1234'] as $host) {
    $call = call($channel, host: $host);
    $call->startBatch(request('x'));
    $incoming = $server->requestCall();
    echo str_replace((string) $port, 'PORT', $incoming->host), "\n";
    unset($incoming, $call);
}
$call = new Grpc\Call($channel, '/a.B/C', Grpc\Timeval::infFuture(), null);

echo "-- the call holds the channel\n";
$call = call($channel);
unset($channel, $mine, $property);
$call->startBatch(request('alone'));
$incoming = $server->requestCall()->call;
$incoming->startBatch(answer($incoming->startBatch([Grpc\OP_RECV_MESSAGE => true])->message));
echo $call->startBatch(RESPONSE)->message, "\n";

echo "-- a server's call that is dropped is answered\n";
[$server, $channel] = pair();
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall();
unset($incoming);
echo status($call->startBatch(RESPONSE)->status), "\n";

echo "-- a client's call that is dropped is cancelled\n";
$call = call($channel);
$call->startBatch(request('x'));
$incoming = $server->requestCall();
unset($call);
var_dump($incoming->call->startBatch([Grpc\OP_RECV_CLOSE_ON_SERVER => true])->cancelled);
?>
--EXPECT--
bool(true)
bool(true)
bool(false)
-- the peer
target
address
ipv4:127.0.0.1:N
y
ipv6:%5B::1%5D:N ipv6:%5B::1%5D:N
-- the host
127.0.0.1:PORT
other.example
other.example:1234
-- the call holds the channel
alone
-- a server's call that is dropped is answered
13 the handler ended without an answer
-- a client's call that is dropped is cancelled
bool(true)
