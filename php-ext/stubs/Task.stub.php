<?php

namespace Viaduct;

/**
 * A function that runs beside its caller: see Viaduct\async().
 *
 * @template-covariant T what it returns
 */
final class Task
{
    private function __construct() {}

    /**
     * Waits for the function to end.
     *
     * @return T what it returned
     * @throws \Throwable what it threw
     * @throws \Error where the wait could never end: the task waits for its caller, or cannot run on here
     */
    public function wait(): mixed {}

    /** Whether the function has ended. */
    public function done(): bool {}

    /** Throws a CancelledException into the function where it waits, unless it has ended. */
    public function cancel(): void {}

    /** What traces and debuggers show as the first frame of a task or handler. It does nothing where it is called. */
    private static function run(): void {}
}
