--TEST--
Deadlines that pass: at once, while connecting, before the answer, in a stream, while sending
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';

use Viaduct\{Channel, ChannelOptions};

/** Ends as said, and not before the timeout, nor long after it. */
function late(string $label, float $timeout, callable $call): void
{
    $started = microtime(true);
    $ending = ending($call);
    $took = microtime(true) - $started;
    // How far a call comes that has no time at all is chance.
    $timeout < 0.001 and $ending = preg_replace('/ passed before .*/', ' passed before …', $ending);
    echo "$label: $ending", $took < $timeout - 0.002 || $took > $timeout + 5 ? " AFTER $took" : '', "\n";
}

$m = '/test.Echo/Unary';
$silent = new Wrong('silence');
$channel = $silent->channel();
late('zero', 0, fn() => $silent->channel()->unary($m, 'x', timeout: 0));
$channel->waitForReady(10.0);
late('zero, connected', 0, fn() => $channel->unary($m, 'x', timeout: 0.0));
late('tiny', 1e-9, fn() => $channel->unary($m, 'x', timeout: 1e-9));
late('unary', 0.2, fn() => $channel->unary($m, 'x', timeout: 0.2));
late('started', 0.2, fn() => $channel->start($m, 'x', timeout: 0.2)->wait());
late('server stream', 0.2, fn() => $channel->serverStream($m, 'x', timeout: 0.2)->receive());
late('headers', 0.2, fn() => $channel->serverStream($m, 'x', timeout: 0.2)->headers() === [] ? 'none' : 'some');
late('client stream', 0.2, fn() => $channel->clientStream($m, timeout: 0.2)->finish());
late('bidi', 0.2, fn() => $channel->bidi($m, timeout: 0.2)->receive());
// The server hears of each that was sent.
$streams = $silent->stats()['streams'];
var_dump($silent->reaches('resets', $streams));

// It counts from the start of the call, not from the wait; and it passes while PHP is busy elsewhere.
$call = $channel->start($m, 'x', timeout: 0.2);
$stream = $channel->bidi($m, timeout: 0.2);
usleep(400_000);
late('slept over', 0, fn() => $call->wait());
echo $stream->status()->code->name, "\n";
late('sending', 0, fn() => $stream->send('x'));

// Another end than the deadline's is not waited for.
$middle = (new Wrong('silence-after-message'))->channel();
late('in the middle', 0.3, function () use ($middle, $m) {
    $stream = $middle->serverStream($m, 'x', timeout: 0.3);
    echo $stream->receive(), "\n";
    $stream->receive();
});
late('once more', 0, $stream->receive(...));
echo $stream->status()->code->name, "\n";

// Sending to a peer that takes nothing: during the first call we learn its window.
$narrow = (new Wrong('window-zero'))->channel();
ending(fn() => $narrow->unary($m, 'x', timeout: 0.5));
late('no window', 0.2, fn() => $narrow->unary($m, 'x', timeout: 0.2));
$stream = $narrow->bidi($m, timeout: 0.2);
late('no window, stream', 0.2, function () use ($stream) {
    for ($n = 0; $n < 100; $n++) {
        $stream->send(str_repeat('x', 20_000));
    }
});

// While connecting: to one that refuses, and to one that does not answer.
$reserved = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) substr(strrchr(stream_socket_get_name($reserved, false), ':'), 1);
fclose($reserved);
$channel = new Channel("http://127.0.0.1:$port", options: new ChannelOptions(initialBackoff: 0.05, maxBackoff: 0.1));
ob_start();
late('away', 0.3, fn() => $channel->unary($m, 'x', timeout: 0.3, waitForReady: true));
late('away, stream', 0.3, fn() => $channel->serverStream($m, 'x', timeout: 0.3, waitForReady: true)->receive());
echo str_replace((string) $port, 'PORT', ob_get_clean());
$listener = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
socket_bind($listener, '127.0.0.1');
socket_listen($listener, 0);
socket_getsockname($listener, $address, $port);
$fill = [];
for ($n = 0; $n < 8; $n++) {
    socket_set_nonblock($fill[] = $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP));
    @socket_connect($socket, '127.0.0.1', $port);
}
$channel = new Channel("http://127.0.0.1:$port");
late('no answer', 0.3, fn() => $channel->unary($m, 'x', timeout: 0.3));
var_dump($channel->waitForReady(0.2), $channel->waitForReady(0), $channel->state()->name);
?>
--EXPECT--
zero: DeadlineExceeded: the deadline of /test.Echo/Unary passed before …
zero, connected: DeadlineExceeded: the deadline of /test.Echo/Unary passed before …
tiny: DeadlineExceeded: the deadline of /test.Echo/Unary passed before …
unary: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
started: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
server stream: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
headers: Ok: none
client stream: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
bidi: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
bool(true)
slept over: DeadlineExceeded: the deadline of /test.Echo/Unary passed before …
DeadlineExceeded
sending: DeadlineExceeded: the deadline of /test.Echo/Unary passed before …
x
in the middle: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the call had ended
once more: DeadlineExceeded: the deadline of /test.Echo/Unary passed before …
DeadlineExceeded
no window: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
no window, stream: DeadlineExceeded: the deadline of /test.Echo/Unary passed before the server answered
away: DeadlineExceeded: the deadline of /test.Echo/Unary passed before there was a connection: cannot connect to http://127.0.0.1:PORT: ipv4:127.0.0.1:PORT: Connection refused (os error 111)
away, stream: DeadlineExceeded: the deadline of /test.Echo/Unary passed before there was a connection: cannot connect to http://127.0.0.1:PORT: ipv4:127.0.0.1:PORT: Connection refused (os error 111)
no answer: DeadlineExceeded: the deadline of /test.Echo/Unary passed before there was a connection
bool(false)
bool(false)
string(10) "Connecting"
