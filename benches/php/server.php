<?php
/**
 * The echo server that h2load calls, and the compat scripts. Prints `port N`; SIGTERM ends it.
 *
 *     server.php [CERT KEY [DELAY]]      TLS with these files; each call takes DELAY milliseconds
 */

declare(strict_types=1);

[, $cert, $key, $delay] = $argv + ['', null, null, 0];
$server = new Viaduct\Server();
$echo = fn (string $m): string => $m;
$late = function (string $m) use ($delay): string {
    Viaduct\delay($delay / 1000);
    return $m;
};
$server->handle('/bench.Echo/Unary', $delay === 0 ? $echo : $late);
$address = $cert === null
    ? $server->listen('http://127.0.0.1:0')
    : $server->listen('https://127.0.0.1:0', Viaduct\ServerCredentials::tls(
        file_get_contents($cert),
        file_get_contents($key),
    ));
echo 'port ', substr($address, strrpos($address, ':') + 1), "\n";
flush();
$server->run();
