<?php

require_once __DIR__ . '/patience.php';

// A test that hangs ends before run-tests gives it up (60 s; 600 s under valgrind), which leaves the process and its
// children behind.
if (function_exists('pcntl_alarm')) {
    pcntl_alarm(underValgrind() ? 590 : 58);
}

/** A child process that is asked in lines and answers in lines. Ends with the script, by its id. Nothing waits for ever. */
class Process
{
    public readonly int $pid;

    private const PATIENCE = 20.0;

    /** @var resource|null */
    private $handle;

    /** @var array<int, resource> */
    private array $pipes = [];

    private string $buffer = '';

    /** @param list<string> $command */
    public function __construct(array $command)
    {
        $this->handle = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $this->pipes);
        if (!$this->handle) {
            throw new RuntimeException("$command[0] does not start");
        }
        stream_set_blocking($this->pipes[1], false);
        $this->pid = proc_get_status($this->handle)['pid'];
        $owner = getmypid();
        // Not in children that the test forks.
        register_shutdown_function(fn() => getmypid() === $owner ? $this->stop() : null);
    }

    public function write(string $line): void
    {
        fwrite($this->pipes[0], "$line\n");
        fflush($this->pipes[0]);
    }

    /** The next line without its end. */
    public function line(): string
    {
        $end = microtime(true) + patient(self::PATIENCE);
        while (($at = strpos($this->buffer, "\n")) === false) {
            $left = $end - microtime(true);
            if ($left <= 0) {
                throw new RuntimeException("process $this->pid says nothing");
            }
            $read = [$this->pipes[1]];
            $none = null;
            if (@stream_select($read, $none, $none, 0, (int) (min($left, 0.5) * 1e6)) > 0) {
                $chunk = fread($this->pipes[1], 65536);
                if ($chunk === false || ($chunk === '' && feof($this->pipes[1]))) {
                    throw new RuntimeException("process $this->pid has ended; it said: $this->buffer");
                }
                $this->buffer .= $chunk;
            }
        }
        $line = substr($this->buffer, 0, $at);
        $this->buffer = substr($this->buffer, $at + 1);
        return $line;
    }

    /** SIGTERM, and after two seconds SIGKILL. May be called again. */
    public function stop(): void
    {
        if (!$this->handle) {
            return;
        }
        fclose($this->pipes[0]);
        proc_terminate($this->handle);
        for ($n = 0; $n < 400 && proc_get_status($this->handle)['running']; $n++) {
            usleep(5000);
        }
        if (proc_get_status($this->handle)['running']) {
            proc_terminate($this->handle, 9);
        }
        fclose($this->pipes[1]);
        proc_close($this->handle);
        $this->handle = null;
    }

    /** A command that runs a script with the settings with which this process was started, its extension among them. */
    public static function php(string ...$script): array
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
        return [PHP_BINARY, ...$ini, '-d', 'display_errors=stderr', ...$script];
    }
}
