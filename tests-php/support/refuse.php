<?php

/** Calls a function that must throw, and prints what it throws. */
function refuse(callable $function): void
{
    try {
        $result = $function();
        echo 'NOT REFUSED: ', get_debug_type($result), "\n";
    } catch (Throwable $e) {
        echo $e::class, ': ', $e->getMessage(), "\n";
    }
}

/** What every value object refuses: being made by PHP (where it must be made otherwise), copied, stored, extended. */
function refuseCopies(object $object): void
{
    $class = $object::class;
    refuse(fn() => clone $object);
    refuse(fn() => serialize($object));
    refuse(fn() => unserialize(sprintf('O:%d:"%s":0:{}', strlen($class), $class)));
    refuse(fn() => $object->anything = 1);
}
