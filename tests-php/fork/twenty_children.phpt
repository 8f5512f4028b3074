--TEST--
A script that has called forks 20 children: each calls 100 times while the parent goes on, nothing fails
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start('$server->handle("/fk.A/Echo", fn(string $in): string => $in); serve($server);');
$channel = new Viaduct\Channel($server->address);
echo $channel->unary('/fk.A/Echo', 'before'), "\n";
$pipes = [];
$children = [];
for ($n = 0; $n < 20; $n++) {
    [$theirs, $ours] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $pid = pcntl_fork();
    if ($pid === 0) {
        fclose($ours);
        $failed = 0;
        for ($i = 0; $i < 100; $i++) {
            try {
                $failed += $channel->unary('/fk.A/Echo', "$n $i", timeout: 30) === "$n $i" ? 0 : 1;
            } catch (Throwable $e) {
                $failed++;
                fwrite(STDOUT, "child: {$e->getMessage()}\n");
            }
        }
        fwrite($theirs, microtime(true) . " $failed\n");
        exit(0);
    }
    fclose($theirs);
    $children[$pid] = $ours;
}
$failed = $calls = 0;
$late = [];
$running = $children;
$deadline = microtime(true) + (underValgrind() ? 500 : 50);
while ($running && microtime(true) < $deadline) {
    $failed += $channel->unary('/fk.A/Echo', 'parent', timeout: 30) === 'parent' ? 0 : 1;
    $calls++;
    while (($pid = pcntl_waitpid(-1, $status, WNOHANG)) > 0) {
        if (!isset($running[$pid])) {
            continue;
        }
        $ended = microtime(true);
        [$last, $wrong] = explode(' ', trim(fgets($running[$pid]) ?: '0 none'));
        unset($running[$pid]);
        $failed += (int) $wrong;
        if (!pcntl_wifexited($status) || pcntl_wexitstatus($status) !== 0 || $wrong === 'none') {
            $late[] = "status $status";
        } elseif ($ended - (float) $last > (underValgrind() ? 20 : 3)) {
            $late[] = 'ended ' . ($ended - (float) $last) . ' s after its last call';
        }
    }
}
foreach ($running as $pid => $_) {
    posix_kill($pid, SIGKILL);
    pcntl_waitpid($pid, $status);
}
echo count($running), " hang, $failed failed, ", json_encode($late), $calls > 0 ? '' : ' the parent did not call', "\n";
echo $channel->unary('/fk.A/Echo', 'after'), "\n";
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
before
0 hang, 0 failed, []
after
0
