<?php

/**
 * How a call ends for every behaviour of wrong-server, and what the message says (a part of it).
 *
 * @return array<string, array{string, string, 2?: float}> [status, part of the message, timeout]
 */
function wrongTable(): array
{
    $naive = 'text/html; charset=utf-8"; the body begins: <html><head><title>%1$d</title></head><body><h1>%1$d as asked</h1>';
    $page = fn(string $code, int $http) => [$code, sprintf("HTTP status %1\$d with content-type \"$naive", $http)];
    $table = [
        'echo' => ['Ok', 'hello'],
        'one-byte-frames' => ['Ok', 'hello'],
        'oddities' => ['Ok', 'hello'],
        'ping-or-die' => ['Ok', 'hello'],
        'max-streams-one' => ['Ok', 'hello'],
        'window-one' => ['Ok', 'hello'],
        // What is sent before the peer's SETTINGS are here may be sent; what comes later waits (see deadline_error.phpt).
        'window-zero' => ['Ok|DeadlineExceeded', '', 0.5],

        'html-200' => $page('Unknown', 200),
        'html-400' => $page('Internal', 400),
        'html-401' => $page('Unauthenticated', 401),
        'html-403' => $page('PermissionDenied', 403),
        'html-404' => $page('Unimplemented', 404),
        'html-429' => $page('Unavailable', 429),
        'html-500' => $page('Unknown', 500),
        'html-502' => $page('Unavailable', 502),
        'html-503' => $page('Unavailable', 503),
        'html-504' => $page('Unavailable', 504),
        'wrong-content-type' => ['Unknown', 'HTTP status 200 with content-type "text/plain"'],
        'no-content-type' => ['Unknown', 'HTTP status 200 with no content-type'],
        'http1' => ['Unavailable', 'the peer answered "HTTP/1.1 400 Bad Request": it does not speak HTTP/2'],

        'refused-once' => ['Ok', 'hello'],
        'no-trailers' => ['Unknown', 'without trailers'],
        'headers-only' => ['Unknown', 'without trailers'],
        'no-status' => ['Unknown', 'grpc-status'],
        'bad-status' => ['Unknown', ''],
        'huge-header' => ['ResourceExhausted', 'the limit is 65536 bytes (maxMetadataBytes'],

        'lying-length' => ['Internal', 'message'],
        'over-limit' => ['ResourceExhausted', '5242881 bytes'],
        'over-limit-prefix' => ['ResourceExhausted', '5242881 bytes'],
        'bad-flag' => ['Internal', 'flag'],
        'flag-without-encoding' => ['Internal', 'grpc-encoding'],
        'unknown-encoding' => ['Internal', '"lzma", which was not offered'],
        'bad-gzip' => ['Internal', 'gzip'],

        'cut-before-headers' => ['Unavailable', 'closed the connection while waiting for the answer'],
        'cut-mid-message' => ['Unavailable', 'closed the connection while receiving the answer'],
        'cut-mid-frame' => ['Unavailable', 'while receiving the answer'],

        'goaway-unprocessed' => ['Ok', 'hello'],
        'goaway-processed' => ['Ok', 'hello'],
        'goaway-always' => ['Unavailable', 'the peer closed the connection with NO_ERROR while waiting for the answer'],
        'goaway-calm' => ['Unavailable', 'the peer closed the connection with ENHANCE_YOUR_CALM'],

        'silence' => ['DeadlineExceeded', 'the deadline of /test.Echo/Unary passed before the server answered', 0.3],
        'silence-after-headers' => ['DeadlineExceeded', 'passed before the call had ended', 0.3],
        'silence-after-message' => ['DeadlineExceeded', 'passed before the call had ended', 0.3],
        'silence-no-ack' => ['DeadlineExceeded', 'passed before the server answered', 0.3],
        'mute' => ['DeadlineExceeded', 'passed before', 0.3],

        'garbage' => ['Unavailable', ''],
        'data-on-stream-zero' => ['Unavailable', ''],
        'data-before-headers' => ['Unavailable', 'PROTOCOL_ERROR'],
        'bad-hpack' => ['Unavailable', ''],
        'frame-too-long' => ['Unavailable', ''],
        'zero-window-update' => ['Unavailable', ''],
    ];
    $said = 'said on purpose: 100% naïve';
    foreach (Viaduct\StatusCode::cases() as $code) {
        $table["trailers-only-$code->value"] = [$code->name, $said];
    }
    $table['trailers-only-0'] = ['Internal', 'no response'];
    $table['trailers-only-17'] = ['Unknown', $said];

    $resets = [
        'no-error' => 'Internal', 'protocol-error' => 'Internal', 'internal-error' => 'Internal',
        'flow-control-error' => 'Internal', 'settings-timeout' => 'Internal', 'stream-closed' => 'Internal',
        'frame-size-error' => 'Internal', 'refused-stream' => 'Unavailable', 'cancel' => 'Cancelled',
        'compression-error' => 'Internal', 'connect-error' => 'Internal', 'enhance-your-calm' => 'ResourceExhausted',
        'inadequate-security' => 'PermissionDenied', 'http-1-1-required' => 'Internal',
    ];
    foreach (array_keys($resets) as $number => $reason) {
        $code = $resets[$reason];
        $name = strtr(strtoupper($reason), '-', '_');
        // The official library's words stand in brackets: programs look for them.
        $theirs = "(Received RST_STREAM with error code $number)";
        $table["rst-$reason"] = [$code, "the peer reset the stream with $name while waiting for the answer $theirs"];
        $table["rst-after-message-$reason"] = [$code, "the peer reset the stream with $name while receiving the answer $theirs"];
    }
    return $table;
}

/**
 * Calls each behaviour, and after it a good server; prints what is not as the table says.
 *
 * @param callable(Viaduct\Channel, float): mixed $call
 * @param array<string, array{string, string}> $otherwise where this kind of call ends differently
 */
function againstTheTable(callable $call, array $otherwise = []): void
{
    $table = wrongTable();
    $all = Wrong::behaviours();
    foreach (array_merge(array_diff($all, array_keys($table)), array_diff(array_keys($table), $all)) as $name) {
        echo "$name stands not in both lists\n";
    }
    $good = (new Wrong('echo'))->channel();
    $right = 0;
    foreach ($table as $name => $row) {
        [$code, $part] = $otherwise[$name] ?? $row;
        // Where the deadline is what ends the call, it must not pass before the call has come as far as the row says: on a
        // busy machine the next one is longer.
        for ($timeout = $row[2] ?? 15.0; ; $timeout *= 3) {
            $wrong = new Wrong($name);
            $channel = $wrong->channel();
            $ending = ending(fn() => $call($channel, $timeout));
            if ($timeout > 10 || str_contains($ending, $part) || !str_starts_with($ending, 'DeadlineExceeded:')) {
                break;
            }
            $channel->close();
            $wrong->stop();
        }
        if (in_array(strstr($ending, ':', true), explode('|', $code), true) && str_contains($ending, $part)) {
            $right++;
        } else {
            echo "$name: expected $code: …{$part}…\n    got $ending\n";
        }
        $after = ending(fn() => $good->unary('/test.Echo/Unary', $name, timeout: 15.0));
        if ($after !== "Ok: $name") {
            echo "$name: the next call on another channel: $after\n";
        }
        $channel->close();
        $wrong->stop();
    }
    echo $right === count($table) ? 'all' : $right . ' of ' . count($table), " as the table says\n";
}
