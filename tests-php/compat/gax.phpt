--TEST--
200 calls with credentials of their own, all started, then waited for: one connection, all at once
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/lib/stub.php';

const CALLS = 200;

class Bytes
{
    public function __construct(public string $bytes = '')
    {
    }

    public function serializeToString(): string
    {
        return $this->bytes;
    }

    public function mergeFromString(string $bytes): void
    {
        $this->bytes = $bytes;
    }
}

[$cert, $key, $authority] = certificate(scratch(), 'server');
// Each call takes 250 ms, and as much longer as it takes until all are there: were they not made at once, it would be
// for ever.
$server = ServerProcess::start(<<<'PHP'
    $running = $most = 0;
    $peers = [];
    $server->handle('/test.Api/Get', function (string $request, Context $context) use (&$running, &$most, &$peers) {
        $peers[$context->peer()] = true;
        $most = max($most, ++$running);
        if ($running === 200) {
            say('all are running');
        }
        delay(0.25);
        for ($left = 600; $most < 200 && $left > 0; $left--) {
            delay(0.1);
        }
        $running--;
        return "$request by " . implode($context->metadata()['authorization'] ?? []);
    });
    $server->handle('/test.Api/Seen', function () use (&$most, &$peers) {
        return "$most at once, over " . count($peers) . ' connection';
    });
    announce($server->listen('https://127.0.0.1:0', ServerCredentials::tls(
        file_get_contents($argv[1]),
        file_get_contents($argv[2]),
    )));
    $server->run();
    PHP, arguments: [$cert, $key]);

$stub = new Library\Stub('localhost' . strrchr($server->address, ':'), [
    'credentials' => Grpc\ChannelCredentials::createSsl(file_get_contents($authority)),
]);
$asked = [];
$decode = [Bytes::class, 'decode'];
$calls = [];
for ($n = 0; $n < CALLS; $n++) {
    $credentials = function (object $context) use ($n, &$asked): array {
        $asked["$context->service_url $context->method_name"] ??= 0;
        $asked["$context->service_url $context->method_name"]++;
        return ['authorization' => ["token $n"]];
    };
    $calls[] = $stub->unary('/test.Api/Get', new Bytes("call $n"), $decode, [], [
        'timeout' => (int) (patient(60) * 1e6),
        'call_credentials_callback' => $credentials,
    ]);
}
// Nobody has waited for any of them.
echo $server->line(60), "\n";
$right = 0;
foreach ($calls as $n => $call) {
    [$response, $status] = $call->wait();
    $right += $status->code === Grpc\STATUS_OK && $response->bytes === "call $n by token $n";
}
echo "$right are answered\n";
echo $stub->unary('/test.Api/Seen', new Bytes(), $decode)->wait()[0]->bytes, "\n";
foreach ($asked as $context => $times) {
    echo preg_replace('/:\d+/', ':PORT', $context), " $times times\n";
}
$server->stop();
?>
--EXPECT--
all are running
200 are answered
200 at once, over 1 connection
https://localhost:PORT/test.Api Get 200 times
