--TEST--
Grpc\Channel: states, waiting for them, closing; targets; subclasses
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Grpc\{Channel, Timeval};

const STATES = ['IDLE', 'CONNECTING', 'READY', 'TRANSIENT_FAILURE', 'FATAL_FAILURE'];

/** As BaseStub::waitForReady() does it. */
function waitForReady(Channel $channel, int $micros): bool
{
    $state = $channel->getConnectivityState(true);
    $deadline = Timeval::now()->add(new Timeval($micros));
    while ($state !== Grpc\CHANNEL_READY && $channel->watchConnectivityState($state, $deadline)) {
        $state = $channel->getConnectivityState();
    }
    return $channel->getConnectivityState() === Grpc\CHANNEL_READY;
}
$long = 20_000_000;
$never = Timeval::infFuture();

$server = new Wrong('echo');
$target = "127.0.0.1:$server->port";
$channel = new Channel($target, ['credentials' => null]);
echo STATES[$channel->getConnectivityState()], ' ', STATES[$channel->getConnectivityState(false)], "\n";
echo "not ready in no time: ";
var_dump(waitForReady($channel, 1));
echo "ready: ";
var_dump(waitForReady($channel, $long), waitForReady($channel, 0));
echo "a state that is not the one: ";
var_dump($channel->watchConnectivityState(Grpc\CHANNEL_IDLE, $never), $channel->watchConnectivityState(17, $never));
echo "no change: ";
var_dump($channel->watchConnectivityState(Grpc\CHANNEL_READY, Timeval::now()->add(new Timeval(20_000))),
    $channel->watchConnectivityState(Grpc\CHANNEL_READY, new Timeval(20_000)),
    $channel->watchConnectivityState(Grpc\CHANNEL_READY, Timeval::infPast()),
    $channel->watchConnectivityState(Grpc\CHANNEL_READY, Timeval::zero()));
echo "the peer goes: ";
$server->stop();
var_dump($channel->watchConnectivityState(Grpc\CHANNEL_READY, $never));
echo STATES[$channel->getConnectivityState(true)], ' ';
$channel->watchConnectivityState(Grpc\CHANNEL_CONNECTING, $never);
echo STATES[$channel->getConnectivityState()], "\n";
echo "it comes back, and the wait finds it: ";
$server = new Wrong('echo', $server->port);
var_dump(waitForReady($channel, $long), $server->reaches('connections', 1));
echo "closed twice: ";
$other = new Channel($target, ['credentials' => null]);
var_dump($channel->close(), $channel->close());
echo STATES[$other->getConnectivityState()], "\n";

echo "targets: ";
foreach (["localhost:$server->port", "dns:///localhost:$server->port", "dns:127.0.0.1:$server->port", "ipv4:$target", "ipv4:127.0.0.1:1,$target"] as $name) {
    $one = new Channel($name, []);
    echo $one->getTarget() === $name && waitForReady($one, $long) ? 'ok ' : "FAILED $name ";
}
echo "\nover IPv6 alone: ";
$six = @stream_socket_server('tcp://[::1]:0', flags: STREAM_SERVER_BIND | STREAM_SERVER_LISTEN);
$port = $six ? (int) substr(strrchr(stream_socket_get_name($six, false), ':'), 1) : 0;
$one = new Channel("localhost:$port", []);
$one->getConnectivityState(true);
for ($n = 0; $six && $n < 2000; $n++) {
    $one->watchConnectivityState(Grpc\CHANNEL_CONNECTING, new Timeval(5000));
    $read = [$six];
    $none = null;
    if (stream_select($read, $none, $none, 0, 0)) break;
}
echo !$six || $n < 2000 ? 'tried' : 'NOT TRIED', "\n";
echo "a port where nobody can listen: ";
$nobody = new Channel('localhost:0', []);
$nobody->getConnectivityState(true);
$nobody->watchConnectivityState(Grpc\CHANNEL_CONNECTING, $never);
echo $nobody->getTarget(), ' ', STATES[$nobody->getConnectivityState()], "\n";

// As the library on top does it: the parent's constructor is left out, methods are overridden without types.
class Intercepting extends Channel
{
    private $channel;
    public $dynamic;
    public function __construct($channel) { $this->channel = $channel; }
    public function getTarget() { return $this->channel->getTarget(); }
    public function getConnectivityState($try_to_connect = false) { return $this->channel->getConnectivityState($try_to_connect); }
    public function watchConnectivityState($last_state, $deadline_obj) { return $this->channel->watchConnectivityState($last_state, $deadline_obj); }
    public function close() { return $this->channel->close(); }
}
$wrapped = new Intercepting($other);
echo "a wrapper: ", $wrapped instanceof Channel ? 'is one ' : '', $wrapped->getTarget() === $target ? 'same ' : '', STATES[$wrapped->getConnectivityState(true)], "\n";
class Named extends Channel { public $name = 'named'; }
$named = new Named($target, []);
echo $named->name, ' ', $named->getTarget() === $target ? 'same' : '', "\n";
?>
--EXPECT--
IDLE IDLE
not ready in no time: bool(false)
ready: bool(true)
bool(true)
a state that is not the one: bool(true)
bool(true)
no change: bool(false)
bool(false)
bool(false)
bool(false)
the peer goes: bool(true)
IDLE TRANSIENT_FAILURE
it comes back, and the wait finds it: bool(true)
bool(true)
closed twice: NULL
NULL
READY
targets: ok ok ok ok ok 
over IPv6 alone: tried
a port where nobody can listen: localhost:0 TRANSIENT_FAILURE
a wrapper: is one same READY
named same
