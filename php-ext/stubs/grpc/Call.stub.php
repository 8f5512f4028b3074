<?php

namespace Grpc;

/** One call, on the client's side or the server's. What is done with it is done in batches. */
class Call
{
    /** The Channel. */
    protected $channel;

    /**
     * Nothing is sent yet.
     *
     * @param Channel $channel
     * @param string $method /package.Service/Method
     * @param Timeval $deadline
     * @param string $host_override sent as :authority in the target's place, unless it is empty
     * @throws \InvalidArgumentException where one of them cannot be used, or the channel is closed
     */
    public function __construct($channel, $method, $deadline, $host_override = '') {}

    /**
     * Does what the batch says, and returns when all of it is done. How a call ends is data, in `status`; it is never
     * thrown.
     *
     * @param array $ops keys are OP_…
     * @return object what was received, and true for what was sent
     * @throws \InvalidArgumentException where a value is not what its operation needs
     * @throws \LogicException where an operation comes out of turn; the code is one of the CALL_ERROR_…
     * @throws \RuntimeException where the channel is closed
     */
    public function startBatch($ops) {}

    /** @return string ipv4:127.0.0.1:50051; the target while there is no connection */
    public function getPeer() {}

    /**
     * Ends the call with CANCELLED. May be called again.
     *
     * @return void
     */
    public function cancel() {}

    /**
     * Credentials for this call beside those of its channel. To be called before the first batch.
     *
     * @param CallCredentials $credentials
     * @return int CALL_OK, or one of the CALL_ERROR_…
     * @throws \InvalidArgumentException
     */
    public function setCredentials($credentials) {}
}
