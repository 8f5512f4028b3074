<?php

require_once __DIR__ . '/server.php';

/**
 * A name server that never answers, and processes that ask it: in a mount namespace of their own, with an
 * /etc/resolv.conf and an /etc/hosts of their own. The machine's are not touched.
 */
final class SilentDns
{
    /** An address of this machine that nobody else listens on. */
    private const ADDRESS = '127.83.0.53';

    /** @param resource $socket */
    private function __construct(private $socket, private string $directory)
    {
    }

    /** Why this machine cannot run one; null where it can. */
    public static function missing(): ?string
    {
        if (underValgrind()) {
            return 'mount is setuid, and valgrind runs no such program';
        }
        $socket = @stream_socket_server('udp://' . self::ADDRESS . ':53', $number, $error, STREAM_SERVER_BIND);
        if (!$socket) {
            return 'needs a port below 1024: ' . $error;
        }
        exec('unshare -m mount --bind /etc/hosts /etc/hosts 2>&1', $said, $code);
        return $code === 0 ? null : 'needs a mount namespace of its own: ' . implode(' ', $said);
    }

    /** @param string $hosts lines for /etc/hosts */
    public static function start(string $hosts): self
    {
        $socket = stream_socket_server('udp://' . self::ADDRESS . ':53', $number, $error, STREAM_SERVER_BIND)
            ?: throw new Exception($error);
        $directory = sys_get_temp_dir() . '/viaduct-dns-' . getmypid();
        mkdir($directory, 0700);
        file_put_contents("$directory/hosts", $hosts);
        file_put_contents("$directory/resolv.conf", 'nameserver ' . self::ADDRESS . "\n");
        $owner = getmypid();
        $files = ["$directory/hosts", "$directory/resolv.conf", "$directory/script.php"];
        register_shutdown_function(static function () use ($owner, $directory, $files) {
            if (getmypid() === $owner) {
                array_map(fn($file) => @unlink($file), $files);
                @rmdir($directory);
            }
        });
        return new self($socket, $directory);
    }

    /**
     * Runs a command there to its end, and gives what it wrote, how it ended, and how long that took, in seconds.
     *
     * @return array{string, int, float}
     */
    public function run(string ...$command): array
    {
        $shell = 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && exec "$@"';
        // Nothing may outlive a test that hangs.
        $all = ['timeout', '-s', 'KILL', '50', 'unshare', '-m', 'sh', '-c', $shell, $this->directory, ...$command];
        $started = hrtime(true);
        exec(implode(' ', array_map(escapeshellarg(...), $all)) . ' 2>&1', $said, $code);
        return [implode("\n", $said), $code, (hrtime(true) - $started) / 1e9];
    }

    /**
     * Runs PHP code there, with this process' own extension.
     *
     * @return array{string, int, float}
     */
    public function php(string $code, string ...$arguments): array
    {
        file_put_contents("$this->directory/script.php", "<?php\n$code\n");
        return $this->run(PHP_BINARY, ...ServerProcess::ownArguments(), ...["$this->directory/script.php", ...$arguments]);
    }

    /** How many questions have come since it was asked last. */
    public function questions(): int
    {
        stream_set_blocking($this->socket, false);
        for ($count = 0; (string) @stream_socket_recvfrom($this->socket, 4096) !== ''; $count++) {
        }
        return $count;
    }
}
