--TEST--
Fibers in handlers: tasks, generators, recursion, static state, exceptions, and fibers of the user's own
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$code = <<<'PHP'
$server = new Server(new ServerOptions(concurrency: (int) $argv[1]));
$back = null;
$server->handle('/fi.A/Echo', fn(string $in): string => $in);
$server->handle('/fi.A/Tasks', function (string $in): string {
    $log = [];
    $tasks = [];
    foreach ([0.6, 0.2, 0.4] as $n => $seconds) {
        $tasks[] = async(function (string $name) use (&$log, $seconds) { $log[] = "$name begins"; delay($seconds); $log[] = "$name ends"; return strtoupper($name); }, "t$n");
    }
    return implode(' ', await(...$tasks)) . ' ' . json_encode($log);
});
$server->handle('/fi.A/Nested', function (string $in): string {
    $deep = function (int $n) use (&$deep): int { delay(0); return $n === 0 ? 0 : 1 + await(async($deep, $n - 1))[0]; };
    return (string) $deep(50);
});
$server->handle('/fi.A/Static', function (string $in): string { static $n = 0; $mine = ++$n; do delay(0.001); while ($n < (int) $in); return $mine === $n ? 'alone' : 'shared'; });
$server->handle('/fi.A/Generator', function (string $in): iterable {
    $inner = function () { for ($i = 0; $i < 3; $i++) { delay(0.001); yield "i$i"; } return 'r'; };
    $result = yield from $inner();
    foreach (array_map(fn($x) => async(fn() => delay(0.001) ?? $x), ['a', 'b']) as $task) yield $task->wait();
    yield $result;
});
$server->handle('/fi.A/Thrown', function (string $in): string {
    $said = [];
    try { await(async(function () { delay(0.001); throw new DomainException('late'); })); } catch (DomainException $e) { $said[] = $e->getMessage(); }
    try { await(async(function () { throw new DomainException('at once'); })); } catch (DomainException $e) { $said[] = $e->getMessage(); }
    $task = async(function () { try { delay(60); } finally { return 'finally'; } });
    $task->cancel();
    $said[] = $task->wait();
    $task = async(fn() => delay(60));
    $task->cancel();
    try { $task->wait(); } catch (CancelledException $e) { $said[] = $e->statusCode()->name; }
    return implode(', ', $said);
});
$server->handle('/fi.A/Sort', function (string $in): string {
    // A wait in the middle of a function of PHP's.
    $list = [3, 1, 2];
    usort($list, function ($a, $b) { delay(0.001); return $a <=> $b; });
    return implode(array_map(function ($x) { delay(0.001); return $x; }, $list)) . preg_replace_callback('/./', function ($m) { delay(0.001); return $m[0] . '.'; }, $in);
});
$server->handle('/fi.A/Buffer', function (string $in): string { ob_start(); echo $in; $said = ob_get_clean(); delay(0.001); return $said; });
$server->handle('/fi.A/Own', function (string $in) use (&$back): string {
    $fiber = new Fiber(function () use (&$back) {
        $got = Fiber::suspend('suspended');
        delay(0.01);
        $answer = $back->unary('/ba.A/Echo', "own $got");
        [$more] = await($back->start('/ba.A/Echo', 'more'), async(fn() => delay(0.001)));
        Fiber::suspend($answer);
        return $more;
    });
    $first = $fiber->start();
    $second = $fiber->resume('fiber');
    $fiber->resume();
    return "$first, $second, " . $fiber->getReturn();
});
$server->handle('/fi.A/OwnStream', function (RequestStream $in): iterable {
    $fiber = new Fiber(function () use ($in) { foreach ($in as $m) Fiber::suspend($m); });
    for ($m = $fiber->start(); !$fiber->isTerminated(); $m = $fiber->resume()) yield $m;
});
$server->handle('/fi.A/OwnLeft', function (string $in) use (&$left): string {
    // Suspended, and left to the garbage.
    $fiber = new Fiber(function () { try { Fiber::suspend(); } finally { say('left fiber unwound'); } });
    $fiber->start();
    delay(0.001);
    return 'left';
});
$server->handle('/fi.A/Foreign', function (string $in): string {
    // A fiber of the server's is nobody else's to resume.
    $fiber = Fiber::getCurrent();
    if ($fiber === null) return 'refused';
    $task = async(function () use ($fiber) { delay(0.001); try { $fiber->resume(); return 'resumed'; } catch (Throwable $e) { return 'refused'; } });
    try { return $task->wait(); } catch (Throwable $e) { return 'refused'; }
});
$server->handle('/fi.A/Suspend', function (string $in): string {
    if (Fiber::getCurrent() === null) throw new Exception('not in a fiber');
    Fiber::suspend();
    return 'resumed by nobody';
});
$server->handle('/fi.A/Gc', function (string $in): string {
    $cycle = new stdClass();
    $cycle->self = $cycle;
    $cycle->fiber = Fiber::getCurrent();
    $cycle->closure = function () use ($cycle) {};
    delay((float) $in);
    unset($cycle);
    gc_collect_cycles();
    return 'collected';
});
$server->handle('/fi.A/Collect', function (string $in): string { gc_collect_cycles(); return 'gc'; });
$back = new Channel($argv[2]);
serve($server);
PHP;
$back = ServerProcess::start(<<<'PHP'
$server->handle('/ba.A/Echo', fn(string $in): string => delay(0.005) ?? $in);
serve($server);
PHP);
foreach ([256, 1] as $concurrency) {
    echo "=== concurrency $concurrency\n";
    $server = ServerProcess::start($code, arguments: [$concurrency, $back->address]);
    $channel = new Viaduct\Channel($server->address);
    foreach (['Tasks', 'Nested', 'Thrown', 'Sort', 'Own', 'OwnLeft', 'Foreign'] as $method) {
        echo "$method: ";
        // Three at once, beside each other where they may. One that waits in a comparison holds up the others, as PHP has one
        // place for what compares.
        $calls = 3;
        outcome(fn() => implode(' | ', array_unique(Viaduct\await(...array_map(fn() => $channel->start("/fi.A/$method", 'abc', timeout: 20), range(1, $calls))))));
    }
    echo 'Generator: ';
    outcome(fn() => iterator_to_array($channel->serverStream('/fi.A/Generator', '', timeout: 20)));
    echo 'OwnStream: ';
    outcome(function () use ($channel) {
        $chat = $channel->bidi('/fi.A/OwnStream', timeout: 20);
        $all = [];
        foreach (['a', 'b'] as $m) { $chat->send($m); $all[] = $chat->receive(); Viaduct\delay(0.01); }
        $chat->halfClose();
        $all[] = $chat->receive();
        return $all;
    });
    echo 'Static: ';
    outcome(fn() => array_count_values(Viaduct\await(...array_map(fn() => $channel->start('/fi.A/Static', $concurrency > 1 ? '3' : '1', timeout: 20), range(1, 3)))));
    echo 'Gc: ';
    $waiting = array_map(fn() => $channel->start('/fi.A/Gc', '0.1', timeout: 20), range(1, $concurrency > 1 ? 20 : 2));
    $collecting = array_map(fn() => $channel->start('/fi.A/Collect', '', timeout: 20), range(1, 5));
    outcome(fn() => array_count_values(Viaduct\await(...$collecting, ...$waiting)));
    echo 'Suspend: ';
    echo $channel->start('/fi.A/Suspend', '', timeout: 10)->status()->code->name, "\n";
    echo 'still alive: ';
    outcome(fn() => $channel->unary('/fi.A/Echo', 'yes', timeout: 20));
    echo $server->stop(40), ' ', var_export($server->signal, true), "\n", substr_count($server->rest(), 'left fiber unwound'), " unwound\n", $server->errors();
    preg_match_all('/viaduct: the handler of (\S+) .*? threw: (.*?)( in |$)/', $server->log(), $threw);
    echo trim(implode(' ', $threw[1]) . ' ' . preg_replace('/ at \S+:\d+/', ' at LINE', implode(' ', $threw[2]))), "\n";
}
echo $back->stop(), $back->errors(), $back->log(), "\n";
?>
--EXPECT--
=== concurrency 256
Tasks: OK T0 T1 T2 ["t0 begins","t1 begins","t2 begins","t1 ends","t2 ends","t0 ends"]
Nested: OK 50
Thrown: OK late, at once, finally, Cancelled
Sort: OK 123a.b.c.
Own: OK suspended, own fiber, more
OwnLeft: OK left
Foreign: OK refused
Generator: OK ["i0","i1","i2","a","b","r"]
OwnStream: OK ["a","b",null]
Static: OK {"shared":2,"alone":1}
Gc: OK {"gc":5,"collected":20}
Suspend: Internal
still alive: OK yes
0 NULL
3 unwound
/fi.A/Suspend Error: Fiber::suspend() was called at LINE
=== concurrency 1
Tasks: OK T0 T1 T2 ["t0 begins","t1 begins","t2 begins","t1 ends","t2 ends","t0 ends"]
Nested: OK 50
Thrown: OK late, at once, finally, Cancelled
Sort: OK 123a.b.c.
Own: OK suspended, own fiber, more
OwnLeft: OK left
Foreign: OK refused
Generator: OK ["i0","i1","i2","a","b","r"]
OwnStream: OK ["a","b",null]
Static: OK {"alone":3}
Gc: OK {"gc":5,"collected":2}
Suspend: Internal
still alive: OK yes
0 NULL
3 unwound
/fi.A/Suspend Exception: not
0
