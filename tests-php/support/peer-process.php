<?php

// See peer.php. Prints the target and serves until SIGTERM.

use Viaduct\{Context, RequestStream, RpcException, Server, ServerOptions, StatusCode};

$server = new Server(new ServerOptions(
    maxReceiveBytes: 64 << 20,
    drainTimeout: 0.5,
    compression: constant("Viaduct\\Compression::$argv[2]"),
));

/** What the call brought, as the text of the answer. */
$show = function (string $request, Context $context): string {
    $context->sendHeaders(['x-initial' => ['one', 'two'], 'x-initial-bin' => "\0\xff"]);
    $context->setTrailers(['x-trailing' => 'end', 'x-trailing-bin' => ["\x01", "\xfe,"]]);
    $left = $context->timeRemaining();
    return serialize([
        'request' => $request,
        'method' => $context->method(),
        'authority' => $context->authority(),
        'metadata' => $context->metadata(),
        'left' => $left,
    ]);
};
$server->handle('/test.Peer/Show', $show);
$server->handle('/test.Peer/Fail', function (string $request): string {
    throw new RpcException(
        StatusCode::from((int) $request),
        "naïve: 100%\n",
        [['type' => 'type.googleapis.com/test.Detail', 'value' => "\x08\x01"]],
        ['x-why' => ['a', 'b'], 'x-why-bin' => "\0"],
    );
});
$server->handle('/test.Peer/Echo', fn(string $request): string => $request);
$server->handle('/test.Peer/Count', function (string $request, Context $context): iterable {
    $context->sendHeaders(['x-initial' => 'now']);
    $context->setTrailers(['x-sum' => 'done']);
    for ($n = 0; $n < (int) $request; $n++) {
        yield (string) $n;
    }
});
// Fails after this many responses.
$server->handle('/test.Peer/Break', function (string $request): iterable {
    for ($n = 0; $n < (int) $request; $n++) {
        yield (string) $n;
    }
    throw new RpcException(StatusCode::DataLoss, 'broken', [], ['x-at' => $request]);
});
$server->handle('/test.Peer/Join', function (RequestStream $requests, Context $context): string {
    $context->sendHeaders(['x-initial' => 'now']);
    $context->setTrailers(['x-sum' => 'done']);
    return implode('+', iterator_to_array($requests));
});
// Ends the call after the first message.
$server->handle('/test.Peer/Refuse', function (RequestStream $requests): string {
    throw new RpcException(StatusCode::FailedPrecondition, 'refused: ' . $requests->receive());
});
$server->handle('/test.Peer/Early', fn(RequestStream $requests): string => 'early: ' . $requests->receive());
$server->handle('/test.Peer/Chat', function (RequestStream $requests, Context $context): iterable {
    $context->sendHeaders(['x-initial' => 'now']);
    $context->setTrailers(['x-sum' => 'done']);
    foreach ($requests as $request) {
        yield strtoupper($request);
        if ($request === 'bye') {
            return;
        }
    }
});
// Answers after this many seconds.
$server->handle('/test.Peer/Sleep', function (string $seconds): string {
    Viaduct\delay((float) $seconds);
    return $seconds;
});
// What waits until a file is there.
$gate = function (string $file): void {
    for (clearstatcache(); !is_file($file); clearstatcache()) Viaduct\delay(0.01);
};
$server->handle('/test.Peer/Gate', function (string $file) use ($gate): string { $gate($file); return 'open'; });
$server->handle('/test.Peer/GateStream', function (string $file) use ($gate): iterable { $gate($file); yield 'open'; });
$server->handle('/test.Peer/GateJoin', function (RequestStream $requests) use ($gate): string {
    $gate($requests->receive());
    return 'open';
});
// Yields at once, and again after a second, for ever.
$server->handle('/test.Peer/Tick', function (string $request): iterable {
    for ($n = 0; ; $n++) {
        yield (string) $n;
        Viaduct\delay(1.0);
    }
});

fwrite(STDOUT, $server->listen($argv[1]) . "\n");
$server->run();
