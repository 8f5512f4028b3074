<?php

namespace Viaduct;

/**
 * Forwards requests to the backends that serve them. The traffic runs on threads of the proxy's own, not on PHP's.
 *
 * It belongs to the process in which it began to listen: in a forked child its methods throw a LogicException. When the
 * object goes, everything is cut.
 */
final class Proxy
{
    /**
     * Reads a configuration and checks it; nothing runs yet.
     *
     * @param string $config the text of a TOML file, as docs/proxy-config.md describes it; relative paths in it begin
     *        at the working directory
     * @throws InvalidArgumentException with a line for everything that is wrong in it: "config:3: unknown key …; did
     *         you mean …?"
     */
    public function __construct(string $config) {}

    /**
     * The same with a file. Relative paths in it, also in what reload() is given, begin where the file is.
     *
     * @throws InvalidArgumentException as __construct(), or where the file cannot be read
     */
    public static function fromFile(string $path): Proxy {}

    /**
     * Listens and begins to forward, while PHP goes on. New backends are given up to a second to say what they serve.
     *
     * @return list<string> addresses()
     * @throws InvalidArgumentException where something in the configuration turns out not to be usable
     * @throws LogicException where it listens already, or has ended
     * @throws RuntimeException where an address cannot be bound, or the access log not be opened
     */
    public function listen(): array {}

    /**
     * Where it listens, as targets for clients, in the order of the configuration; empty before listen() and after the
     * end.
     *
     * @return list<string>
     */
    public function addresses(): array {}

    /**
     * Listens, where that has not been done, and waits until SIGTERM or SIGINT or stop(); then it drains: the
     * configuration's drain.notice, then clients are told to go elsewhere and what runs may finish within drain.grace.
     * A second signal cuts what is left. Tasks of async() go on meanwhile.
     *
     * @throws InvalidArgumentException as listen()
     * @throws LogicException where it has already run, or inside a fiber or another run()
     * @throws RuntimeException as listen()
     */
    public function run(): void {}

    /**
     * Takes another configuration: all of it, or, where this throws, nothing. Requests that run are not disturbed;
     * backends and addresses that stay the same keep their connections. May be called from a task or a signal handler.
     *
     * @throws InvalidArgumentException as __construct() and listen()
     * @throws LogicException where it has been told to end
     * @throws RuntimeException as listen()
     */
    public function reload(string $config): void {}

    /**
     * Drains it, and waits until it has ended; while run() waits for that, it returns at once.
     *
     * @param float|null $drainTimeout seconds that what runs may take, in place of the configuration's drain.grace
     * @throws InvalidArgumentException where drainTimeout is negative or not finite
     */
    public function stop(?float $drainTimeout = null): void {}
}
