--TEST--
Tasks: circles that lead through a task's result or exception are collected
--FILE--
<?php
use function Viaduct\{async, delay};

class Node { public mixed $other; }

function circle(callable $end): WeakReference
{
    $node = new Node();
    $node->other = async($end, $node);
    return WeakReference::create($node);
}

$returned = circle(fn(Node $node) => $node);
// The trace has the arguments, and so the node.
$thrown = circle(function (Node $node) { throw new LogicException('x'); });
$running = circle(function (Node $node) { delay(1000.0); });
// What it threw is told, so that nobody is warned of it.
try { $thrown->get()->other->wait(); } catch (LogicException) {}
var_dump(isset($returned->get()->other), isset($thrown->get()->other));
var_dump(gc_collect_cycles() > 0);
var_dump($returned->get(), $thrown->get());
// One that still runs holds what it works with.
var_dump($running->get()->other->done());

// What is not a circle stays.
$task = async(fn() => new Node());
gc_collect_cycles();
var_dump($task->wait()::class);
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
NULL
NULL
bool(false)
string(4) "Node"
