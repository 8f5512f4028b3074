<?php

require_once __DIR__ . '/server.php';

/**
 * Runs a script under strace, with this process' settings, and prints what it prints, its exit code, how many connections
 * to the server there were and of how many processes, and every write to a connection by another process than its first.
 */
function traced(string $script, ServerProcess $server): void
{
    $trace = scratch() . '/trace';
    $file = scratch() . '/client.php';
    file_put_contents($file, $script);
    $command = ['timeout', '120', 'strace', '-f', '-yy', '-e', 'trace=write,writev,sendto,sendmsg,sendmmsg,shutdown,fork,vfork,clone,clone3',
        '-o', $trace, ...Process::php($file, $server->address)];
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], STDERR], $pipes);
    echo stream_get_contents($pipes[1]), ' ', proc_close($process), "\n";
    $port = parse_url($server->address, PHP_URL_PORT);
    // "1234 writev(5<TCP:[127.0.0.1:43210->127.0.0.1:50051]>, …": whose socket it is, the first writer says.
    $owner = $foreign = $thread = $begun = [];
    $lines = file($trace);
    // First who is a thread of whom: it may write before the call that made it is over, which then stands in two lines.
    foreach ($lines as $line) {
        if (preg_match('/^(\d+) .*clone3?\(.*CLONE_THREAD.*<unfinished/', $line, $m)) {
            $begun[$m[1]] = true;
        } elseif (preg_match('/^(\d+) .*clone3?\(.*CLONE_THREAD.*= (\d+)/', $line, $m)
            || (preg_match('/^(\d+) .*clone3? resumed.*= (\d+)/', $line, $m) && isset($begun[$m[1]]))) {
            $thread[$m[2]] = $thread[$m[1]] ?? $m[1];
            unset($begun[$m[1]]);
        }
    }
    foreach ($lines as $line) {
        if (preg_match('/^(\d+) +(\w+)\(\d+<TCP(?:v6)?:\[([^\]]*->[^\]]*:' . $port . ')\]>/', $line, $m)) {
            $process = $thread[$m[1]] ?? $m[1];
            $owner[$m[3]] ??= $process;
            if ($owner[$m[3]] !== $process) {
                $foreign[] = trim($line);
            }
        }
    }
    echo count($owner), ' connections of ', count(array_unique($owner)), " processes\n", implode("\n", $foreign);
}
