<?php

namespace Viaduct;

/**
 * Makes what a handler is given, for tests that call the handler themselves. Nothing goes over a network.
 */
final class Testing
{
    private function __construct() {}

    /**
     * A context as a handler gets it: what is said here is what its methods return.
     *
     * @param string $method "/package.Service/Method"
     * @param array<string, string|list<string>> $metadata the headers of the client
     * @param float|null $timeout seconds until the deadline; null: no deadline. Once it has passed, isCancelled() is true.
     * @throws InvalidArgumentException where the method, the metadata or the timeout is not legal
     */
    public static function context(
        string $method = '/test.Service/Method',
        array $metadata = [],
        ?float $timeout = null,
        string $peer = 'ipv4:127.0.0.1:50000',
        string $authority = 'localhost',
    ): Context {}

    /**
     * The messages of a client, one after the other. They are serialized now and decoded again for the handler.
     *
     * @param list<string|object> $messages strings (the payload as it is) or google/protobuf objects
     * @param StatusCode $end how the client ends them: Ok: it half-closes; Cancelled and DeadlineExceeded: then the
     *     handler gets a CancelledException; any other: an RpcException
     * @return RequestStream<string>
     * @throws InvalidArgumentException where an element is no message
     */
    public static function requestStream(array $messages, StatusCode $end = StatusCode::Ok): RequestStream {}

    /**
     * The client of this context goes away: isCancelled() is true from now on.
     *
     * @throws LogicException where context() has not made the context
     */
    public static function cancel(Context $context): void {}

    /**
     * The headers that the handler has sent with sendHeaders(); null where it has not.
     *
     * @return array<string, list<string>>|null
     * @throws LogicException where context() has not made the context
     */
    public static function headers(Context $context): ?array {}

    /**
     * The trailers that the handler has set with setTrailers().
     *
     * @return array<string, list<string>>
     * @throws LogicException where context() has not made the context
     */
    public static function trailers(Context $context): array {}
}
