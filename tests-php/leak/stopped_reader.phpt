--TEST--
A client that stops reading makes the handler wait, with at most 1 MiB buffered for its stream
--EXTENSIONS--
grpc
posix
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
foreach ([[256, 1000], [256, 100_000], [1, 1000]] as [$concurrency, $size]) {
    $file = scratch() . "/asked-$concurrency-$size";
    file_put_contents($file, '0');
    $asked = fn() => (int) file_get_contents($file);
    /** Waits until the handler asks for no more. */
    $settle = function () use ($asked) {
        $last = -1;
        eventually(function () use (&$last, $asked) { usleep(300_000); [$before, $last] = [$last, $asked()]; return $last > 0 && $last === $before; }, 20);
        return $last;
    };
    // What the window lets through: the client's own, which it does not grow while nobody reads.
    $server = ServerProcess::start($code, arguments: [$concurrency, $file]);
    $channel = new Viaduct\Channel($server->address);
    $before = $server->resident();
    $stream = $channel->serverStream('/le.B/Many', (string) $size);
    $stream->receive();
    $first = $settle();
    Viaduct\delay(0.5);
    $buffered = $settle() * $size;
    $grown = $server->resident() - $before;
    // What has left the server is in the client's window and the sockets' buffers.
    echo "$concurrency, $size: ", $buffered < 16 << 20 ? 'waits' : "goes on: $buffered", $grown < 3 << 20 ? '' : " server grew by $grown", "\n";
    unset($stream);
    $channel->close();
    echo $server->stop(), "\n", $server->errors(), $server->log();

    // The whole window is open, and the socket takes nothing: what does not leave is the server's.
    file_put_contents($file, '0');
    $server = ServerProcess::start($code, arguments: [$concurrency, $file]);
    $before = $server->resident();
    $socket = reader($server->address, '/le.B/Many', (string) $size);
    $sent = $settle() * $size;
    $grown = $server->resident() - $before;
    // Unread in the kernel, on both sides, is what the system allows (up to 4 + 6 MiB by default).
    echo 'an open window: ', $sent < 32 << 20 ? 'waits' : "goes on: $sent", $grown < 3 << 20 ? '' : " server grew by $grown", "\n";
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
