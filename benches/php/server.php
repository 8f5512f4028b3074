<?php
/** The echo server that h2load calls. Prints `port N`; SIGTERM ends it. */

declare(strict_types=1);

$server = new Viaduct\Server();
$server->handle('/bench.Echo/Unary', fn (string $m): string => $m);
$address = $server->listen('http://127.0.0.1:0');
echo 'port ', substr($address, strrpos($address, ':') + 1), "\n";
flush();
$server->run();
