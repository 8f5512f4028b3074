--TEST--
Grpc\: log lines, where and when they are asked for
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/process.php';

$script = tempnam(sys_get_temp_dir(), 'viaduct-log-');
file_put_contents($script, <<<'PHP'
<?php
for ($n = 0; $n < 2; $n++) {
    new Grpc\Channel('localhost:0', ['grpc.unknown' => 1, 'grpc.max_receive_message_length' => 5, 'other' => "v$n"]);
}
new Grpc\Server(['other' => 1, 'mine' => 2, 'grpc.max_concurrent_streams' => 3, 'grpc.primary_user_agent' => 'x']);
$channel = new Grpc\Channel('127.0.0.1:0', []);
$channel->getConnectivityState(true);
$channel->watchConnectivityState(Grpc\CHANNEL_CONNECTING, Grpc\Timeval::infFuture());
PHP);

/** What a child writes to stderr. */
function stderr(string $script, array $settings, ?string $verbosity = null): string
{
    $command = Process::php($script);
    foreach ($settings as $name => $value) {
        array_splice($command, 1, 0, ['-d', "$name=$value"]);
    }
    $environment = $verbosity === null ? [] : ['GRPC_VERBOSITY' => $verbosity];
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes, null, $environment + getenv());
    $text = stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]);
    return proc_close($process) === 0 ? $text : "FAILED $text";
}
$file = "$script.log";
$plain = fn(string $text) => preg_replace('/^\d{10}\.\d{6} (\w+) \d+ /m', 'TIME $1 PID ', $text);
$listed = fn(string $text) => preg_replace('/^(?!.*arguments that).*\n/m', '', $plain($text));

foreach ([null, 'NONE', 'none', 'ERROR', 'INFO', 'nonsense'] as $verbosity) {
    echo json_encode($verbosity), ': ', json_encode(stderr($script, [], $verbosity)), "\n";
}
echo $listed(stderr($script, [], 'debug'));
echo $listed(stderr($script, ['grpc.grpc_verbosity' => 'DEBUG'], 'none'));
echo "--- to a file\n";
file_put_contents($file, "what was there before\n");
echo stderr($script, ['grpc.log_filename' => $file, 'grpc.grpc_verbosity' => 'DEBUG']);
echo stderr($script, ['grpc.log_filename' => $file, 'grpc.grpc_verbosity' => 'DEBUG']);
echo strtok(file_get_contents($file), "\n"), "\n", $listed(file_get_contents($file));
unlink($file);
echo stderr($script, ['grpc.log_filename' => $file, 'grpc.grpc_verbosity' => 'NONE']);
var_dump(file_exists($file));
unlink($script);
?>
--EXPECT--
null: ""
"NONE": ""
"none": ""
"ERROR": ""
"INFO": ""
"nonsense": ""
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: grpc.unknown, other
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: mine
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: grpc.unknown, other
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: mine
--- to a file
what was there before
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: grpc.unknown, other
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: mine
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: grpc.unknown, other
TIME DEBUG PID grpc::compat::arguments: arguments that are not known and have no effect: mine
bool(false)
