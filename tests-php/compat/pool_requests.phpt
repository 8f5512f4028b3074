--TEST--
Grpc\Channel: a connection outlives the request, and nothing of a request stays
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/wrong.php';
require_once __DIR__ . '/../support/patience.php';

$script = tempnam(sys_get_temp_dir(), 'viaduct-web-') . '.php';
file_put_contents($script, <<<'PHP'
<?php
use Grpc\{Channel, Timeval};

// PHP's web server has no auto_prepend_file.
if ($collect = getenv('COLLECT')) require $collect;
header('Connection: close');
parse_str($_SERVER['QUERY_STRING'] ?? '', $ask);
$args = ['credentials' => Grpc\ChannelCredentials::createInsecure(), 'user' => $ask['user'] ?? ''];
if (isset($ask['secret'])) {
    // Of the request: it must not be there in the next one.
    $holder = new ArrayObject();
    $holder[] = $args['credentials'] = Grpc\ChannelCredentials::createComposite(
        Grpc\ChannelCredentials::createSsl(),
        Grpc\CallCredentials::createFromPlugin(fn() => [$holder]),
    );
}
$channel = new Channel($ask['target'], $args);
$found = $channel->getConnectivityState(!isset($ask['secret']));
while (($state = $channel->getConnectivityState()) === Grpc\CHANNEL_CONNECTING) {
    $channel->watchConnectivityState($state, Timeval::infFuture());
}
ob_start();
phpinfo(INFO_MODULES);
preg_match('~channel connections\s*(?:=> |</td><td class="v">)(.*?)\s*(?:</td>|$)~mi', ob_get_clean(), $info);
echo getmypid(), ' ', $found, ' ', $info[1];
if (isset($ask['fatal'])) {
    ini_set('display_errors', '0');
    no_such_function();
}
PHP);

/** PHP's own web server, which serves one request after the other in one process. */
$log = tempnam(sys_get_temp_dir(), 'viaduct-web-log-');
$web = proc_open(
    [...Process::php(), '-S', '127.0.0.1:0', $script],
    [['file', '/dev/null', 'r'], ['file', $log, 'w'], ['file', $log, 'a']],
    $pipes,
    null,
    ['PHP_CLI_SERVER_WORKERS' => '', 'COLLECT' => underValgrind() ? realpath(__DIR__ . '/../support/collect.php') : ''] + getenv(),
);
for ($n = 0; $n < 2000 && !preg_match('~http://(127\.0\.0\.1:\d+)\) started~', file_get_contents($log), $found); $n++) {
    usleep(10_000);
}
$get = function (array $query) use ($found): string {
    $context = stream_context_create(['http' => ['timeout' => 30, 'ignore_errors' => true]]);
    return file_get_contents("http://$found[1]/?" . http_build_query($query), false, $context);
};
$server = new Wrong('echo');
$target = "127.0.0.1:$server->port";
$pids = [];
$show = function (array $query) use ($get, $target, &$pids): void {
    [$pid, $rest] = explode(' ', $get(['target' => $target] + $query), 2);
    $pids[$pid] = true;
    echo $rest, "\n";
};
for ($n = 0; $n < 3; $n++) {
    $show([]);
}
echo "with call credentials: ";
$show(['secret' => 1]);
echo "after a fatal error: ";
$show(['fatal' => 1]);
$show([]);
echo "other arguments: ";
$show(['user' => 'other']);
$show(['user' => 'other']);
var_dump(count($pids), $server->stats()['connections'], $server->reaches('open', 1));
$start = hrtime(true);
posix_kill(proc_get_status($web)['pid'], SIGINT);
proc_close($web);
echo "it ends: ";
var_dump(hrtime(true) - $start < 20e9, $server->reaches('open', 0));
unlink($script);
unlink($log);
?>
--EXPECT--
0 1 open, 1 of them pooled, 1 of these in use
2 1 open, 1 of them pooled, 1 of these in use
2 1 open, 1 of them pooled, 1 of these in use
with call credentials: 0 2 open, 1 of them pooled, 0 of these in use
after a fatal error: 2 1 open, 1 of them pooled, 1 of these in use
2 1 open, 1 of them pooled, 1 of these in use
other arguments: 0 1 open, 1 of them pooled, 1 of these in use
2 1 open, 1 of them pooled, 1 of these in use
int(1)
int(2)
bool(true)
it ends: bool(true)
bool(true)
