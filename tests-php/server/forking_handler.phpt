--TEST--
Server: a handler that forks does not disturb the server
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Viaduct\Channel;

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
$server->handle('/fo.A/Exit', function (string $in): string {
    $pid = pcntl_fork();
    if ($pid === 0) exit(7);
    pcntl_waitpid($pid, $status);
    return pcntl_wifexited($status) ? 'exit ' . pcntl_wexitstatus($status) : 'signal ' . pcntl_wtermsig($status);
});
$server->handle('/fo.A/Return', function (string $in): string {
    $pid = pcntl_fork();
    if ($pid === 0) return 'the child says nothing';
    // What the child does when its handler returns is to leave run(): the rest of the script is its own.
    pcntl_waitpid($pid, $status);
    return pcntl_wifexited($status) ? 'exit ' . pcntl_wexitstatus($status) : 'signal ' . pcntl_wtermsig($status);
});
$server->handle('/fo.A/Throw', function (string $in): string {
    $pid = pcntl_fork();
    if ($pid === 0) throw new Exception('in the child');
    pcntl_waitpid($pid, $status);
    return pcntl_wifexited($status) ? 'exited' : 'signal ' . pcntl_wtermsig($status);
});
$server->handle('/fo.A/Call', function (string $in) use (&$address): string {
    $pid = pcntl_fork();
    if ($pid === 0) {
        try {
            $text = (new Channel($address))->unary('/fo.A/Echo', 'from the child', timeout: 10);
            say($text);
            exit($text === 'from the child' ? 0 : 1);
        } catch (Throwable $e) {
            say((string) $e);
            exit(2);
        }
    }
    delay(0.05);
    while (pcntl_waitpid($pid, $status, WNOHANG) === 0) delay(0.01);
    return 'exit ' . pcntl_wexitstatus($status);
});
$server->handle('/fo.A/Term', function (string $in): string {
    $pid = pcntl_fork();
    if ($pid === 0) { for ($i = 0; $i < 20_000; $i++) usleep(1000); exit(1); }
    posix_kill($pid, SIGTERM);
    pcntl_waitpid($pid, $status);
    return pcntl_wifsignaled($status) ? 'signal ' . pcntl_wtermsig($status) : 'exit ' . pcntl_wexitstatus($status);
});
$server->handle('/fo.A/Context', function (RequestStream $in, Context $c): string {
    $in->receive();
    $pid = pcntl_fork();
    if ($pid === 0) {
        $said = [];
        foreach ([fn() => $c->method(), fn() => $c->sendHeaders(['a' => 'b']), fn() => $in->receive(), fn() => $c->isCancelled()] as $use) {
            try { $use(); $said[] = 'worked'; } catch (Throwable $e) { $said[] = $e::class; }
        }
        say(implode(' ', $said));
        exit;
    }
    pcntl_waitpid($pid, $status);
    return $in->receive() . $c->method();
});
$server->handle('/fo.A/Echo', fn(string $in): string => $in);
$server->handle('/fo.A/Slow', function (string $in): string { delay(0.2); return 'slow'; });
$address = $server->listen('http://127.0.0.1:0');
announce($address);
$parent = getmypid();
$server->run();
if (getmypid() !== $parent) exit(9);
say('the parent has ended');
PHP;
foreach ([256, 1] as $concurrency) {
    echo "=== concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: [$concurrency]);
    $channel = new Channel($server->address);
    foreach (['Exit', 'Return', 'Throw', 'Term'] as $method) {
        $slow = $concurrency > 1 ? $channel->start('/fo.A/Slow', '') : null;
        Viaduct\delay(0);
        echo "$method: ";
        outcome(fn() => $channel->unary("/fo.A/$method", '', timeout: 20));
        $slow && outcome(fn() => $slow->wait());
        outcome(fn() => $channel->unary('/fo.A/Echo', 'alive'));
    }
    if ($concurrency > 1) {
        outcome(fn() => $channel->unary('/fo.A/Call', '', timeout: 20));
        echo $server->line(), "\n";
    }
    $up = $channel->clientStream('/fo.A/Context', timeout: 20);
    $up->send('a');
    $up->send('b');
    outcome(fn() => $up->finish());
    echo $server->line(), "\n";
    echo $server->stop(), "\n", $server->rest(), $server->errors(), substr_count($server->log(), 'threw: Exception: in the child'), "\n";
}
?>
--EXPECT--
=== concurrency 256
Exit: OK exit 7
OK slow
OK alive
Return: OK exit 9
OK slow
OK alive
Throw: OK exited
OK slow
OK alive
Term: OK signal 15
OK slow
OK alive
OK exit 0
from the child
OK b/fo.A/Context
Viaduct\LogicException Viaduct\LogicException Viaduct\LogicException Viaduct\LogicException
0
the parent has ended
1
=== concurrency 1
Exit: OK exit 7
OK alive
Return: OK exit 9
OK alive
Throw: OK exited
OK alive
Term: OK signal 15
OK alive
OK b/fo.A/Context
Viaduct\LogicException Viaduct\LogicException Viaduct\LogicException Viaduct\LogicException
0
the parent has ended
1
