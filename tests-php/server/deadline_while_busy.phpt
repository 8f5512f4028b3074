--TEST--
Server: the deadline is answered by the engine while PHP computes
--EXTENSIONS--
grpc
posix
--SKIPIF--
<?php if (!trim((string) shell_exec('command -v nghttp'))) die('skip nghttp is missing'); ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
$server->handle('/de.A/Loop', function (string $in) use ($argv): string {
    say('loop');
    for ($end = microtime(true) + 60; !is_file($argv[2]) && microtime(true) < $end;) clearstatcache();
    say(is_file($argv[2]) ? 'ended' : 'the answer waited for the handler');
    return 'too late';
});
serve($server);
PHP, arguments: [256, scratch() . '/answered']);
// A client without a timer of its own.
file_put_contents(scratch() . '/request', "\0\0\0\0\1x");
$start = microtime(true);
$command = sprintf(
    "timeout 60 nghttp -v -H 'content-type: application/grpc' -H 'te: trailers' -H 'grpc-timeout: %dm' -d %s %s/de.A/Loop",
    patient(0.3) * 1000, escapeshellarg(scratch() . '/request'), $server->address,
);
$said = (string) shell_exec($command . ' 2>&1');
$took = microtime(true) - $start;
touch(scratch() . '/answered');
preg_match_all('/grpc-status: (\d+)/', $said, $status);
echo json_encode($status[1]), "\n", $took >= 0.29 ? '' : "EARLY: $took\n", underValgrind() || $took < 5 ? '' : "LATE: $took\n";
echo $server->line(), "\n", $server->line(), "\n";
echo $server->stop(), "\n", $server->rest(), $server->errors(), $server->log();
?>
--EXPECT--
["4"]
loop
ended
0
run() has returned
