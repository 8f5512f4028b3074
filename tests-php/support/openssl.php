<?php

/** The command openssl as the other side of a handshake. */

require_once __DIR__ . '/process.php';
require_once __DIR__ . '/server.php';

/** `openssl s_server` on a port of its own. It knows no HTTP/2: a handshake is all that it can do. */
final class OpenSslServer
{
    public readonly int $port;
    private Process $process;

    /** @param string $cert the path of the certificate, as $key is that of its key */
    public function __construct(string $cert, string $key, string ...$more)
    {
        // What it complains of, the client is to know itself.
        $quiet = ['sh', '-c', 'exec "$@" 2>/dev/null', 'sh'];
        $this->process = new Process([...$quiet, 'openssl', 's_server', '-accept', '127.0.0.1:0', '-cert', $cert, '-key', $key, ...$more]);
        $this->port = (int) substr(strrchr($this->until('ACCEPT '), ':'), 1);
    }

    /** The first line from here on that has the text. */
    public function until(string $text): string
    {
        do {
            $line = $this->process->line();
        } while (!str_contains($line, $text));
        return $line;
    }

    public function stop(): void
    {
        $this->process->stop();
    }
}

/**
 * All that `openssl s_client` says of a handshake.
 *
 * @param bool $lingers whether it stays until the server ends the connection: with TLS 1.3 a client learns only then
 *     that its certificate is not wanted
 */
function handshake(int $port, array $arguments, bool $lingers = false): string
{
    $command = ['timeout', '30', 'openssl', 's_client', '-connect', "127.0.0.1:$port", '-alpn', 'h2', ...$arguments];
    if ($lingers) {
        $command[] = '-ign_eof';
    }
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]], $pipes);
    $said = stream_get_contents($pipes[1]);
    proc_close($process);
    return $said;
}

/**
 * A certificate that was valid in January of 2020, for the same names and by the same authority as one of
 * certificate().
 *
 * @return array{string, string, string} as certificate()
 */
function expired(string $directory, string $name): array
{
    [, $key, $ca] = certificate($directory, $name);
    [$cert, $index, $config] = ["$directory/$name-expired.pem", "$directory/$name.index", "$directory/$name.cnf"];
    touch($index);
    file_put_contents($config, "[ca]\ndefault_ca=d\n[d]\ndatabase=$index\nnew_certs_dir=$directory\ndefault_md=sha256\n"
        . "rand_serial=yes\npolicy=p\n[p]\ncommonName=supplied\n");
    openssl('ca', '-batch', '-notext', '-config', $config, '-in', "$directory/$name.csr", '-cert', $ca,
        '-keyfile', "$directory/$name-ca.key", '-startdate', '20200101000000Z', '-enddate', '20200131000000Z',
        '-extfile', "$directory/$name.ext", '-out', $cert);
    return [$cert, $key, $ca];
}
