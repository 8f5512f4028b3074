<?php

require_once __DIR__ . '/process.php';

/** A right peer that shows what it was sent: peer-process.php, served by the extension in a process of its own. */
final class Peer
{
    private Process $process;

    /** As a target for clients. */
    public readonly string $target;

    public function __construct(string $address = 'http://127.0.0.1:0')
    {
        $this->process = new Process([PHP_BINARY, ...self::ini(), __DIR__ . '/peer-process.php', $address]);
        $this->target = $this->process->line();
    }

    public function channel(mixed ...$options): Viaduct\Channel
    {
        return new Viaduct\Channel($this->target, options: new Viaduct\ChannelOptions(...$options));
    }

    public function stop(): void
    {
        $this->process->stop();
    }

    /** The settings with which this process was started, its extension among them. */
    private static function ini(): array
    {
        $all = explode("\0", rtrim(file_get_contents('/proc/self/cmdline'), "\0"));
        $ini = [];
        for ($n = 1; isset($all[$n]) && $all[$n][0] === '-'; $n++) {
            if (in_array($all[$n], ['-d', '-c'], true)) {
                array_push($ini, $all[$n], $all[++$n]);
            } elseif ($all[$n] === '-n') {
                $ini[] = '-n';
            }
        }
        return [...$ini, '-d', 'auto_prepend_file=', '-d', 'display_errors=stderr'];
    }
}
