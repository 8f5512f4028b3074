--TEST--
GRPC_VERBOSITY and GRPC_TRACE tell what a person debugs with, whichever namespace comes first
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/server.php';

[$cert, $key, $authority] = certificate(scratch(), 'server');
[, , $stranger] = certificate(scratch(), 'stranger');

/** Clients of both namespaces: one call each, and one more where a connection is to be closed first. */
$clients = [
    'Viaduct' => <<<'PHP'
    <?php
    [, $target, $ca] = $argv;
    $tls = $ca === '' ? null : Viaduct\Credentials::tls(ca: file_get_contents($ca));
    $channel = new Viaduct\Channel(($tls ? 'https' : 'http') . "://$target", $tls);
    foreach ([1, 2] as $time) {
        try { $channel->unary('/t.S/M', 'x', timeout: 30.0); } catch (Viaduct\RpcException) {}
    }
    PHP,
    'Grpc' => <<<'PHP'
    <?php
    [, $target, $ca] = $argv;
    $tls = $ca === '' ? null : Grpc\ChannelCredentials::createSsl(file_get_contents($ca));
    $channel = new Grpc\Channel($target, ['credentials' => $tls]);
    foreach ([1, 2] as $time) {
        $call = new Grpc\Call($channel, '/t.S/M', Grpc\Timeval::infFuture());
        $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_SEND_MESSAGE => ['message' => 'x'],
            Grpc\OP_SEND_CLOSE_FROM_CLIENT => true, Grpc\OP_RECV_MESSAGE => true, Grpc\OP_RECV_STATUS_ON_CLIENT => true]);
    }
    PHP,
];
$scripts = [];
foreach ($clients as $namespace => $code) {
    file_put_contents($scripts[$namespace] = scratch() . "/$namespace.php", $code);
}
/** The lines of a client, without times, addresses and durations. */
function lines(string $script, string $target, string $ca, string $verbosity, string $trace = '', array $settings = []): string
{
    $command = Process::php($script, $target, $ca);
    foreach ($settings as $name => $value) {
        array_splice($command, 1, 0, ['-d', "$name=$value"]);
    }
    $environment = array_filter(['GRPC_VERBOSITY' => $verbosity, 'GRPC_TRACE' => $trace]) + getenv();
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes, null, $environment);
    $text = stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]);
    proc_close($process);
    // The end of the process ends connections, or not.
    $text = preg_replace('/^.* the connection to .* has ended\n/m', '', $text);
    return preg_replace(['/^\d{10}\.\d{6} (\w+) \d+ /m', '/127\.0\.0\.1:\d+/', '/\[::1\]:\d+/', '/[\d.]+ ms/', '/[\d.]+ s\b/'], ['$1 ', 'ADDRESS', 'SIX', 'SOME ms', 'SOME s'], $text);
}
$nobody = stream_socket_server('tcp://127.0.0.1:0');
$refuses = stream_socket_get_name($nobody, false);
fclose($nobody);
$server = new Wrong('echo');

foreach ($scripts as $namespace => $script) {
    echo "=== $namespace first: a server that answers\n", lines($script, "127.0.0.1:$server->port", '', 'DEBUG');
    echo "=== nobody there\n", lines($script, $refuses, '', 'debug');
    echo "=== by ini\n", substr_count(lines($script, $refuses, '', '', '', ['grpc.grpc_verbosity' => 'debug']), "\n") > 5 ? "the same\n" : "NOTHING\n";
}
echo "=== a name, and GOAWAY\n";
$text = preg_replace('/localhost:\d+/', 'NAME', lines($scripts['Grpc'], 'localhost:' . (new Wrong('goaway-processed'))->port, '', 'DEBUG'));
foreach (['viaduct::resolver: target NAME is ', 'viaduct::connection: channel NAME: ipv4:ADDRESS takes no more calls (GOAWAY)', 'READY -> IDLE'] as $part) {
    echo str_contains($text, $part) ? $part : "MISSING: $part in\n$text", "\n";
}
echo "=== GRPC_TRACE at INFO\n";
foreach (['', 'connectivity_state', 'subchannel,api', 'all,-connectivity_state,-channel,-client_channel,-http'] as $trace) {
    $all = lines($scripts['Grpc'], $refuses, '', 'INFO', $trace);
    preg_match_all('/^DEBUG (viaduct::\w+)/m', $all, $found);
    $seen = array_unique($found[1]);
    sort($seen);
    echo "'$trace': ", implode(', ', $seen), "\n";
}
echo "frames: ";
var_dump(str_contains(lines($scripts['Viaduct'], "127.0.0.1:$server->port", '', 'DEBUG', 'http'), 'Settings'), str_contains(lines($scripts['Viaduct'], $refuses, '', 'NONE', 'all'), 'DEBUG'));

echo "=== TLS, both sides\n";
$file = scratch() . '/server.log';
$tls = ServerProcess::start(<<<'PHP'
[, $cert, $key] = $argv;
$server->handle('/t.S/M', fn(string $in): string => $in);
announce($server->listen('https://127.0.0.1:0', ServerCredentials::tls(file_get_contents($cert), file_get_contents($key))));
$server->run();
PHP, arguments: [$cert, $key], ini: ['grpc.grpc_verbosity' => 'INFO', 'grpc.log_filename' => $file]);
$address = preg_replace('~^https://~', '', $tls->address);
foreach ($scripts as $namespace => $script) {
    preg_match('/^DEBUG viaduct::connection: .*unknown issuer/m', lines($script, $address, $stranger, 'DEBUG'), $found);
    echo "$namespace: ", $found ? 'says why' : 'SAYS NOTHING', "\n";
}
$tls->stop();
echo preg_match_all('/^.* INFO .*no TLS connection with ipv4:/m', file_get_contents($file)) >= 2 ? "the server says so\n" : "THE SERVER SAYS: " . file_get_contents($file);
?>
--EXPECT--
=== Viaduct first: a server that answers
DEBUG viaduct::connectivity: channel http://ADDRESS: IDLE -> CONNECTING
DEBUG viaduct::resolver: target http://ADDRESS is ipv4:ADDRESS
DEBUG viaduct::connection: connecting to ipv4:ADDRESS
DEBUG viaduct::connection: channel http://ADDRESS: connected to ipv4:ADDRESS
DEBUG viaduct::connectivity: channel http://ADDRESS: CONNECTING -> READY
DEBUG viaduct::call: /t.S/M to ipv4:ADDRESS ended OK after SOME ms
DEBUG viaduct::call: /t.S/M to ipv4:ADDRESS ended OK after SOME ms
=== nobody there
DEBUG viaduct::connectivity: channel http://ADDRESS: IDLE -> CONNECTING
DEBUG viaduct::resolver: target http://ADDRESS is ipv4:ADDRESS
DEBUG viaduct::connection: connecting to ipv4:ADDRESS
DEBUG viaduct::connection: cannot connect to ipv4:ADDRESS: Connection refused (os error 111)
DEBUG viaduct::connection: channel http://ADDRESS: cannot connect: ipv4:ADDRESS: Connection refused (os error 111)
DEBUG viaduct::connectivity: channel http://ADDRESS: CONNECTING -> TRANSIENT_FAILURE
DEBUG viaduct::call: /t.S/M to http://ADDRESS ended UNAVAILABLE after SOME ms: cannot connect to http://ADDRESS: ipv4:ADDRESS: Connection refused (os error 111)
DEBUG viaduct::call: /t.S/M to http://ADDRESS ended UNAVAILABLE after SOME ms: cannot connect to http://ADDRESS: ipv4:ADDRESS: Connection refused (os error 111); no attempt was made: the last failed SOME s ago, the next is due in SOME s
=== by ini
the same
=== Grpc first: a server that answers
DEBUG viaduct::connectivity: channel ADDRESS: IDLE -> CONNECTING
DEBUG viaduct::resolver: target ADDRESS is ipv4:ADDRESS
DEBUG viaduct::connection: connecting to ipv4:ADDRESS
DEBUG viaduct::connection: channel ADDRESS: connected to ipv4:ADDRESS
DEBUG viaduct::connectivity: channel ADDRESS: CONNECTING -> READY
DEBUG viaduct::call: /t.S/M to ipv4:ADDRESS ended OK after SOME ms
DEBUG viaduct::call: /t.S/M to ipv4:ADDRESS ended OK after SOME ms
=== nobody there
DEBUG viaduct::connectivity: channel ADDRESS: IDLE -> CONNECTING
DEBUG viaduct::resolver: target ADDRESS is ipv4:ADDRESS
DEBUG viaduct::connection: connecting to ipv4:ADDRESS
DEBUG viaduct::connection: cannot connect to ipv4:ADDRESS: Connection refused (os error 111)
DEBUG viaduct::connection: channel ADDRESS: cannot connect: ipv4:ADDRESS: Connection refused (os error 111)
DEBUG viaduct::connectivity: channel ADDRESS: CONNECTING -> TRANSIENT_FAILURE
DEBUG viaduct::call: /t.S/M to ADDRESS ended UNAVAILABLE after SOME ms: cannot connect to ADDRESS: ipv4:ADDRESS: Connection refused (os error 111)
DEBUG viaduct::call: /t.S/M to ADDRESS ended UNAVAILABLE after SOME ms: cannot connect to ADDRESS: ipv4:ADDRESS: Connection refused (os error 111); no attempt was made: the last failed SOME s ago, the next is due in SOME s
=== by ini
the same
=== a name, and GOAWAY
viaduct::resolver: target NAME is 
viaduct::connection: channel NAME: ipv4:ADDRESS takes no more calls (GOAWAY)
READY -> IDLE
=== GRPC_TRACE at INFO
'': 
'connectivity_state': viaduct::connectivity
'subchannel,api': viaduct::call, viaduct::connection
'all,-connectivity_state,-channel,-client_channel,-http': viaduct::call, viaduct::connection, viaduct::resolver
frames: bool(true)
bool(false)
=== TLS, both sides
Viaduct: says why
Grpc: says why
the server says so
