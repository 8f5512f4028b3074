--TEST--
What the extension costs a process that does not use it: no thread, no descriptor, 3 MiB of RSS at most
--EXTENSIONS--
grpc
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind has memory of its own');
?>
--FILE--
<?php
preg_match_all('/-d\0"?(extension=[^\0"]*\.so)/', file_get_contents('/proc/self/cmdline'), $settings);
$settings = array_merge(...array_map(fn($setting) => ['-d', $setting], $settings[1]));
$code = <<<'PHP'
preg_match_all('/^(VmRSS|Threads):\s*(\d+)/m', file_get_contents('/proc/self/status'), $m);
echo json_encode(array_combine($m[1], $m[2]) + ['loaded' => extension_loaded('grpc'), 'open' => count(scandir('/proc/self/fd'))]);
PHP;
$run = function (array $settings) use ($code) {
    $process = proc_open([PHP_BINARY, '-n', ...$settings, '-r', $code], [['file', '/dev/null', 'r'], ['pipe', 'w'], STDERR], $pipes);
    $result = json_decode(stream_get_contents($pipes[1]));
    proc_close($process);
    return $result;
};
// In turns; the least of each: what the kernel maps ahead of need differs from run to run.
$with = $without = [];
for ($n = 0; $n < 7; $n++) {
    $with[] = $run($settings);
    $without[] = $run([]);
}
$least = fn(array $runs) => min(array_map(fn($run) => (int) $run->VmRSS, $runs));
echo json_encode([$with[0]->loaded, $without[0]->loaded]), "\n";
echo "threads: ", json_encode(array_unique(array_column($with, 'Threads'))), "\n";
echo "descriptors more: ", $with[0]->open - $without[0]->open, "\n";
$more = $least($with) - $least($without);
echo $more > 0 && $more <= 3072 ? "at most 3 MiB more" : "$more KiB more; expected 3072 at most", "\n";
?>
--EXPECT--
[true,false]
threads: ["1"]
descriptors more: 0
at most 3 MiB more
