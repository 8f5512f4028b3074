<?php

require_once __DIR__ . '/process.php';

/** A right peer that shows what it was sent: peer-process.php, served by the extension in a process of its own. */
final class Peer
{
    private Process $process;

    /** As a target for clients. */
    public readonly string $target;

    public function __construct(string $address = 'http://127.0.0.1:0', string $compression = 'None')
    {
        $this->process = new Process(Process::php(__DIR__ . '/peer-process.php', $address, $compression));
        $this->target = $this->process->line();
    }

    public function channel(mixed ...$options): Viaduct\Channel
    {
        return new Viaduct\Channel($this->target, options: new Viaduct\ChannelOptions(...$options + ['persistent' => false]));
    }

    public function stop(): void
    {
        $this->process->stop();
    }
}
