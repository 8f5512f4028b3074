<?php

// How long tests wait: under valgrind everything takes ten times as long and more.

function underValgrind(): bool
{
    return getenv('USE_ZEND_ALLOC') === '0';
}

/** A time in seconds, for the machine as it is. */
function patient(float $seconds): float
{
    return underValgrind() ? $seconds * 10 : $seconds;
}

/** How often something is repeated: under valgrind, which sees each single loss, a hundredth as often. */
function repeated(int $times): int
{
    return underValgrind() ? intdiv($times, 100) : $times;
}

/** Says whether a process has grown by no more than so many bytes. Under valgrind its size says nothing. */
function grew(string $who, int $bytes, int $limit): void
{
    echo $bytes <= $limit || underValgrind() ? "$who ok\n" : "$who grew by $bytes\n";
}

/**
 * Does the same work up to four times; says of each process whether it once grew by no more than so many bytes. What every
 * time loses is a leak; what one time needs more of than those before it is not.
 *
 * @param array<string, callable(): int> $sizes
 */
function growing(array $sizes, int $limit, callable $work): void
{
    $least = array_map(fn() => PHP_INT_MAX, $sizes);
    for ($time = 0; $time < (underValgrind() ? 1 : 4) && max($least) > $limit; $time++) {
        $before = array_map(fn(callable $size) => $size(), $sizes);
        $work();
        foreach ($sizes as $who => $size) {
            $least[$who] = min($least[$who], $size() - $before[$who]);
        }
    }
    foreach ($least as $who => $bytes) {
        grew($who, $bytes, $limit);
    }
}

/** Whether something becomes true in time. */
function eventually(callable $is, float $timeout = 10): bool
{
    $deadline = microtime(true) + patient($timeout);
    do {
        if ($is()) {
            return true;
        }
        usleep(2000);
    } while (microtime(true) < $deadline);
    return $is();
}

/**
 * Lets valgrind overlook, in processes that are started from here on, what a fatal error leaves: see fatal.supp, or
 * fatal_request.supp where it ends a request and not the process.
 */
function afterFatalErrors(bool $request = false): void
{
    if (underValgrind()) {
        $file = __DIR__ . ($request ? '/fatal_request.supp' : '/fatal.supp');
        putenv('VALGRIND_OPTS=' . getenv('VALGRIND_OPTS') . " --suppressions=$file");
    }
}

/** A fatal error: that of too much memory, or one like it where PHP's allocator is off and knows no limit. */
function outOfMemory(): string
{
    if (underValgrind()) {
        trigger_error('Allowed memory size of 16777216 bytes exhausted', E_USER_ERROR);
    }
    ini_set('memory_limit', '16M');
    return str_repeat('x', 64 << 20);
}
