--TEST--
Grpc: stubs, interceptors and servers as the library on top has them, in one thread
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/messages.php';
require __DIR__ . '/lib/stub.php';
require __DIR__ . '/lib/server.php';

use Library\{Interceptor, Kind, Reader, Server, ServerContext, Status, Stub, Writer};

$server = new Server();
$port = $server->addHttp2Port('127.0.0.1:0');
$served = fn(ServerContext $context): string => implode(',', $context->metadata()['by'] ?? []);
$server->method('/a.B/Unary', Kind::Unary, Text::class, function (Text $request, ServerContext $context) use ($served) {
    $context->initialMetadata = ['initial' => ['1', '2'], 'initial-bin' => ["\0\xff"]];
    $context->status = Status::ok(['trailing' => ['t']]);
    return new Text("$request->text by " . $served($context));
});
$server->method('/a.B/Fail', Kind::Unary, Text::class, function (Text $request, ServerContext $context) {
    $context->status = Status::of(Grpc\STATUS_NOT_FOUND, "no $request->text", ['trailing' => ['t']]);
});
$server->method('/a.B/Join', Kind::ClientStreaming, Text::class, function (Reader $reader, ServerContext $context) use ($served) {
    for ($all = []; ($request = $reader->read()) !== null;) {
        $all[] = $request->text;
    }
    return new Text(implode('+', $all) . ' by ' . $served($context));
});
$server->method('/a.B/Count', Kind::ServerStreaming, Text::class, function (Text $request, Writer $writer, ServerContext $context) use ($served) {
    $context->initialMetadata = ['by' => [$served($context)]];
    $writer->start();
    for ($n = 1; $n <= (int) $request->text; $n++) {
        $writer->write(new Text("$n"));
    }
    $writer->finish();
});
$server->method('/a.B/Chat', Kind::BidiStreaming, Text::class, function (Reader $reader, Writer $writer, ServerContext $context) use ($served) {
    while (($request = $reader->read()) !== null) {
        $writer->write(new Text("$request->text by " . $served($context)));
    }
    $context->status = Status::of(Grpc\STATUS_ABORTED, 'enough');
    $writer->finish();
});
$server->start();

/** Adds its name to the metadata, and says which call passes. */
class Named extends Interceptor
{
    public function __construct(private string $name)
    {
    }

    private function passes(string $method, array $metadata): array
    {
        echo "$this->name sees $method\n";
        return array_merge_recursive($metadata, ['By' => [$this->name]]);
    }

    public function unary($method, $next, $metadata, $options, $request)
    {
        return parent::unary($method, $next, $this->passes($method, $metadata), $options, $request);
    }

    public function clientStream($method, $next, $metadata, $options)
    {
        return parent::clientStream($method, $next, $this->passes($method, $metadata), $options);
    }

    public function serverStream($method, $next, $metadata, $options, $request)
    {
        return parent::serverStream($method, $next, $this->passes($method, $metadata), $options, $request);
    }

    public function bidi($method, $next, $metadata, $options)
    {
        return parent::bidi($method, $next, $this->passes($method, $metadata), $options);
    }
}
$options = ['credentials' => Grpc\ChannelCredentials::createInsecure(), 'timeout' => 30_000_000];
$raw = new Grpc\Channel("127.0.0.1:$port", array_diff_key($options, ['timeout' => 0]));
$channel = Interceptor::intercept($raw, [new Named('outer'), new Named('inner')]);
var_dump($channel instanceof Grpc\Channel);
$stub = new Stub("127.0.0.1:$port", $options, $channel);
$decode = [Text::class, 'decode'];
$print = fn(object $status) => print("$status->code $status->details " . json_encode($status->metadata) . "\n");

echo "-- the channel, through the interceptors\n";
var_dump($stub->getTarget() === "127.0.0.1:$port", $stub->getConnectivityState() === Grpc\CHANNEL_IDLE);
var_dump($stub->waitForReady(1), $stub->waitForReady(20_000_000), $stub->getConnectivityState() === Grpc\CHANNEL_READY);

echo "-- unary: the metadata is read when it is asked for, once\n";
$call = $stub->unary('/a.B/Unary', new Text('hello'), $decode, ['k' => ['v']]);
$server->serveOne();
echo json_encode(array_map(fn($values) => array_map(urlencode(...), $values), $call->getMetadata())), "\n";
[$response, $status] = $call->wait();
echo $response->text, ' ';
$print($status);
echo json_encode($call->getTrailingMetadata()), ' ', $call->getPeer() === "ipv4:127.0.0.1:$port" ? 'peer' : $call->getPeer(), "\n";
echo "-- unary: it is read with the answer\n";
$call = $stub->unary('/a.B/Unary', new Text('again'), $decode);
$server->serveOne();
echo $call->wait()[0]->text, ' ', implode(',', array_keys($call->getMetadata())), "\n";
echo "-- unary: no answer, but a status\n";
$call = $stub->unary('/a.B/Fail', new Text('such thing'), $decode);
$server->serveOne();
[$response, $status] = $call->wait();
var_dump($response);
$print($status);
echo "-- a method that is not there\n";
$call = $stub->unary('/a.B/None', new Text(), $decode);
$server->serveOne();
$print($call->wait()[1]);
echo "-- client streaming\n";
$call = $stub->clientStream('/a.B/Join', $decode);
foreach (['a', '', 'c'] as $text) {
    $call->write(new Text($text), ['flags' => Grpc\WRITE_BUFFER_HINT]);
}
// The half-close comes with wait(), for which the one thread has no server: it is sent without.
(function () {
    $this->call->startBatch([Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
})->call($call);
$server->serveOne();
$event = (fn() => $this->call->startBatch([Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true]))->call($call);
echo $event->message, ' ', $event->status->code, "\n";
echo "-- server streaming\n";
$call = $stub->serverStream('/a.B/Count', new Text('3'), $decode);
$server->serveOne();
foreach ($call->responses() as $n => $response) {
    echo "$n: $response->text ";
}
echo json_encode($call->getMetadata()), ' ';
$print($call->getStatus());
echo "-- bidirectional\n";
$call = $stub->bidi('/a.B/Chat', $decode);
$call->write(new Text('one'));
$call->write(new Text('two'));
$call->writesDone();
$server->serveOne();
echo $call->read()->text, ', ', $call->read()->text, ', ';
var_dump($call->read());
$print($call->getStatus());

echo "-- no key of metadata is illegal in silence\n";
try {
    $stub->unary('/a.B/Unary', new Text(), $decode, ["k\n" => ['v']]);
} catch (InvalidArgumentException $e) {
    echo $e->getMessage(), "\n";
}
echo "-- a channel that was never constructed\n";
$bare = new class extends Grpc\Channel {
    public function __construct()
    {
    }
};
foreach (['getTarget', 'getConnectivityState', 'close'] as $method) {
    try {
        $bare->$method();
        echo "$method() returned\n";
    } catch (Throwable $e) {
        echo "$method(): ", $e::class, "\n";
    }
}
foreach ([$bare, $channel] as $unusable) {
    try {
        new Grpc\Call($unusable, '/a.B/Unary', Grpc\Timeval::infFuture());
        echo "A CALL\n";
    } catch (Throwable $e) {
        echo 'new Call(): ', $e::class, "\n";
    }
}
echo "-- closed\n";
$stub->close();
try {
    $stub->getTarget();
} catch (RuntimeException $e) {
    echo $e->getMessage(), "\n";
}
?>
--EXPECT--
bool(true)
-- the channel, through the interceptors
bool(true)
bool(true)
bool(false)
bool(true)
bool(true)
-- unary: the metadata is read when it is asked for, once
outer sees /a.B/Unary
inner sees /a.B/Unary
{"initial":["1","2"],"initial-bin":["%00%FF"]}
hello by outer,inner 0 OK {"trailing":["t"]}
{"trailing":["t"]} peer
-- unary: it is read with the answer
outer sees /a.B/Unary
inner sees /a.B/Unary
again by outer,inner initial,initial-bin
-- unary: no answer, but a status
outer sees /a.B/Fail
inner sees /a.B/Fail
NULL
5 no such thing {"trailing":["t"]}
-- a method that is not there
outer sees /a.B/None
inner sees /a.B/None
12 UNIMPLEMENTED []
-- client streaming
outer sees /a.B/Join
inner sees /a.B/Join
a++c by outer,inner 0
-- server streaming
outer sees /a.B/Count
inner sees /a.B/Count
0: 1 1: 2 2: 3 {"by":["outer,inner"]} 0 OK []
-- bidirectional
outer sees /a.B/Chat
inner sees /a.B/Chat
one by outer,inner, two by outer,inner, NULL
10 enough []
-- no key of metadata is illegal in silence
outer sees /a.B/Unary
inner sees /a.B/Unary
Bad metadata value given
-- a channel that was never constructed
getTarget(): RuntimeException
getConnectivityState(): RuntimeException
close() returned
new Call(): InvalidArgumentException
new Call(): InvalidArgumentException
-- closed
getTarget error.Channel is already closed.
