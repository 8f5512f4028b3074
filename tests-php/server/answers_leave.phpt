--TEST--
Server: with concurrency 1 an answer does not wait for the next handler, and what it waits for
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
$server = new Server(new ServerOptions(concurrency: 1));
$server->handle('/an.A/Echo', fn(string $in): string => $in);
$server->handle('/an.A/Until', function (string $file): string { while (!is_file($file)) delay(0.01); return 'seen'; });
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
$channel->unary('/an.A/Echo', '');
$file = scratch() . '/go';
// They arrive together.
$calls = [$channel->start('/an.A/Echo', 'first'), $channel->start('/an.A/Echo', 'second'), $channel->start('/an.A/Until', $file)];
var_dump(eventually(function () use ($calls) { Viaduct\delay(0.01); return $calls[0]->done() && $calls[1]->done(); }, 5));
var_dump($calls[2]->done());
touch($file);
echo implode(' ', Viaduct\await(...$calls)), "\n";
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
bool(true)
bool(false)
first second seen
0
