--TEST--
A client that stops reading makes the handler wait, with at most 1 MiB buffered for its stream
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
$asked = 0;
$server->handle('/le.B/Many', function (string $in) use (&$asked): iterable {
    $message = str_repeat('x', (int) $in);
    for (;;) { $asked++; file_put_contents($GLOBALS['argv'][2], $asked); yield $message; }
});
serve($server);
PHP;
/** A client of HTTP/2 that takes no byte of DATA: no WINDOW_UPDATE is ever sent. */
function reader(string $address, string $path, string $request)
{
    $frame = fn(int $type, int $flags, int $stream, string $payload) => substr(pack('N', strlen($payload)), 1) . chr($type) . chr($flags) . pack('N', $stream) . $payload;
    $text = fn(string $s) => chr(strlen($s)) . $s;
    $headers = "\x83\x86" . "\x04" . $text($path) . "\x01" . $text('localhost')
        . "\x0f\x10" . $text('application/grpc') . "\x00" . $text('te') . $text('trailers');
    $socket = stream_socket_client(str_replace('http:', 'tcp:', $address), timeout: 5);
    // SETTINGS_INITIAL_WINDOW_SIZE is large, and so is the connection's: it is the reader that stops.
    fwrite($socket, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . $frame(4, 0, 0, pack('nN', 4, 0x7fffffff)) . $frame(8, 0, 0, pack('N', 0x7fff0000 - 65535))
        . $frame(4, 1, 0, '') . $frame(1, 4, 1, $headers) . $frame(0, 1, 1, "\0" . pack('N', strlen($request)) . $request));
    return $socket;
}
/** Bytes that have left the server and that its client has not read: the kernel's, on both sides. */
function underway(string $address): int
{
    $port = sprintf('%04X', parse_url($address, PHP_URL_PORT));
    $bytes = 0;
    foreach (preg_grep('/: \w+:\w+ \w+:\w+ 01 /', file('/proc/net/tcp')) as $line) {
        preg_match('/: \w+:(\w+) \w+:(\w+) 01 (\w+):(\w+)/', $line, $of);
        $bytes += $of[1] === $port ? hexdec($of[3]) : ($of[2] === $port ? hexdec($of[4]) : 0);
    }
    return $bytes;
}
const MIB = 1 << 20;
foreach ([[256, 1000], [256, 100_000], [1, 1000]] as [$concurrency, $size]) {
    $file = scratch() . "/asked-$concurrency-$size";
    file_put_contents($file, '0');
    $asked = fn() => (int) file_get_contents($file);
    /** Waits until the handler asks for no more; the bytes that it has yielded by then. */
    $settle = function () use ($asked, $size) {
        $last = -1;
        eventually(function () use (&$last, $asked) { usleep(500_000); [$before, $last] = [$last, $asked()]; return $last > 0 && $last === $before; }, 60);
        return $last * ($size + 5);
    };
    // The client's window is 64 KiB, and what it has taken of the stream is less than 128 KiB.
    $server = ServerProcess::start($code, arguments: [$concurrency, $file]);
    $channel = new Viaduct\Channel($server->address);
    $stream = $channel->serverStream('/le.B/Many', (string) $size);
    $stream->receive();
    $first = $settle();
    Viaduct\delay(0.5);
    $yielded = $settle();
    echo "$concurrency, $size: ", $yielded === $first ? 'waits' : "goes on: $first, $yielded";
    $buffered = $yielded - MIB / 16 - MIB / 8;
    echo $yielded > MIB / 32 && $buffered <= MIB ? '' : ", $buffered of $yielded bytes are buffered", "\n";
    unset($stream);
    $channel->close();
    echo $server->stop(), "\n", $server->errors(), $server->log();

    // The whole window is open, and the socket takes nothing: what does not leave is the server's.
    file_put_contents($file, '0');
    $server = ServerProcess::start($code, arguments: [$concurrency, $file]);
    $socket = reader($server->address, '/le.B/Many', (string) $size);
    $yielded = $settle();
    $left = underway($server->address);
    $buffered = $yielded - $left;
    echo 'an open window: ', $left > 0 && $buffered <= MIB ? 'waits' : "$buffered of $yielded bytes are buffered, $left are under way", "\n";
    fclose($socket);
    echo $server->stop(), "\n", $server->errors(), $server->log();
}
?>
--EXPECT--
256, 1000: waits
0
an open window: waits
0
256, 100000: waits
0
an open window: waits
0
1, 1000: waits
0
an open window: waits
0
