--TEST--
Server: what is no gRPC at all on its port
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

[$cert, $key] = certificate(scratch(), 'garbage');
$server = ServerProcess::start(<<<'PHP'
$server->handle('/ga.A/Echo', fn(string $in): string => $in);
announce($server->listen('http://127.0.0.1:0'), $server->listen('https://127.0.0.1:0', ServerCredentials::tls(file_get_contents($argv[1]), file_get_contents($argv[2]))));
$server->run();
PHP, arguments: [$cert, $key]);
$preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
$frame = fn(int $type, int $flags, int $stream, string $payload) => substr(pack('N', strlen($payload)), 1) . chr($type) . chr($flags) . pack('N', $stream) . $payload;
$settings = $frame(4, 0, 0, '');
mt_srand(1);
$noise = '';
for ($i = 0; $i < 100_000; $i++) $noise .= chr(mt_rand(0, 255));
$bad = [
    'nothing' => '',
    'garbage' => $noise,
    'half preface' => substr($preface, 0, 10),
    'wrong preface' => "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
    'HTTP/1.1' => "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    'preface only' => $preface,
    'garbage after preface' => $preface . $noise,
    'garbage after settings' => $preface . $settings . $noise,
    'frame too long' => $preface . $settings . "\xff\xff\xff\0\0\0\0\0\1" . $noise,
    'headers that do not decode' => $preface . $settings . $frame(1, 4, 1, "\xff\xff\xff\xff\xff\xff"),
    'data on stream 0' => $preface . $settings . $frame(0, 0, 0, 'x'),
    'data on an idle stream' => $preface . $settings . $frame(0, 0, 5, 'x'),
    'continuation alone' => $preface . $settings . $frame(9, 4, 1, ''),
    'window overflow' => $preface . $settings . str_repeat($frame(8, 0, 0, "\x7f\xff\xff\xff"), 3),
    'settings with a bad length' => $preface . $frame(4, 0, 0, 'xxx'),
    'a TLS hello on plaintext' => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . $noise,
];
$ports = array_map(fn($address) => parse_url($address, PHP_URL_PORT), $server->addresses);
foreach ($bad as $name => $bytes) {
    foreach ($ports as $port) {
        $socket = stream_socket_client("tcp://127.0.0.1:$port", timeout: 5);
        stream_set_blocking($socket, false);
        for ($sent = 0, $tries = 0; $sent < strlen($bytes) && $tries < 200; $tries++) {
            $n = @fwrite($socket, substr($bytes, $sent));
            if ($n === false) break;
            $sent += $n;
            if ($n === 0) usleep(1000);
            @fread($socket, 65536);
        }
        fclose($socket);
    }
    if (!$server->alive()) {
        echo "$name ENDS THE SERVER\n", $server->report();
        exit;
    }
}
echo "alive\n";
$port = $ports[0];
$run = fn(string $command) => trim((string) shell_exec("$command 2>/dev/null"));
if ($run('command -v curl')) {
    echo $run("curl -s -o /dev/null -m 10 --http2-prior-knowledge -w '%{http_code}' http://127.0.0.1:$port/"), ' ',
        $run("curl -s -o /dev/null -m 10 --http2-prior-knowledge -w '%{http_code}' -X POST -H 'content-type: text/plain' http://127.0.0.1:$port/ga.A/Echo"), ' ',
        // gRPC's own answer has the status 200, and its real one in the trailers.
        $run("curl -s -o /dev/null -m 10 --http2-prior-knowledge -w '%{http_code}' -X POST -H 'content-type: application/grpc' http://127.0.0.1:$port/ga.A/None"), ' ',
        $run("curl -s -o /dev/null -m 10 --http1.1 -w '%{http_code}' http://127.0.0.1:$port/"), "\n";
} else {
    echo "405 415 200 000\n";
}
$channel = new Channel($server->address);
outcome(fn() => $channel->unary('/ga.A/Echo', 'alive'));
// Who says nothing does not keep the server from ending.
$silent = stream_socket_client("tcp://127.0.0.1:$port", timeout: 5);
$half = stream_socket_client("tcp://127.0.0.1:$ports[1]", timeout: 5);
fwrite($half, "\x16\x03\x01");
echo $server->stop(40), ' ', var_export($server->signal, true), "\n", $server->rest(), $server->errors(), $server->log();
?>
--EXPECT--
alive
405 415 200 000
OK alive
0 NULL
