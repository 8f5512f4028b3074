--TEST--
Names whose name server never answers: the process does not wait for it, and nobody else does
--EXTENSIONS--
grpc
pcntl
--SKIPIF--
<?php
require __DIR__ . '/../support/silent-dns.php';
if ($why = SilentDns::missing()) die("skip $why");
?>
--FILE--
<?php
require __DIR__ . '/../support/silent-dns.php';

$server = ServerProcess::start(<<<'PHP'
$server->handle('/lookup.A/Echo', fn(string $in): string => $in);
serve($server);
PHP);
$port = parse_url($server->address, PHP_URL_PORT);
$dns = SilentDns::start("127.0.0.1 first.test Alias.Test # the server\n::1 ip6.test\n127.0.0.1 ip6.test\n");
$common = <<<'PHP'
function status(callable $call): string
{
    try {
        return $call();
    } catch (Viaduct\RpcException $e) {
        return $e->statusCode()->name;
    }
}
function dead(string $name, float $timeout = 1.0): string
{
    $channel = new Viaduct\Channel("http://$name.dead.test:1");
    return status(fn() => $channel->unary('/lookup.A/Echo', '', timeout: $timeout));
}
/** How many threads look a name up. */
function threads(): int
{
    $names = array_map(fn($file) => @file_get_contents($file), glob('/proc/' . getmypid() . '/task/*/comm'));
    return count(array_filter($names, fn($name) => $name === "viaduct-lookup\n"));
}
$port = $argv[1] ?? null;
PHP;
/** Says whether it took no longer than that; libc gives up after 10 s. */
$within = fn(float $seconds, float $limit) => $seconds < patient($limit) ? "within $limit s" : "after $seconds s";
$show = function (string $what, array $ended, float $limit) use ($within) {
    [$said, $code, $seconds] = $ended;
    echo "$what: $said, exit $code, ", $within($seconds, $limit), "\n";
};

$show('a call', $dns->php("$common echo dead('a');"), 4);
echo 'asked: ', $dns->questions() > 0 ? 'yes' : 'no', "\n";
$show('Grpc\\', $dns->php(<<<'PHP'
$channel = new Grpc\Channel('grpc.dead.test:1', ['credentials' => Grpc\ChannelCredentials::createInsecure()]);
$call = new Grpc\Call($channel, '/lookup.A/Echo', Grpc\Timeval::now()->add(new Grpc\Timeval(1000000)));
$call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => ''], Grpc\OP_SEND_CLOSE_FROM_CLIENT => true]);
echo $call->startBatch([Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status->code;
PHP), 4);

// The child starts while the parent's lookup of the same name hangs, and holds whatever it holds.
$show('a fork', $dns->php($common . <<<'PHP'
$channel = new Viaduct\Channel('http://fork.dead.test:1');
$running = $channel->start('/lookup.A/Echo', '', timeout: 1.0);
for ($end = microtime(true) + 10; threads() === 0 && microtime(true) < $end;) {
    Viaduct\delay(0.005);
}
$pid = pcntl_fork();
if ($pid === 0) {
    echo dead('fork', 0.5), ' ', threads(), ' ';
    $local = new Viaduct\Channel("http://localhost:$port");
    echo status(fn() => $local->unary('/lookup.A/Echo', 'child', timeout: 5.0)), ', ';
    exit;
}
pcntl_waitpid($pid, $code);
echo pcntl_wexitstatus($code), ', ', status(fn() => $running->wait());
PHP, $port), 4);

$others = <<<'PHP'
$answers = [];
foreach (['localhost', 'LOCALHOST', 'www.localhost', '127.0.0.1', 'first.test', 'alias.test', 'ip6.test'] as $name) {
    $started = hrtime(true);
    $channel = new Viaduct\Channel("http://$name:$port");
    $answers[] = status(fn() => $channel->unary('/lookup.A/Echo', $name, timeout: 10.0));
    $took = (hrtime(true) - $started) / 1e9;
    if ($took > 1.0) {
        $answers[] = "after $took s";
    }
}
echo implode(' ', $answers), "\n";
PHP;
// All threads hang, and lookups wait for their turn.
$show('many', $dns->php($common . <<<'PHP'
$calls = $channels = [];
for ($i = 0; $i < 100; $i++) {
    $channels[] = $channel = new Viaduct\Channel("http://n$i.dead.test:1");
    $calls[] = $channel->start('/lookup.A/Echo', '', timeout: 2.0);
}
for ($end = microtime(true) + 10; threads() < 64 && microtime(true) < $end;) {
    Viaduct\delay(0.005);
}
PHP . "\n$others\n" . <<<'PHP'
echo count(array_filter($calls, fn($call) => $call->done())), ' done, ', threads(), " threads\n";
echo implode(array_unique(array_map(fn($call) => status(fn() => $call->wait()), $calls)));
PHP, $port), 8);

// One name, however many ask, is one lookup.
$show('one name', $dns->php($common . <<<'PHP'
$calls = $channels = [];
for ($i = 0; $i < 100; $i++) {
    $channels[] = $channel = new Viaduct\Channel("http://one.dead.test:" . 1 + $i);
    $calls[] = $channel->start('/lookup.A/Echo', '', timeout: 1.0);
}
echo implode(array_unique(array_map(fn($call) => status(fn() => $call->wait()), $calls))), ' ', threads();
PHP, $port), 4);

// Lookups that never come to their turn end with the attempt to connect.
$show('no turn', $dns->php($common . <<<'PHP'
$calls = $channels = [];
for ($i = 0; $i < 64; $i++) {
    $channels[] = $channel = new Viaduct\Channel("http://n$i.dead.test:1");
    $calls[] = $channel->start('/lookup.A/Echo', '', timeout: 3.0);
}
for ($end = microtime(true) + 10; threads() < 64 && microtime(true) < $end;) {
    Viaduct\delay(0.005);
}
$last = new Viaduct\Channel('http://last.dead.test:1', options: new Viaduct\ChannelOptions(connectTimeout: 0.5));
try {
    $last->unary('/lookup.A/Echo', '');
} catch (Viaduct\RpcException $e) {
    echo $e->statusCode()->name, ' ', $e->getMessage();
}
PHP, $port), 4);
?>
--EXPECT--
a call: DeadlineExceeded, exit 0, within 4 s
asked: yes
Grpc\: 4, exit 0, within 4 s
a fork: DeadlineExceeded 1 child, 0, DeadlineExceeded, exit 0, within 4 s
many: localhost LOCALHOST www.localhost 127.0.0.1 first.test alias.test ip6.test
0 done, 64 threads
DeadlineExceeded, exit 0, within 8 s
one name: DeadlineExceeded 1, exit 0, within 4 s
no turn: Unavailable cannot connect to http://last.dead.test:1: no addresses within 500ms (connectTimeout), exit 0, within 4 s
