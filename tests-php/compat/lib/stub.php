<?php

// What generated client classes extend: a channel, and a method for each kind of call.

namespace Library;

use Grpc\Channel;
use Grpc\Timeval;

use const Grpc\{CHANNEL_FATAL_FAILURE, CHANNEL_READY};

require_once __DIR__ . '/calls.php';
require_once __DIR__ . '/intercept.php';

class Stub
{
    private Channel $channel;
    private string $host;
    /** @var callable|null */
    private $updateMetadata = null;

    /** @param array $options 'credentials' is required and may be null; what is not ours goes to the channel */
    public function __construct(string $hostname, array $options, ?Channel $channel = null)
    {
        $this->host = $options['grpc.ssl_target_name_override'] ?? $hostname;
        $this->updateMetadata = $options['update_metadata'] ?? null;
        unset($options['update_metadata']);
        if (!array_key_exists('credentials', $options)) {
            throw new \Exception("The option 'credentials' is required: null or what ChannelCredentials makes.");
        }
        $agent = $options['grpc.primary_user_agent'] ?? null;
        $options['grpc.primary_user_agent'] = ($agent === null ? '' : "$agent ") . 'grpc-php/' . \Grpc\VERSION;
        $this->channel = $channel ?? new Channel($hostname, $options);
    }

    public function getTarget()
    {
        return $this->channel->getTarget();
    }

    public function getConnectivityState($try_to_connect = false)
    {
        return $this->channel->getConnectivityState($try_to_connect);
    }

    /** @param int $timeout in microseconds */
    public function waitForReady($timeout)
    {
        $deadline = Timeval::now()->add(new Timeval($timeout));
        while (($state = $this->channel->getConnectivityState(true)) !== CHANNEL_READY) {
            if ($state === CHANNEL_FATAL_FAILURE) {
                throw new \Exception('The channel failed for good.');
            }
            if (!$this->channel->watchConnectivityState($state, $deadline)) {
                return $this->channel->getConnectivityState(true) === CHANNEL_READY;
            }
        }
        return true;
    }

    public function close()
    {
        $this->channel->close();
    }

    public function unary(string $method, $request, array $decode, array $metadata = [], array $options = []): UnaryCall
    {
        return $this->call('unary', UnaryCall::class, $method, $decode, [$request], $metadata, $options);
    }

    public function serverStream(
        string $method,
        $request,
        array $decode,
        array $metadata = [],
        array $options = [],
    ): ServerStreamingCall {
        $class = ServerStreamingCall::class;
        return $this->call('serverStream', $class, $method, $decode, [$request], $metadata, $options);
    }

    public function clientStream(
        string $method,
        array $decode,
        array $metadata = [],
        array $options = [],
    ): ClientStreamingCall {
        return $this->call('clientStream', ClientStreamingCall::class, $method, $decode, [], $metadata, $options);
    }

    public function bidi(string $method, array $decode, array $metadata = [], array $options = []): BidiStreamingCall
    {
        return $this->call('bidi', BidiStreamingCall::class, $method, $decode, [], $metadata, $options);
    }

    /** Makes a call and starts it, behind the interceptors of the channel. The request is there where there is one. */
    private function call(
        string $kind,
        string $class,
        string $method,
        array $decode,
        array $request,
        array $metadata,
        array $options,
    ): Call {
        $on = function (Channel $channel) use (&$on, $kind, $class, $method, $decode): callable {
            if ($channel instanceof InterceptedChannel) {
                $next = $on($channel->getNext());
                return fn(...$arguments) => $channel->getInterceptor()->$kind($method, $next, ...$arguments);
            }
            return function (array $metadata, array $options, ...$request) use ($channel, $class, $method, $decode) {
                $call = new $class($channel, $method, $decode, $options);
                $metadata = $this->prepared($metadata, $method);
                $request === [] ? $call->start($metadata) : $call->start($request[0], $metadata, $options);
                return $call;
            };
        };
        return $on($this->channel)($metadata, $options, ...$request);
    }

    /** Metadata with what `update_metadata` adds, its keys in lower case. */
    private function prepared(array $metadata, string $method): array
    {
        if ($this->updateMetadata !== null) {
            $service = substr($method, 0, strrpos($method, '/'));
            $audience = 'https://' . preg_replace('/:443$/', '', $this->host) . $service;
            $metadata = ($this->updateMetadata)($metadata, $audience);
        }
        $prepared = [];
        foreach ($metadata as $key => $values) {
            if (!preg_match('/^[.A-Za-z\d_-]+$/', $key)) {
                throw new \InvalidArgumentException("The metadata key '$key' is not legal.");
            }
            $prepared[strtolower($key)] = $values;
        }
        return $prepared;
    }
}
