<?php
/** What the bench scripts share. Each prints one line of JSON; benches/run reads it. */

declare(strict_types=1);

const UNARY = '/bench.Echo/Unary';
const SERVER_STREAM = '/bench.Echo/ServerStream';
const CLIENT_STREAM = '/bench.Echo/ClientStream';

/** Calls before the clock starts; as many as the Rust programs make. */
const WARM_UP = 100;

/** @return list<int> the arguments, which are all numbers */
function numbers(string $usage): array
{
    global $argv;
    $arguments = array_slice($argv, 1);
    if (count($arguments) !== count(explode(' ', $usage))) {
        fwrite(STDERR, "usage: php {$argv[0]} $usage\n");
        exit(2);
    }
    return array_map(intval(...), $arguments);
}

/** A channel to a port on loopback. */
function channel(int $port): Viaduct\Channel
{
    return new Viaduct\Channel("http://127.0.0.1:$port");
}

/** The CPU time this process has used, all threads, in microseconds. */
function cpu(): int
{
    $usage = getrusage();
    return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1_000_000
        + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

/** The value below which this share of the sorted times lies. */
function percentile(array $sorted, float $share): int
{
    return $sorted[(int) round((count($sorted) - 1) * $share)];
}

/** Resident memory in KiB. */
function rss(): int
{
    preg_match('/^VmRSS:\s+(\d+) kB$/m', file_get_contents('/proc/self/status'), $match);
    return (int) $match[1];
}

/** Ends the script with a sentence where something is not as it must be: a bench of wrong answers says nothing. */
function expect(bool $holds, string $otherwise): void
{
    if (!$holds) {
        fwrite(STDERR, "$otherwise\n");
        exit(1);
    }
}

function report(array $figures): void
{
    echo json_encode($figures), "\n";
}
