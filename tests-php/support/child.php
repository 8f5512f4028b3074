<?php

// What the scripts of ServerProcess begin with.

require __DIR__ . '/messages.php';
require_once __DIR__ . '/patience.php';

/** Listens and serves until the end. */
function serve(Viaduct\Server $server, string ...$addresses): void
{
    announce(...array_map($server->listen(...), $addresses ?: ['http://127.0.0.1:0']));
    $server->run();
    say('run() has returned');
}

/** Tells the test the addresses. */
function announce(string ...$addresses): void
{
    say(json_encode($addresses, JSON_UNESCAPED_SLASHES));
}

/** A line for the test: written at once. */
function say(string $line): void
{
    fwrite(STDOUT, $line . "\n");
}
