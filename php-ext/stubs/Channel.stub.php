<?php

namespace Viaduct;

/**
 * A connection to a service, made when the first call needs it and made again when it breaks.
 *
 * Targets: http://host:port (plaintext), https://host:port (TLS), dns:///host:port, ipv4:a.b.c.d:port,…,
 * ipv6:[a]:port,… (TLS, or plaintext with Credentials::insecure()), unix:/path, unix:///path, unix-abstract:name
 * (plaintext, or TLS with Credentials::tls()).
 *
 * In the parameters of all calls:
 * - $method is "/package.Service/Method".
 * - $request and the messages sent are strings (the payload as it is) or google/protobuf objects.
 * - $responseClass is the google/protobuf class that answers become; null: they stay strings.
 * - $metadata is array<string, string|list<string>>; values of keys that end in "-bin" are raw bytes.
 * - $timeout is in seconds; inside a handler the call also ends at the handler's deadline.
 */
final class Channel implements ChannelInterface
{
    /**
     * Nothing is sent yet.
     *
     * @throws InvalidArgumentException where the target cannot be understood or does not go with the credentials
     */
    public function __construct(
        string $target,
        ?Credentials $credentials = null,
        ?ChannelOptions $options = null,
    ) {}

    /**
     * One request, one response.
     *
     * @template T of object
     * @param string|object $request
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? string : T)
     * @throws RpcException where the call does not end Ok
     * @throws InvalidArgumentException before anything is sent
     */
    public function unary(
        string $method,
        mixed $request,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): mixed {}

    /**
     * The same, returning at once. The request is on its way; see UnaryCall::wait() and Viaduct\await(). The call is
     * cancelled when its object goes away.
     *
     * @template T of object
     * @param string|object $request
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? UnaryCall<string> : UnaryCall<T>)
     * @throws InvalidArgumentException before anything is sent
     */
    public function start(
        string $method,
        mixed $request,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): UnaryCall {}

    /**
     * One request, many responses.
     *
     * @template T of object
     * @param string|object $request
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? ServerStream<string> : ServerStream<T>)
     * @throws InvalidArgumentException before anything is sent
     */
    public function serverStream(
        string $method,
        mixed $request,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): ServerStream {}

    /**
     * Many requests, one response.
     *
     * @template T of object
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? ClientStream<string> : ClientStream<T>)
     * @throws InvalidArgumentException before anything is sent
     */
    public function clientStream(
        string $method,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): ClientStream {}

    /**
     * Many of both, in any order.
     *
     * @template T of object
     * @param class-string<T>|null $responseClass
     * @param array<string, string|list<string>> $metadata
     * @return ($responseClass is null ? BidiStream<string> : BidiStream<T>)
     * @throws InvalidArgumentException before anything is sent
     */
    public function bidi(
        string $method,
        ?string $responseClass = null,
        array $metadata = [],
        ?float $timeout = null,
        ?bool $waitForReady = null,
        ?Compression $compression = null,
    ): BidiStream {}

    /** The target as it was given. */
    public function target(): string {}

    /**
     * What the connection is doing.
     *
     * @param bool $connect start connecting where the state is Idle
     */
    public function state(bool $connect = false): ConnectivityState {}

    /**
     * Connects, and waits until the connection stands.
     *
     * @param float|null $timeout in seconds; null: as long as it takes
     * @return bool whether it stands
     * @throws InvalidArgumentException where the timeout is negative
     */
    public function waitForReady(?float $timeout = null): bool {}

    /**
     * Ends the connection and the calls on it (Cancelled). Calls made later end Unavailable.
     *
     * Where another object shares the connection (see ChannelOptions, persistent), it stays until that one is closed, and
     * calls that run go on.
     */
    public function close(): void {}
}
