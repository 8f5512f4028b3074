<?php

namespace Viaduct;

/**
 * Serves gRPC from this process: handlers run on this thread, each in a fiber.
 */
final class Server
{
    public function __construct(?ServerOptions $options = null) {}

    /**
     * Answers calls of one method with a PHP callable.
     *
     * The kind follows from the signature: (Request): Response is unary; (Request): iterable (or \Generator,
     * \Iterator, \Traversable) server streaming; (RequestStream): Response client streaming;
     * (RequestStream): iterable bidirectional. A Context may stand first or second; it is found by its type.
     * A request parameter of a google/protobuf class gets objects of it; `string` or no type gets the payload.
     *
     * @param string $method "/package.Service/Method"
     * @param MethodKind|null $kind where the signature does not tell
     * @throws InvalidArgumentException where the method is no such path, is already handled, or the signature cannot
     *         be that of a handler: the message names file and line
     */
    public function handle(string $method, callable $handler, ?MethodKind $kind = null): void {}

    /**
     * Answers calls of a whole service with an object's methods of the same names.
     *
     * @param string $service an interface with a constant NAME ("package.Service"), whose methods are then those
     *        that are handled; or "package.Service" itself, for the object's public methods (not static ones) whose first
     *        parameter is of a google/protobuf class or a RequestStream, not counting a Context. Others (setters, helpers)
     *        are not put on the network. A method sayHello() or SayHello() answers /package.Service/SayHello and …/sayHello
     * @throws InvalidArgumentException as handle(), or where the object does not implement the interface or has no
     *         such method
     */
    public function register(string $service, object $implementation): void {}

    /**
     * Takes connections from an address: "http://0.0.0.0:50051", "https://[::]:443" (with credentials), "unix:/path",
     * "unix-abstract:name". Port 0 lets the system choose. May be called several times.
     *
     * @return string the address as a target for clients, with the port that was bound
     * @throws InvalidArgumentException where the address cannot be understood or does not go with the credentials
     * @throws LogicException where the server has already run
     * @throws RuntimeException where the address cannot be bound: in use, not ours, not allowed
     */
    public function listen(string $address, ?ServerCredentials $credentials = null): string {}

    /**
     * Serves until SIGTERM or SIGINT or stop(); then stops accepting, tells clients to go elsewhere and finishes what
     * runs, for at most drainTimeout.
     *
     * @throws LogicException where nothing is listened on, or the server has already run
     */
    public function run(): void {}

    /** Makes run() drain and return. May be called from a handler or a signal handler. */
    public function stop(): void {}
}
