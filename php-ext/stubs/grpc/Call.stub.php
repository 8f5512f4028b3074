<?php

namespace Grpc;

/**
 * One call: a client's, which the constructor makes, or a server's, which Server::requestCall() returns.
 *
 * How a call ends is data: the status of OP_RECV_STATUS_ON_CLIENT says that it was cancelled, was late, or never came
 * to a server. A call that is dropped is cancelled; a server's that is dropped without a status is answered INTERNAL.
 */
class Call
{
    /** @var Channel|null the channel of a client's call */
    protected $channel = null;

    /**
     * Nothing is sent yet.
     *
     * @param Channel $channel one that is not closed
     * @param string $method `/package.Service/Method`; a name without a slash in front gets one
     * @param Timeval $deadline a point in time, or a span from now; Timeval::infFuture() for none. A call that a handler
     *        of a Viaduct\Server makes is over at the latest when the handler's call is
     * @param string $host_override host or host:port for `:authority`, in the channel's place
     * @throws \InvalidArgumentException where one of them cannot be used
     */
    public function __construct($channel, $method, $deadline, $host_override = '') {}

    /** Ends the call with CANCELLED, unless it has ended. */
    public function cancel() {}

    /**
     * @return string the peer's address ("ipv4:127.0.0.1:50051"), the channel's target while there is no connection
     */
    public function getPeer() {}

    /**
     * The call's own credentials, beside those of its channel. They are asked when the call begins.
     *
     * @param CallCredentials $credentials
     * @return int CALL_OK; CALL_ERROR_ALREADY_INVOKED for a call that has begun, CALL_ERROR_NOT_ON_SERVER
     * @throws \InvalidArgumentException
     */
    public function setCredentials($credentials) {}

    /**
     * Runs operations, and waits until all of them are done. Those that send are done when their bytes are accepted and
     * on their way; messages in a row may leave together. A batch that begins a call waits for a connection, not for an
     * answer.
     *
     * | key | value | property of the result |
     * |---|---|---|
     * | OP_SEND_INITIAL_METADATA | array<string, string[]>, values of `-bin` keys raw; it begins a call | send_metadata: true |
     * | OP_SEND_MESSAGE | array{message: string, flags?: int} | send_message: true |
     * | OP_SEND_CLOSE_FROM_CLIENT | true | send_close: true |
     * | OP_SEND_STATUS_FROM_SERVER | array{code: int, details: string, metadata?: array<string, string[]>} | send_status: true |
     * | OP_RECV_INITIAL_METADATA | true | metadata: array<string, string[]> |
     * | OP_RECV_MESSAGE | true | message: string; null at the end of the messages and for a call that failed |
     * | OP_RECV_STATUS_ON_CLIENT | true | status: object{metadata: array<string, string[]>, code: int, details: string} |
     * | OP_RECV_CLOSE_ON_SERVER | true | cancelled: bool, whether the call ended without this server's status |
     *
     * The metadata `grpc-internal-encoding-request` (gzip, deflate, identity) says how the call's messages are
     * compressed; it is not sent. The flag WRITE_NO_COMPRESS leaves one message out, WRITE_BUFFER_HINT does nothing.
     *
     * @param array<int, mixed> $ops
     * @return \stdClass the properties of the operations, in their order
     * @throws \InvalidArgumentException where a key or a value is wrong; nothing was done then
     * @throws \LogicException where an operation does not fit the call; the code is one of the CALL_ERROR_…
     * @throws \RuntimeException where the channel is closed
     */
    public function startBatch($ops) {}
}
