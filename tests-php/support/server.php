<?php

require_once __DIR__ . '/patience.php';

/**
 * PHP servers in child processes, run with this process' own php and extension.
 *
 *     $server = ServerProcess::start(<<<'PHP'
 *         $server->handle('/a.B/C', fn(string $in): string => $in);
 *         serve($server);
 *     PHP);
 *     $channel = new Viaduct\Channel($server->address);
 *     …
 *     $server->stop();          // SIGTERM; the exit code
 *
 * The script sees `$server` unless it makes its own, `serve()` and `say()` (see child.php). What it writes with say()
 * is read here with line(). Nothing waits for ever: a child that is late is killed, and the test ends with a message.
 */
final class ServerProcess
{
    public readonly int $pid;
    /** The first address it listens on; `$addresses` are all. */
    public string $address = '';
    /** @var list<string> */
    public array $addresses = [];
    /** What it was ended by, where it was a signal. */
    public ?int $signal = null;

    private ?int $code = null;
    private bool $ended = false;
    private int $read = 0;

    /** @param resource $process */
    private function __construct(private $process, private string $directory)
    {
        $this->pid = proc_get_status($process)['pid'];
    }

    /**
     * @param string $code a script without its "<?php"
     * @param array<string, string|int> $ini settings beside those of this process
     * @param bool $serves whether it calls serve(), whose addresses are waited for
     */
    public static function start(string $code, array $ini = [], array $arguments = [], bool $serves = true): self
    {
        $directory = freshDirectory('test');
        $prelude = '<?php require ' . var_export(__DIR__ . '/child.php', true) . '; '
            . 'use Viaduct\{BidiStream, CancelledException, Channel, ChannelOptions, Compression, Context, Credentials, '
            . 'MethodKind, Proxy, RequestStream, RpcException, Server, ServerCredentials, ServerOptions, StatusCode, Task}; '
            . 'use function Viaduct\{async, await, delay}; $server = new Server();' . "\n";
        file_put_contents("$directory/script.php", $prelude . $code . "\n");
        foreach (['out', 'err', 'log'] as $name) {
            touch("$directory/$name");
        }
        $ini += ['error_log' => "$directory/log", 'log_errors' => 1, 'display_errors' => 0, 'html_errors' => 0];
        $command = [...self::dieWithParent(), PHP_BINARY, ...self::ownArguments()];
        foreach ($ini as $name => $value) {
            array_push($command, '-d', "$name=$value");
        }
        array_push($command, '-f', "$directory/script.php", '--', ...array_map('strval', $arguments));
        $files = [['file', '/dev/null', 'r'], ['file', "$directory/out", 'a'], ['file', "$directory/err", 'a']];
        $process = proc_open($command, $files, $pipes);
        if (!is_resource($process)) {
            throw new Exception('cannot start ' . implode(' ', $command));
        }
        $self = new self($process, $directory);
        $owner = getmypid();
        // Not in children that the test forks.
        register_shutdown_function(static fn() => getmypid() === $owner ? $self->clean() : null);
        if ($serves) {
            $self->addresses = json_decode($self->line(), true, 4, JSON_THROW_ON_ERROR);
            $self->address = $self->addresses[0];
        }
        return $self;
    }

    /** The next line that the child says. */
    public function line(float $timeout = 30): string
    {
        $deadline = microtime(true) + patient($timeout);
        do {
            $ended = !$this->alive();
            $text = substr($this->output(), $this->read);
            $end = strpos($text, "\n");
            if ($end !== false) {
                $this->read += $end + 1;
                return substr($text, 0, $end);
            }
            usleep(2000);
        } while (!$ended && microtime(true) < $deadline);
        $this->kill();
        throw new Exception(($ended ? 'the child ended' : 'the child is silent') . "\n" . $this->report());
    }

    /** All that the child has written to stdout. */
    public function output(): string
    {
        return file_get_contents($this->directory . '/out');
    }

    /** What it has said beyond what line() has returned. */
    public function rest(): string
    {
        return substr($this->output(), $this->read);
    }

    public function errors(): string
    {
        return file_get_contents($this->directory . '/err');
    }

    /** Its error log. */
    public function log(): string
    {
        return file_get_contents($this->directory . '/log');
    }

    /** Waits for a text in the error log. */
    public function logHas(string $text, float $timeout = 10): bool
    {
        return eventually(fn() => str_contains($this->log(), $text), $timeout);
    }

    public function alive(): bool
    {
        if (!$this->ended) {
            $status = proc_get_status($this->process);
            if (!$status['running']) {
                $this->ended = true;
                $this->signal = $status['signaled'] ? $status['termsig'] : null;
                $this->code = $status['exitcode'];
            }
        }
        return !$this->ended;
    }

    public function send(int $signal): void
    {
        if ($this->alive()) {
            posix_kill($this->pid, $signal);
        }
    }

    /** Waits for the end: the exit code; -1 where a signal ended it (see $signal). Late children are killed. */
    public function wait(float $timeout = 30): int
    {
        if (!eventually(fn() => !$this->alive(), $timeout)) {
            $this->kill();
            echo "THE CHILD DID NOT END\n", $this->report(), "\n";
        }
        return $this->code ?? -1;
    }

    /**
     * One more signal, when a second has passed since the one before was seen, and the exit code. One and no more: a process
     * that ends has no handler left for it.
     */
    public function insist(int $signal, float $timeout = 30): int
    {
        usleep(1_200_000);
        $this->send($signal);
        return $this->wait($timeout);
    }

    /** SIGTERM, and the exit code. */
    public function stop(float $timeout = 30): int
    {
        $this->send(SIGTERM);
        return $this->wait($timeout);
    }

    /** Resident memory, in bytes. */
    public function resident(): int
    {
        return resident($this->pid);
    }

    public function threads(): int
    {
        return count(glob("/proc/{$this->pid}/task/*"));
    }

    public function report(): string
    {
        return sprintf(
            "exit code: %s, signal: %s\n--- stdout\n%s\n--- stderr\n%s\n--- error log\n%s",
            var_export($this->code, true), var_export($this->signal, true), $this->output(), $this->errors(), $this->log(),
        );
    }

    private function kill(): void
    {
        if ($this->alive()) {
            posix_kill($this->pid, SIGKILL);
            eventually(fn() => !$this->alive(), 10);
        }
    }

    private function clean(): void
    {
        if (!is_dir($this->directory) || !is_resource($this->process)) {
            return;
        }
        $this->kill();
        array_map('unlink', glob($this->directory . '/*'));
        @rmdir($this->directory);
    }

    /** What stands before the script in this process' own command line: ini settings, the extension among them. */
    public static function ownArguments(): array
    {
        $all = explode("\0", rtrim(file_get_contents('/proc/self/cmdline'), "\0"));
        $own = [];
        for ($i = 1; $i < count($all); $i++) {
            if (in_array($all[$i], ['-d', '-c'], true)) {
                array_push($own, $all[$i], $all[++$i]);
            } elseif ($all[$i] === '-n' || $all[$i] === '-q') {
                $own[] = $all[$i];
            } else {
                break;
            }
        }
        return $own;
    }

    /** Where the test is killed, its children go with it. */
    private static function dieWithParent(): array
    {
        // Under valgrind it would be one more program to check.
        return is_executable('/usr/bin/setpriv') && !underValgrind() ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : [];
    }
}

/** Resident memory of a process, in bytes. */
function resident(int|string $pid = 'self'): int
{
    return (int) explode(' ', file_get_contents("/proc/$pid/statm"))[1] * 4096;
}

/**
 * Prints how a call ended: what it returned, or its exception's class, code and message.
 *
 * A deadline's message says which side saw it first, and is left out.
 */
function outcome(callable $call): void
{
    try {
        $result = $call();
        echo 'OK ', is_string($result) ? $result : json_encode($result), "\n";
    } catch (Viaduct\RpcException $e) {
        $late = $e->statusCode() === Viaduct\StatusCode::DeadlineExceeded;
        echo $e::class, ' ', $e->statusCode()->name, $late ? '' : ': ' . $e->getMessage(), "\n";
    } catch (Throwable $e) {
        echo $e::class, ': ', $e->getMessage(), "\n";
    }
}

/**
 * A certificate for localhost and 127.0.0.1, or for other names, signed by an authority of its own.
 *
 * @param string $for as openssl's configuration has it for subjectAltName
 * @return array{string, string, string} the paths of the certificate, its key, and the authority's certificate
 */
function certificate(string $directory, string $name, string $for = 'DNS:localhost,IP:127.0.0.1'): array
{
    [$ca, $caKey, $request, $cert, $key, $extensions] =
        array_map(fn($end) => "$directory/$name$end", ['-ca.pem', '-ca.key', '.csr', '.pem', '.key', '.ext']);
    $new = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    file_put_contents($extensions, "basicConstraints=CA:FALSE\nsubjectAltName=$for\n");
    openssl('req', '-x509', '-days', '2', '-subj', "/CN=$name authority", '-keyout', $caKey, '-out', $ca, ...$new);
    openssl('req', '-subj', "/CN=$name", '-keyout', $key, '-out', $request, ...$new);
    openssl('x509', '-req', '-in', $request, '-CA', $ca, '-CAkey', $caKey, '-set_serial', '1', '-days', '2',
        '-extfile', $extensions, '-out', $cert);
    return [$cert, $key, $ca];
}

function openssl(string ...$arguments): void
{
    $files = [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['pipe', 'w']];
    $process = proc_open(['openssl', ...$arguments], $files, $pipes);
    $said = stream_get_contents($pipes[2]);
    if (proc_close($process) !== 0) {
        throw new Exception("openssl: $said");
    }
}

/** A directory that nobody has had before: a killed test leaves its own, and process ids come again. */
function freshDirectory(string $what): string
{
    $directory = sys_get_temp_dir() . "/viaduct-$what-" . random_int(10 ** 15, 10 ** 16);
    mkdir($directory, 0700);
    return $directory;
}

/** A directory that goes when the test ends; its forked children have the same. */
function scratch(): string
{
    static $directory = null;
    if ($directory === null) {
        $directory = freshDirectory('scratch');
        $owner = getmypid();
        register_shutdown_function(static function () use ($directory, $owner): void {
            if (getmypid() === $owner) {
                array_map('unlink', glob("$directory/*"));
                @rmdir($directory);
            }
        });
    }
    return $directory;
}
