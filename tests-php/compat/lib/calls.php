<?php

// The four kinds of calls as the library on top of the extension makes them: which operations go into which batch, in
// which order, and what is read only when somebody asks. Requests and responses are messages of google/protobuf.

namespace Library;

use Grpc\Call as RawCall;
use Grpc\CallCredentials;
use Grpc\Channel;
use Grpc\Timeval;

use const Grpc\{
    OP_RECV_INITIAL_METADATA,
    OP_RECV_MESSAGE,
    OP_RECV_STATUS_ON_CLIENT,
    OP_SEND_CLOSE_FROM_CLIENT,
    OP_SEND_INITIAL_METADATA,
    OP_SEND_MESSAGE,
};

abstract class Call
{
    protected RawCall $call;
    protected ?array $metadata = null;
    protected ?array $trailers = null;

    /**
     * @param array{0: class-string, 1: string} $decode the response's class and its method that makes one
     * @param array{timeout?: int, call_credentials_callback?: callable} $options the timeout is in microseconds
     */
    public function __construct(Channel $channel, string $method, private array $decode, array $options = [])
    {
        $deadline = isset($options['timeout']) && is_numeric($options['timeout'])
            ? Timeval::now()->add(new Timeval($options['timeout']))
            : Timeval::infFuture();
        $this->call = new RawCall($channel, $method, $deadline);
        if (isset($options['call_credentials_callback'])) {
            $this->setCallCredentials(CallCredentials::createFromPlugin($options['call_credentials_callback']));
        }
    }

    public function getMetadata()
    {
        return $this->metadata;
    }

    public function getTrailingMetadata()
    {
        return $this->trailers;
    }

    public function getPeer()
    {
        return $this->call->getPeer();
    }

    public function cancel()
    {
        $this->call->cancel();
    }

    public function setCallCredentials($credentials)
    {
        $this->call->setCredentials($credentials);
    }

    protected function outgoing($data, array $options): array
    {
        $message = ['message' => $data->serializeToString()];
        if (array_key_exists('flags', $options)) {
            $message['flags'] = $options['flags'];
        }
        return $message;
    }

    protected function decode(?string $bytes)
    {
        if ($bytes === null) {
            return null;
        }
        [$class, $method] = $this->decode;
        if ($method === 'decode') {
            $message = new $class();
            $message->mergeFromString($bytes);
            return $message;
        }
        return $class::$method($bytes);
    }

    /** The batch, and the initial metadata with it where nobody has read it. */
    protected function withMetadata(array $batch): array
    {
        return $this->metadata === null ? $batch + [OP_RECV_INITIAL_METADATA => true] : $batch;
    }

    protected function run(array $batch): \stdClass
    {
        $event = $this->call->startBatch($batch);
        $this->metadata = $event->metadata ?? $this->metadata;
        if (isset($event->status)) {
            $this->trailers = $event->status->metadata;
        }
        return $event;
    }

    public function getStatus()
    {
        return $this->run([OP_RECV_STATUS_ON_CLIENT => true])->status;
    }
}

final class UnaryCall extends Call
{
    public function start($data, array $metadata = [], array $options = [])
    {
        $this->run([
            OP_SEND_INITIAL_METADATA => $metadata,
            OP_SEND_MESSAGE => $this->outgoing($data, $options),
            OP_SEND_CLOSE_FROM_CLIENT => true,
        ]);
    }

    public function wait()
    {
        $event = $this->run($this->withMetadata([OP_RECV_MESSAGE => true, OP_RECV_STATUS_ON_CLIENT => true]));
        return [$this->decode($event->message), $event->status];
    }

    /** Waits for it where it is not there. */
    public function getMetadata()
    {
        if ($this->metadata === null) {
            $this->run([OP_RECV_INITIAL_METADATA => true]);
        }
        return $this->metadata;
    }
}

final class ClientStreamingCall extends Call
{
    public function start(array $metadata = [])
    {
        $this->run([OP_SEND_INITIAL_METADATA => $metadata]);
    }

    public function write($data, array $options = [])
    {
        $this->run([OP_SEND_MESSAGE => $this->outgoing($data, $options)]);
    }

    public function wait()
    {
        $event = $this->run([
            OP_SEND_CLOSE_FROM_CLIENT => true,
            OP_RECV_INITIAL_METADATA => true,
            OP_RECV_MESSAGE => true,
            OP_RECV_STATUS_ON_CLIENT => true,
        ]);
        return [$this->decode($event->message), $event->status];
    }
}

final class ServerStreamingCall extends Call
{
    public function start($data, array $metadata = [], array $options = [])
    {
        $this->run([
            OP_SEND_INITIAL_METADATA => $metadata,
            OP_SEND_MESSAGE => $this->outgoing($data, $options),
            OP_SEND_CLOSE_FROM_CLIENT => true,
        ]);
    }

    /** Reads as it is asked: one message in each batch, the metadata with the first. */
    public function responses()
    {
        $message = $this->run($this->withMetadata([OP_RECV_MESSAGE => true]))->message;
        while ($message !== null) {
            yield $this->decode($message);
            $message = $this->run([OP_RECV_MESSAGE => true])->message;
        }
    }

    public function getMetadata()
    {
        if ($this->metadata === null) {
            $this->run([OP_RECV_INITIAL_METADATA => true]);
        }
        return $this->metadata;
    }
}

final class BidiStreamingCall extends Call
{
    public function start(array $metadata = [])
    {
        $this->run([OP_SEND_INITIAL_METADATA => $metadata]);
    }

    public function read()
    {
        return $this->decode($this->run($this->withMetadata([OP_RECV_MESSAGE => true]))->message);
    }

    public function write($data, array $options = [])
    {
        $this->run([OP_SEND_MESSAGE => $this->outgoing($data, $options)]);
    }

    public function writesDone()
    {
        $this->run([OP_SEND_CLOSE_FROM_CLIENT => true]);
    }
}
