--TEST--
Grpc\Server: keepalive and compression by arguments, seen on the wire
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

/** A client that says what it is told, and shows the frames that come. */
final class Raw
{
    public const DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6;
    private $socket;

    public function __construct(int $port)
    {
        $this->socket = stream_socket_client("tcp://127.0.0.1:$port");
        stream_set_timeout($this->socket, 30);
        fwrite($this->socket, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        $this->send(self::SETTINGS, 0, 0, '');
    }

    public function send(int $type, int $flags, int $stream, string $payload): void
    {
        fwrite($this->socket, substr(pack('N', strlen($payload)), 1) . chr($type) . chr($flags) . pack('N', $stream) . $payload);
    }

    /** A whole unary request with an empty message. */
    public function request(array $headers): void
    {
        $text = fn(string $text) => chr(strlen($text)) . $text;
        $block = "\x83\x86\x04" . $text('/a.B/C') . "\x01" . $text('localhost');
        foreach ($headers + ['content-type' => 'application/grpc', 'te' => 'trailers'] as $name => $value) {
            $block .= "\x00" . $text($name) . $text($value);
        }
        $this->send(self::HEADERS, 4, 1, $block);
        $this->send(self::DATA, 1, 1, "\0\0\0\0\0");
    }

    /** The next frame of a type, [flags, payload]; null where the connection has ended. */
    public function next(int $wanted): ?array
    {
        while (strlen($head = $this->read(9)) === 9) {
            $payload = $this->read(unpack('N', "\0" . substr($head, 0, 3))[1]);
            if (ord($head[3]) === $wanted) {
                return [ord($head[4]), $payload];
            }
        }
        return null;
    }

    private function read(int $length): string
    {
        $read = $length === 0 ? '' : stream_get_contents($this->socket, $length);
        if (stream_get_meta_data($this->socket)['timed_out']) {
            exit("the server says nothing\n");
        }
        return $read;
    }
}
function listening(array $args): array
{
    $server = new Grpc\Server($args);
    $port = $server->addHttp2Port('127.0.0.1:0');
    $server->start();
    return [$server, $port];
}

echo "-- keepalive: who acknowledges stays, who does not is left\n";
[$server, $port] = listening(['grpc.keepalive_time_ms' => 50, 'grpc.keepalive_timeout_ms' => 20_000]);
$client = new Raw($port);
for ($n = 0; $n < 3 && ([$flags, $payload] = $client->next(Raw::PING)) && $flags === 0; $n++) {
    $client->send(Raw::PING, 1, 0, $payload);
}
echo "$n pings\n";
[$server, $port] = listening(['grpc.keepalive_time_ms' => 50, 'grpc.keepalive_timeout_ms' => 50]);
$client = new Raw($port);
for ($n = 0; $client->next(Raw::PING) !== null; $n++);
echo "$n ping, and the end\n";

echo "-- compression: for clients that can read it\n";
foreach ([[], ['grpc.default_compression_algorithm' => 2], ['grpc.default_compression_algorithm' => '1']] as $args) {
    foreach ([[], ['grpc-accept-encoding' => 'identity,deflate,gzip']] as $headers) {
        [$server, $port] = listening($args);
        $client = new Raw($port);
        $client->request($headers);
        $incoming = $server->requestCall()->call;
        $incoming->startBatch([Grpc\OP_RECV_MESSAGE => true]);
        $incoming->startBatch(answer(str_repeat('a', 1000)));
        [, $message] = $client->next(Raw::DATA);
        $bytes = substr($message, 5);
        $text = ord($message[0]) === 0 ? $bytes : (@gzdecode($bytes) ?: gzuncompress($bytes));
        echo json_encode($args), ' ', $headers ? 'says so' : 'does not', ': ', ord($message[0]) === 1 ? 'compressed' : 'plain',
            $text === str_repeat('a', 1000) ? '' : ' AND WRONG', "\n";
    }
}
?>
--EXPECT--
-- keepalive: who acknowledges stays, who does not is left
3 pings
1 ping, and the end
-- compression: for clients that can read it
[] does not: plain
[] says so: plain
{"grpc.default_compression_algorithm":2} does not: plain
{"grpc.default_compression_algorithm":2} says so: compressed
{"grpc.default_compression_algorithm":"1"} does not: plain
{"grpc.default_compression_algorithm":"1"} says so: compressed
