--TEST--
Grpc\: the codes and texts that libraries decide by are those of the official extension
--EXTENSIONS--
grpc
--FILE--
<?php
/*
 * What public libraries look for (searched in gax, the clients of Google Cloud and Ads, OpenTelemetry's exporters and
 * Temporal's SDK):
 *   google/cloud-spanner  a transaction is tried again on ABORTED, and on INTERNAL where the text contains "RST_STREAM"
 *   google/gax            tries again by code: UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED, RESOURCE_EXHAUSTED, INTERNAL
 *   google/cloud-bigtable DEADLINE_EXCEEDED, ABORTED, UNAVAILABLE; INTERNAL in a chunk
 *   temporal/sdk          RESOURCE_EXHAUSTED, UNAVAILABLE, UNKNOWN; DEADLINE_EXCEEDED and CANCELLED end a long poll
 */
require __DIR__ . '/../support/wrong.php';
require __DIR__ . '/../support/compat.php';

use Grpc\Channel;

/** How a call ends, unary or read as a stream. */
function ends(string $behaviour, bool $stream, float $seconds = 30): string
{
    $server = new Wrong($behaviour);
    $call = call(new Channel("127.0.0.1:$server->port", ['force_new' => true, 'grpc.enable_retries' => 0]), seconds: patient($seconds));
    $call->startBatch(request('x'));
    while ($stream && $call->startBatch([Grpc\OP_RECV_MESSAGE => true])->message !== null);
    $status = $call->startBatch($stream ? [Grpc\OP_RECV_STATUS_ON_CLIENT => true] : RESPONSE)->status;
    preg_match('/Received RST_STREAM with error code \d+/', $status->details, $theirs);
    return rtrim("$status->code " . ($theirs[0] ?? ""));
}
$names = ['no-error', 'protocol-error', 'internal-error', 'flow-control-error', 'settings-timeout', 'stream-closed', 'frame-size-error', 'refused-stream',
    'cancel', 'compression-error', 'connect-error', 'enhance-your-calm', 'inadequate-security', 'http-1-1-required'];
foreach ($names as $number => $name) {
    echo "$number: ", ends("rst-$name", false), ' | ', ends("rst-after-message-$name", true), "\n";
}
echo "a deadline: ", ends('silence', false, 0.1), "\n";
$nobody = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($nobody, false);
fclose($nobody);
$call = call(new Channel($address, []));
echo "nobody there: ", $call->startBatch(request('x') + RESPONSE)->status->code, "\n";
?>
--EXPECT--
0: 13 Received RST_STREAM with error code 0 | 13 Received RST_STREAM with error code 0
1: 13 Received RST_STREAM with error code 1 | 13 Received RST_STREAM with error code 1
2: 13 Received RST_STREAM with error code 2 | 13 Received RST_STREAM with error code 2
3: 13 Received RST_STREAM with error code 3 | 13 Received RST_STREAM with error code 3
4: 13 Received RST_STREAM with error code 4 | 13 Received RST_STREAM with error code 4
5: 13 Received RST_STREAM with error code 5 | 13 Received RST_STREAM with error code 5
6: 13 Received RST_STREAM with error code 6 | 13 Received RST_STREAM with error code 6
7: 14 Received RST_STREAM with error code 7 | 14 Received RST_STREAM with error code 7
8: 1 Received RST_STREAM with error code 8 | 1 Received RST_STREAM with error code 8
9: 13 Received RST_STREAM with error code 9 | 13 Received RST_STREAM with error code 9
10: 13 Received RST_STREAM with error code 10 | 13 Received RST_STREAM with error code 10
11: 8 Received RST_STREAM with error code 11 | 8 Received RST_STREAM with error code 11
12: 7 Received RST_STREAM with error code 12 | 7 Received RST_STREAM with error code 12
13: 13 Received RST_STREAM with error code 13 | 13 Received RST_STREAM with error code 13
a deadline: 4
nobody there: 14
