--TEST--
Channels of Grpc\ from the pool: 20 forked children call 100 times each while the parent goes on, nothing fails
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/compat.php';

$server = ServerProcess::start('$server->handle("/fp.A/Echo", fn(string $in): string => $in); serve($server);');
$target = substr($server->address, strlen('http://'));
$open = fn() => new Grpc\Channel($target, ['credentials' => null]);
$channel = $open();
echo echoes($channel, '/fp.A/Echo', 'before') ? 'before' : 'failed', "\n";
// A call that runs while the children are born.
$running = call($channel, '/fp.A/Echo');
$running->startBatch(request('running'));
$pipes = $children = [];
for ($n = 0; $n < 20; $n++) {
    [$theirs, $ours] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $pid = pcntl_fork();
    if ($pid === 0) {
        fclose($ours);
        $failed = 0;
        for ($i = 0; $i < 100; $i++) {
            // The parent's object, and one of the child's own for the same key.
            $failed += echoes($i % 2 ? $channel : $open(), '/fp.A/Echo', "$n $i") ? 0 : 1;
        }
        fwrite($theirs, microtime(true) . " $failed\n");
        exit(0);
    }
    fclose($theirs);
    $children[$pid] = $ours;
}
$failed = $calls = 0;
$late = [];
$deadline = microtime(true) + (underValgrind() ? 500 : 50);
while ($children && microtime(true) < $deadline) {
    $failed += echoes($channel, '/fp.A/Echo', 'parent') ? 0 : 1;
    $calls++;
    while (($pid = pcntl_waitpid(-1, $status, WNOHANG)) > 0) {
        if (!isset($children[$pid])) {
            continue;
        }
        $ended = microtime(true);
        [$last, $wrong] = explode(' ', trim(fgets($children[$pid]) ?: '0 none'));
        unset($children[$pid]);
        $failed += (int) $wrong;
        if (!pcntl_wifexited($status) || pcntl_wexitstatus($status) !== 0 || $wrong === 'none') {
            $late[] = "status $status";
        } elseif ($ended - (float) $last > (underValgrind() ? 20 : 3)) {
            $late[] = 'ended ' . ($ended - (float) $last) . ' s after its last call';
        }
    }
}
foreach ($children as $pid => $_) {
    posix_kill($pid, SIGKILL);
    pcntl_waitpid($pid, $status);
}
echo count($children), " hang, $failed failed, ", json_encode($late), $calls > 0 ? '' : ' the parent did not call', "\n";
echo brings($running, 'running') ? 'running' : 'failed', "\n";
echo echoes($channel, '/fp.A/Echo', 'after') ? 'after' : 'failed', "\n";
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
before
0 hang, 0 failed, []
running
after
0
