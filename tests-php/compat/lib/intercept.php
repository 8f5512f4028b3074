<?php

// Channels that run calls through an interceptor. Such a channel is a Grpc\Channel without one of its own: its
// constructor does not call the parent's, and its methods say no types, as those of the extension.

namespace Library;

use Grpc\Channel;

class Interceptor
{
    /** @param callable(array, array, mixed): UnaryCall $next takes the metadata, the options and the request */
    public function unary(string $method, callable $next, array $metadata, array $options, $request)
    {
        return $next($metadata, $options, $request);
    }

    public function clientStream(string $method, callable $next, array $metadata, array $options)
    {
        return $next($metadata, $options);
    }

    public function serverStream(string $method, callable $next, array $metadata, array $options, $request)
    {
        return $next($metadata, $options, $request);
    }

    public function bidi(string $method, callable $next, array $metadata, array $options)
    {
        return $next($metadata, $options);
    }

    /** @param self|list<self> $interceptors the first is the outermost */
    public static function intercept(Channel $channel, $interceptors): Channel
    {
        foreach (array_reverse(is_array($interceptors) ? $interceptors : [$interceptors]) as $interceptor) {
            $channel = new InterceptedChannel($channel, $interceptor);
        }
        return $channel;
    }
}

class InterceptedChannel extends Channel
{
    private $next;
    private $interceptor;

    public function __construct($channel, $interceptor)
    {
        $this->next = $channel;
        $this->interceptor = $interceptor;
    }

    public function getNext()
    {
        return $this->next;
    }

    public function getInterceptor()
    {
        return $this->interceptor;
    }

    public function getTarget()
    {
        return $this->next->getTarget();
    }

    public function getConnectivityState($try_to_connect = false)
    {
        return $this->next->getConnectivityState($try_to_connect);
    }

    public function watchConnectivityState($last_state, $deadline)
    {
        return $this->next->watchConnectivityState($last_state, $deadline);
    }

    public function close()
    {
        return $this->next->close();
    }
}
