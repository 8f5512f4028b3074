<?php

require_once __DIR__ . '/patience.php';
require_once __DIR__ . '/process.php';

/**
 * A peer that speaks HTTP/2 right, or wrong on purpose: the program wrong-server in a process of its own.
 * `wrong-server --list` names the behaviours, tests/support/src/behaviour.rs describes them.
 */
final class Wrong
{
    private Process $process;

    public readonly int $port;

    public function __construct(public readonly string $behaviour, int $port = 0)
    {
        $this->process = new Process([self::program(), $behaviour, '--port', (string) $port]);
        $line = $this->process->line();
        if (!preg_match('/^port (\d+)$/', $line, $found)) {
            throw new RuntimeException("wrong-server says '$line'");
        }
        $this->port = (int) $found[1];
    }

    public function target(): string
    {
        return "http://127.0.0.1:$this->port";
    }

    /** A channel to it. */
    public function channel(mixed ...$options): Viaduct\Channel
    {
        return new Viaduct\Channel($this->target(), options: new Viaduct\ChannelOptions(...$options + ['persistent' => false]));
    }

    /** @return array<string, int> what it has counted: connections, open, streams, resets, pings, … */
    public function stats(): array
    {
        $this->process->write('stats');
        return self::numbers($this->process->line());
    }

    /** Waits until it has counted this; gives up after ten seconds. */
    public function reaches(string $what, int $count): bool
    {
        for ($n = 0; $n < 1000; $n++) {
            if ($this->stats()[$what] === $count) {
                return true;
            }
            usleep(10_000);
        }
        return false;
    }

    /** @return list<array<string, int|string>> the frames it was sent, stream by stream */
    public function frames(): array
    {
        $this->process->write('frames');
        for ($streams = []; ($line = $this->process->line()) !== '';) {
            $streams[] = self::numbers($line);
        }
        return $streams;
    }

    /** Ends it, connections included. */
    public function stop(): void
    {
        $this->process->stop();
    }

    /** @return list<string> */
    public static function behaviours(): array
    {
        exec(escapeshellarg(self::program()) . ' --list', $names, $status);
        return $status === 0 ? $names : throw new RuntimeException("wrong-server --list: $status");
    }

    private static function numbers(string $line): array
    {
        $numbers = [];
        foreach (explode(' ', $line) as $pair) {
            [$name, $value] = explode('=', $pair) + ['', ''];
            $numbers[$name] = is_numeric($value) ? (int) $value : $value;
        }
        return $numbers;
    }

    private static function program(): string
    {
        $target = getenv('CARGO_TARGET_DIR') ?: dirname(__DIR__, 2) . '/target';
        $found = array_filter(["$target/debug/wrong-server", "$target/release/wrong-server"], is_executable(...));
        // The one that was built last.
        usort($found, fn(string $a, string $b) => filemtime($b) <=> filemtime($a));
        return $found[0] ?? throw new RuntimeException("$target/debug/wrong-server is missing: cargo build --workspace");
    }
}

/** How a call ends: "Unavailable: the message". The call is a function. */
function ending(callable $call): string
{
    try {
        $result = $call();
        return 'Ok: ' . (is_string($result) && strlen($result) < 100 ? $result : get_debug_type($result));
    } catch (Viaduct\RpcException $e) {
        return $e->statusCode()->name . ': ' . $e->getMessage();
    }
}
