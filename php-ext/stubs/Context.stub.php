<?php

namespace Viaduct;

/**
 * What a handler knows and says about the call beside its messages.
 */
final class Context implements ContextInterface
{
    private function __construct() {}

    /** "/package.Service/Method" */
    public function method(): string {}

    /** "ipv4:127.0.0.1:40312", "unix:" */
    public function peer(): string {}

    /** The :authority of the call: the name by which the client knows this server. */
    public function authority(): string {}

    /** @return array<string, list<string>> the headers the client sent */
    public function metadata(): array {}

    /** The deadline in seconds since 1970 (as microtime(true)); null where the client set none. */
    public function deadline(): ?float {}

    /** Seconds until the deadline, at least 0.0; null where the client set none. */
    public function timeRemaining(): ?float {}

    /** Whether the client went away or the deadline has passed. Nothing that is sent then arrives. */
    public function isCancelled(): bool {}

    /**
     * Sends the headers now; without this they go with the first message.
     *
     * @param array<string, string|list<string>> $metadata
     * @throws LogicException where the headers have been sent
     * @throws RpcException where they are longer than the client accepts (ResourceExhausted); nothing is sent then
     * @throws InvalidArgumentException where the metadata is not legal
     */
    public function sendHeaders(array $metadata): void {}

    /**
     * Sets the trailers that go with an Ok status; those of an RpcException come with it.
     *
     * @param array<string, string|list<string>> $metadata
     * @throws InvalidArgumentException where the metadata is not legal
     */
    public function setTrailers(array $metadata): void {}
}
