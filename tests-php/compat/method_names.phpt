--TEST--
Grpc\Server::requestCall(): the method is the path as the client gave it; values of -bin keys that cannot be decoded are left out; a batch of nothing
--EXTENSIONS--
grpc
--SKIPIF--
<?php if (!trim((string) shell_exec('command -v nghttp'))) die('skip nghttp is missing'); ?>
--FILE--
<?php
require __DIR__ . "/../support/server.php";
require __DIR__ . '/../support/compat.php';

[$server, $channel, $port] = pair();
foreach (['/phony_method', 'phony_method', '/a.B/C', 'a.B/C', '/', 'a/b/c', '/a/b/c', '//a'] as $name) {
    $call = call($channel, $name);
    $call->startBatch(request('x', ['k' => ['v']]));
    $seen = $server->requestCall();
    echo "$name: $seen->method ", json_encode(array_diff_key($seen->metadata, ['user-agent' => 0])), "\n";
    $seen->call->startBatch(answer('y'));
    $call->startBatch(RESPONSE);
}

echo "--- a foreign client\n";
$head = "-H 'content-type: application/grpc' -H 'te: trailers' -H 'good-bin: YWJj' -H 'bad-bin: !!!' -H 'both-bin: YQ==,?,Yg=='";
file_put_contents(scratch() . '/request', "\0\0\0\0\1x");
$head .= ' -d ' . escapeshellarg(scratch() . '/request');
$foreign = proc_open("exec nghttp -n $head http://127.0.0.1:$port/phony_method >/dev/null 2>&1", [], $pipes);
$seen = $server->requestCall();
ksort($seen->metadata);
echo $seen->method, ' ', json_encode(array_filter($seen->metadata, fn($key) => str_ends_with($key, '-bin'), ARRAY_FILTER_USE_KEY)), "\n";
$seen->call->startBatch(answer('y'));
proc_terminate($foreign);
proc_close($foreign);

echo "--- nothing is asked for\n";
$call = call($channel);
var_dump((array) $call->startBatch([]));
$call->startBatch(request('x'));
$seen = $server->requestCall();
var_dump($call->startBatch([]) == new stdClass(), $seen->call->startBatch([]) == new stdClass());
$seen->call->startBatch(answer('y'));
$call->startBatch(RESPONSE);
var_dump($call->startBatch([]) == new stdClass());
?>
--EXPECT--
/phony_method: /phony_method {"k":["v"]}
phony_method: phony_method {"k":["v"]}
/a.B/C: /a.B/C {"k":["v"]}
a.B/C: a.B/C {"k":["v"]}
/: / {"k":["v"]}
a/b/c: a/b/c {"k":["v"]}
/a/b/c: /a/b/c {"k":["v"]}
//a: //a {"k":["v"]}
--- a foreign client
/phony_method {"both-bin":["a","b"],"good-bin":["abc"]}
--- nothing is asked for
array(0) {
}
bool(true)
bool(true)
bool(true)
