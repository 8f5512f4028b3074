--TEST--
Tasks that are pending at the script's end: they are unwound in silence, whatever their finally does
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$scripts = [
    'returns' => 'async(function () { try { delay(10); } finally { return 1; } });',
    'starts a task' => 'async(function () { try { delay(10); } finally { async(fn() => delay(10)); say("finally"); } });',
    'waits' => 'async(function () { try { delay(10); } finally { delay(0.01); say("finally"); } });',
    'waits for a task' => '$other = async(fn() => delay(10)); async(function () use ($other) { try { delay(10); } finally { try { $other->wait(); } catch (Error $e) { say(strtok($e->getMessage(), ":")); } } });',
    'throws' => 'async(function () { try { delay(10); } finally { throw new Exception("thrown"); } });',
    'suspends' => 'async(function () { try { delay(10); } finally { Fiber::suspend(); } });',
    'in a fiber' => 'async(function () { (new Fiber(function () { try { delay(10); } finally { say("inner"); } }))->start(); });',
    'idle' => 'async(fn() => delay(0.001))->wait(); async(fn() => delay(0.001))->wait();',
    'exit' => 'async(function () { try { delay(10); } finally { say("finally"); } }); exit(3);',
];
foreach ($scripts as $name => $script) {
    $process = ServerProcess::start("$script\nsay('end');", serves: false);
    echo "--- $name\n", $process->wait(), "\n", $process->rest(), $process->errors();
    echo preg_replace(['/^\[.*?\] /m', '/ in \S+:\d+.*/s'], '', $process->log()), "\n";
}
?>
--EXPECT--
--- returns
0
end

--- starts a task
0
end
finally

--- waits
0
end
finally

--- waits for a task
0
end
the task ended without a result

--- throws
0
end
PHP Warning:  Viaduct\async(): nobody waited for a task that threw Exception: thrown
--- suspends
0
end
PHP Warning:  Viaduct\async(): nobody waited for a task that threw FiberError: Cannot suspend in a force-closed fiber
--- in a fiber
0
end
inner

--- idle
0
end

--- exit
3
finally

