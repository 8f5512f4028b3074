--TEST--
Grpc\Channel: who shares a connection, and who does not; how many are kept
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/wrong.php';

use Grpc\{CallCredentials, Channel, ChannelCredentials, Timeval};

/** Connects, and waits for it. */
function ready(Channel $channel): bool
{
    $channel->getConnectivityState(true);
    while (($state = $channel->getConnectivityState()) === Grpc\CHANNEL_CONNECTING) {
        $channel->watchConnectivityState($state, Timeval::infFuture());
    }
    return $state === Grpc\CHANNEL_READY;
}
/** Whether a second channel with these arguments finds the first one's connection. */
function shared(array $one, ?array $other = null, ?string $target = null): string
{
    global $server, $n;
    $target ??= "127.0.0.1:$server->port";
    // An argument without a meaning tells this pair from all before it.
    $mark = ['pair' => ++$n, 'grpc_target_persist_bound' => 100];
    $first = new Channel($target, $mark + $one);
    ready($first) || print('NOT READY ');
    $second = new Channel($target, $mark + ($other ?? $one));
    return ($second->getConnectivityState() === Grpc\CHANNEL_READY ? 'shared' : 'apart') . "\n";
}
/** The figures of phpinfo(). */
function figures(): string
{
    ob_start();
    phpinfo(INFO_MODULES);
    preg_match('/^Grpc\\\\Channel connections => (.*)$/m', ob_get_clean(), $found);
    return "$found[1]\n";
}
$n = 0;
$server = new Wrong('echo');
$target = "127.0.0.1:$server->port";
echo "nothing: ", figures();
echo "the same: ", shared([]);
echo "credentials null or left out: ", shared([], ['credentials' => null]);
echo "the same arguments: ", shared(['a' => 1, 'b' => 'x'], ['a' => 1, 'b' => 'x']);
echo "in another order: ", shared(['a' => 1, 'b' => 'x'], ['b' => 'x', 'a' => 1]);
echo "another value: ", shared(['a' => 1], ['a' => 2]);
echo "another type: ", shared(['a' => 1], ['a' => '1']);
echo "other words, together the same: ", shared(['a' => 'bc'], ['ab' => 'c']);
echo "one more: ", shared([], ['a' => 1]);
echo "force_new first: ", shared(['force_new' => true], []);
echo "force_new after: ", shared([], ['force_new' => true]);
echo "force_new false: ", shared(['force_new' => false], ['force_new' => false]);
echo "another text for the target: ";
$one = new Channel($target, ['text' => 1]);
ready($one);
echo (new Channel("dns:///$target", ['text' => 1]))->getConnectivityState() === Grpc\CHANNEL_IDLE ? "apart\n" : "SHARED\n";
unset($one);
echo "under a bound of 100: ", figures();

echo "--- credentials\n";
[$cert, $key, $authority] = certificate(scratch(), 'server');
$tlsServer = ServerProcess::start('serve2();
function serve2() { global $server, $argv;
    announce($server->listen("https://127.0.0.1:0", ServerCredentials::tls(file_get_contents($argv[1]), file_get_contents($argv[2]))));
    $server->run();
}', arguments: [$cert, $key]);
$tls = preg_replace('~^https://~', '', $tlsServer->address);
$ca = file_get_contents($authority);
[$a, $aKey] = array_map(file_get_contents(...), certificate(scratch(), 'a'));
[$b, $bKey, $bCa] = array_map(file_get_contents(...), certificate(scratch(), 'b'));
$ssl = fn(?string ...$pem) => ['credentials' => ChannelCredentials::createSsl(...$pem)];
echo "the same: ", shared($ssl($ca), $ssl($ca), $tls);
echo "more roots: ", shared($ssl($ca), $ssl($ca . $bCa), $tls);
echo "a certificate: ", shared($ssl($ca), $ssl($ca, $aKey, $a), $tls);
echo "the same certificate: ", shared($ssl($ca, $aKey, $a), $ssl($ca, $aKey, $a), $tls);
echo "another certificate: ", shared($ssl($ca, $aKey, $a), $ssl($ca, $bKey, $b), $tls);
echo "same chain, other roots: ", shared($ssl($ca, $aKey, $a), $ssl($ca . $bCa, $aKey, $a), $tls);
echo "another name: ", shared($ssl($ca), $ssl($ca) + ['grpc.ssl_target_name_override' => 'localhost'], $tls);
$xds = ['credentials' => ChannelCredentials::createXds(ChannelCredentials::createSsl($ca))];
echo "xds: ", shared($ssl($ca), $xds, $tls), shared($xds, $xds, $tls);
$call = fn() => ['credentials' => ChannelCredentials::createComposite(ChannelCredentials::createSsl($ca), CallCredentials::createFromPlugin(fn() => []))];
$composite = $call();
echo "call credentials: ", shared($composite, $composite, $tls), shared($composite, $ssl($ca), $tls);
echo "plaintext: ", shared([], $ssl($ca));
$tlsServer->stop();

echo "--- closing\n";
$server->stop();
$server = new Wrong('echo');
$target = "127.0.0.1:$server->port";
$one = new Channel($target, []);
$two = new Channel($target, []);
ready($one);
$one->close();
echo $two->getConnectivityState(), ' ', (new Channel($target, []))->getConnectivityState(), "\n";
$two->close();
unset($one, $two);
echo "kept for who comes next: ", (new Channel($target, []))->getConnectivityState(), ' ', (int) $server->reaches('connections', 1), "\n";
$alone = new Channel($target, ['force_new' => true]);
ready($alone);
var_dump($server->reaches('open', 2));
$alone->close();
echo "its own goes: ";
var_dump($server->reaches('open', 1));

echo "--- one for each target\n";
$kept = fn(array $args) => (new Channel($GLOBALS['target'], $args))->getConnectivityState() === Grpc\CHANNEL_READY ? 'kept ' : 'gone ';
$make = function (array $args) use ($target): Channel { $channel = new Channel($target, $args); ready($channel); return $channel; };
$make(['a' => 1]);
echo $kept(['a' => 1]), "\n";
$make(['a' => 2]);
echo "evicted by another: ", $kept(['a' => 2]), $kept(['a' => 1]), "\n";
$used = $make(['a' => 3]);
$beside = $make(['a' => 4]);
echo "who is used stays, and who comes is not kept: ", $kept(['a' => 3]);
unset($beside);
echo $kept(['a' => 4]), "\n";
unset($used);
echo "--- grpc_target_persist_bound\n";
$bound = fn(int $bound) => ['grpc_target_persist_bound' => $bound];
$make($bound(2) + ['a' => 1]);
$make(['a' => 2]);
echo "two: ", $kept(['a' => 1]), $kept(['a' => 2]), "\n";
$make(['a' => 3]);
echo "the one that was not asked for longest went: ", $kept(['a' => 3]), $kept(['a' => 2]), "\n";
echo "the last writer wins: ", $kept($bound(1) + ['a' => 3]), $kept(['a' => 3]), json_encode($server->reaches('open', 1)), "\n";
$make($bound(0) + ['a' => 1]);
echo "none: ", $kept(['a' => 3]), $kept(['a' => 1]), "\n";
var_dump($server->reaches('open', 0));
echo "--- 256 in all: who is used stays, and then who was asked for last\n";
$used = new Channel('127.0.0.1:1', ['used' => 1]);
for ($port = 2; $port <= 300; $port++) {
    new Channel("127.0.0.1:$port", []);
}
echo figures();
?>
--EXPECT--
nothing: 0 open, 0 of them pooled, 0 of these in use
the same: shared
credentials null or left out: shared
the same arguments: shared
in another order: apart
another value: apart
another type: apart
other words, together the same: apart
one more: apart
force_new first: apart
force_new after: apart
force_new false: shared
another text for the target: apart
under a bound of 100: 18 open, 18 of them pooled, 0 of these in use
--- credentials
the same: shared
more roots: apart
a certificate: apart
the same certificate: shared
another certificate: apart
same chain, other roots: apart
another name: apart
xds: apart
shared
call credentials: apart
apart
plaintext: apart
--- closing
2 2
kept for who comes next: 2 1
bool(true)
its own goes: bool(true)
--- one for each target
kept 
evicted by another: kept gone 
who is used stays, and who comes is not kept: kept gone 
--- grpc_target_persist_bound
two: kept kept 
the one that was not asked for longest went: kept kept 
the last writer wins: kept kept true
none: gone gone 
bool(true)
--- 256 in all: who is used stays, and then who was asked for last
256 open, 256 of them pooled, 1 of these in use
