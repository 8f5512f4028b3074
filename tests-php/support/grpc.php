<?php

// Unary calls by the raw classes of Grpc\.

/** A call whose request has left. */
function startCall(Grpc\Channel $channel, string $method, string $request, float $timeout = 30): Grpc\Call
{
    $deadline = Grpc\Timeval::now()->add(new Grpc\Timeval((int) ($timeout * 1e6)));
    $call = new Grpc\Call($channel, $method, $deadline);
    $call->startBatch([
        Grpc\OP_SEND_INITIAL_METADATA => [],
        Grpc\OP_SEND_MESSAGE => ['message' => $request],
        Grpc\OP_SEND_CLOSE_FROM_CLIENT => true,
    ]);
    return $call;
}

/** Waits for its end: message, status code, details. */
function finishCall(Grpc\Call $call): array
{
    $event = $call->startBatch([
        Grpc\OP_RECV_INITIAL_METADATA => true,
        Grpc\OP_RECV_MESSAGE => true,
        Grpc\OP_RECV_STATUS_ON_CLIENT => true,
    ]);
    return [$event->message, $event->status->code, $event->status->details];
}

/** Whether a call brings back what it sent; says what else it brought. */
function echoes(Grpc\Channel $channel, string $method, string $request): bool
{
    $answer = finishCall(startCall($channel, $method, $request));
    if ($answer !== [$request, Grpc\STATUS_OK, '']) {
        fwrite(STDOUT, 'call: ' . json_encode($answer) . "\n");
        return false;
    }
    return true;
}
