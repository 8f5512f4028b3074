--TEST--
The library stays in memory when PHP lets go of it: a thread of ours may still run
--EXTENSIONS--
grpc
ffi
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind keeps every library');
?>
--FILE--
<?php
preg_match('~(/\S*grpc\.so)$~m', file_get_contents('/proc/self/maps'), $library);
// A process that has nothing of ours loads it and lets it go, as Apache does when it reads its configuration again.
$code = <<<'PHP'
$libc = FFI::cdef('void *dlopen(const char *, int); int dlclose(void *);');
$mapped = fn() => json_encode(str_contains(file_get_contents('/proc/self/maps'), $argv[1]));
echo $mapped();
$handle = $libc->dlopen($argv[1], 2);
echo ' ', $mapped(), ' ', $libc->dlclose($handle), ' ', $mapped(), "\n";
PHP;
$command = [PHP_BINARY, '-n', '-d', 'extension=ffi', '-r', $code, '--', $library[1]];
$process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], STDERR], $pipes);
echo stream_get_contents($pipes[1]);
proc_close($process);
?>
--EXPECT--
false true 0 true
