--TEST--
Grpc: compression by the call's metadata, by arguments, and messages that go without
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

// A server on a socket of ours that only shows the bytes of the request's first DATA frame.
function flagOf(array $metadata, array $message, array $args = []): string
{
    $listening = stream_socket_server('tcp://127.0.0.1:0');
    $channel = new Grpc\Channel(stream_socket_get_name($listening, false), $args + ['force_new' => true]);
    $call = call($channel);
    $pid = pcntl_fork();
    if ($pid === 0) {
        // The call's bytes arrive although nobody here waits for an answer.
        $socket = stream_socket_accept($listening, 20);
        $all = fread($socket, 24);
        fwrite($socket, "\0\0\0\4\0\0\0\0\0");
        while (true) {
            $head = '';
            while (strlen($head) < 9) {
                $head .= fread($socket, 9 - strlen($head));
            }
            $length = unpack('N', "\0" . substr($head, 0, 3))[1];
            $body = '';
            while (strlen($body) < $length) {
                $body .= fread($socket, $length - strlen($body));
            }
            if ($head[3] === "\0") {
                exit(10 + ord($body[0]) + ($length < 100 ? 2 : 0));
            }
        }
    }
    $call->startBatch([Grpc\OP_SEND_MESSAGE => $message] + request('', $metadata));
    pcntl_waitpid($pid, $status);
    return ['plain', 'compressed?', 'plain, short', 'compressed'][pcntl_wexitstatus($status) - 10] ?? "exit $status";
}
$long = str_repeat('x', 1000);
$gzip = ['grpc-internal-encoding-request' => ['gzip']];
echo flagOf([], ['message' => $long]), "\n";
echo flagOf($gzip, ['message' => $long]), "\n";
echo flagOf(['grpc-internal-encoding-request' => ['deflate']], ['message' => $long]), "\n";
echo flagOf(['grpc-internal-encoding-request' => ['unknown']], ['message' => $long]), "\n";
echo flagOf($gzip, ['message' => $long, 'flags' => Grpc\WRITE_NO_COMPRESS]), "\n";
echo flagOf($gzip, ['message' => $long, 'flags' => Grpc\WRITE_BUFFER_HINT]), "\n";
echo flagOf($gzip, ['message' => $long, 'flags' => Grpc\WRITE_BUFFER_HINT | Grpc\WRITE_NO_COMPRESS]), "\n";
echo flagOf([], ['message' => $long], ['grpc.default_compression_algorithm' => 2]), "\n";
echo flagOf(['grpc-internal-encoding-request' => ['identity']], ['message' => $long], ['grpc.default_compression_algorithm' => 2]), "\n";

echo "-- end to end, both sides\n";
foreach ([[], ['grpc.default_compression_algorithm' => 2]] as $args) {
    [$server, $channel] = pair($args);
    foreach ([$gzip, ['grpc-internal-encoding-request' => ['deflate']], []] as $metadata) {
        $call = call($channel);
        $call->startBatch(request($long, $metadata));
        $incoming = $server->requestCall();
        // It is for this side only.
        echo implode(' ', array_keys($incoming->metadata)), ' ';
        $same = $incoming->call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message === $long;
        $incoming->call->startBatch(answer($long, $metadata));
        $event = $call->startBatch(RESPONSE);
        echo json_encode([$same, $event->message === $long, $event->metadata, $event->status->code]), "\n";
    }
}
?>
--EXPECT--
plain
compressed
compressed
plain
plain
compressed
plain
compressed
plain
-- end to end, both sides
user-agent [true,true,[],0]
user-agent [true,true,[],0]
user-agent [true,true,[],0]
user-agent [true,true,[],0]
user-agent [true,true,[],0]
user-agent [true,true,[],0]
