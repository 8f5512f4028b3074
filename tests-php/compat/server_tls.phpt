--TEST--
Grpc\Server: several certificates by name (SNI), clients' certificates, TLS 1.2, with openssl as the client
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/openssl.php';

use Grpc\{Channel, ChannelCredentials, Server, ServerCredentials};

$files = [
    'first' => certificate(scratch(), 'first', 'DNS:first.test,DNS:localhost'),
    'second' => certificate(scratch(), 'second', 'DNS:second.test,DNS:more.test'),
    'third' => certificate(scratch(), 'third', 'DNS:*.wild.test'),
    'client' => certificate(scratch(), 'client', 'DNS:client.test'),
    'stranger' => certificate(scratch(), 'stranger', 'DNS:stranger.test'),
    'expired' => expired(scratch(), 'expired'),
];
$pem = array_map(fn(array $paths) => array_map(file_get_contents(...), $paths), $files);
$identity = fn(string $name) => ['cert' => $pem[$name][0], 'key' => $pem[$name][1]];
$roots = $pem['first'][2] . $pem['second'][2] . $pem['third'][2];
file_put_contents($all = scratch() . '/all.pem', $roots);

/** A secure server: [server, port]. */
function secure(ServerCredentials $credentials): array
{
    $server = new Server();
    $port = $server->addSecureHttp2Port('127.0.0.1:0', $credentials);
    $server->start();
    return [$server, $port];
}
/** Whose certificate openssl is shown, and whether it trusts that. */
$shown = function (int $port, string ...$arguments) use ($all): string {
    $said = handshake($port, ['-CAfile', $all, ...$arguments]);
    preg_match('/^subject=CN ?= ?(.*)$/m', $said, $subject);
    preg_match('/^ALPN protocol: (.*)$|alert [a-z ]+/m', $said, $end);
    $trusted = str_contains($said, "\nVerification: OK\n") ? 'trusted' : 'NOT TRUSTED';
    return (isset($subject[1]) ? "$subject[1], $trusted, " : 'nobody, ') . end($end) . "\n";
};
/** How a call ends of a client that takes the server for that name. */
function called(Server $server, int $port, string $name, string $roots): string
{
    $channel = new Channel("127.0.0.1:$port", [
        'credentials' => ChannelCredentials::createSsl($roots),
        'grpc.ssl_target_name_override' => $name,
        'force_new' => true,
    ]);
    $channel->getConnectivityState(true);
    while (($state = $channel->getConnectivityState()) === Grpc\CHANNEL_CONNECTING) {
        $channel->watchConnectivityState($state, Grpc\Timeval::infFuture());
    }
    $call = call($channel);
    $call->startBatch(request('x'));
    if ($state === Grpc\CHANNEL_READY) {
        $incoming = $server->requestCall();
        $incoming->call->startBatch(answer("served as $incoming->host"));
    }
    $event = $call->startBatch(RESPONSE);
    return ($event->message ?? preg_replace('/^.*?(certificate is)/', '$1', status($event->status))) . "\n";
}

echo "-- the name that is asked for decides; the first certificate is for every other one\n";
[$server, $port] = secure(ServerCredentials::createSsl(null, $pem['first'][1], $pem['first'][0], [$identity('second'), $identity('third')]));
foreach (['first.test', 'second.test', 'more.test', 'MORE.test', 'a.wild.test', 'wild.test', 'unknown.test'] as $name) {
    echo "$name: ", $shown($port, '-servername', $name);
}
echo 'no name: ', $shown($port, '-noservername');
echo 'TLS 1.2: ', $shown($port, '-servername', 'second.test', '-tls1_2');
echo 'TLS 1.1: ', $shown($port, '-servername', 'second.test', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0');
echo "-- our own client, by its name override\n";
foreach (['first.test', 'second.test', 'b.wild.test', 'unknown.test'] as $name) {
    echo "$name: ", preg_replace('/; no attempt .*/', '', called($server, $port, $name, $roots));
}

echo "-- with clients' certificates\n";
[$mutualServer, $mutual] = secure(ServerCredentials::createSsl($pem['client'][2] . $pem['expired'][2], $pem['first'][1], $pem['first'][0], [$identity('second')]));
$certificate = fn(string $name) => ['-cert', $files[$name][0], '-key', $files[$name][1]];
/** What the server says to a client's certificate. */
$verdict = function (array $arguments, bool $lingers) use ($mutual): string {
    preg_match('/alert [a-z ]+/', handshake($mutual, $arguments, $lingers), $alert);
    return ($alert[0] ?? 'no alert') . "\n";
};
foreach (['-tls1_2', '-tls1_3'] as $version) {
    echo "$version, none: ", $verdict([$version], true);
    echo "$version, a stranger's: ", $verdict([$version, ...$certificate('stranger')], true);
    echo "$version, an expired one: ", $verdict([$version, ...$certificate('expired')], true);
    echo "$version, a good one: ", $verdict([$version, ...$certificate('client')], false);
}
echo 'the name decides here, too: ', $shown($mutual, '-servername', 'second.test', ...$certificate('client'));

echo "-- what cannot be used\n";
$make = fn(mixed $more) => thrown(fn() => ServerCredentials::createSsl(null, $pem['first'][1], $pem['first'][0], $more)) . "\n";
echo $make('x'), $make(['x']), $make([['cert' => $pem['second'][0]]]), $make([['cert' => 1, 'key' => 'x']]), $make([$identity('second') + ['x' => 1]]);
echo $make([$identity('second'), ['cert' => $pem['second'][0], 'key' => $pem['third'][1]]]);
echo $make([]), $make([$identity('second')]);
?>
--EXPECT--
-- the name that is asked for decides; the first certificate is for every other one
first.test: first, trusted, h2
second.test: second, trusted, h2
more.test: second, trusted, h2
MORE.test: second, trusted, h2
a.wild.test: third, trusted, h2
wild.test: first, trusted, h2
unknown.test: first, trusted, h2
no name: first, trusted, h2
TLS 1.2: second, trusted, h2
TLS 1.1: nobody, alert handshake failure
-- our own client, by its name override
first.test: served as first.test
second.test: served as second.test
b.wild.test: served as b.wild.test
unknown.test: certificate is for another name: wanted unknown.test, it is for first.test, localhost
-- with clients' certificates
-tls1_2, none: alert certificate required
-tls1_2, a stranger's: alert unknown ca
-tls1_2, an expired one: alert certificate expired
-tls1_2, a good one: no alert
-tls1_3, none: alert certificate required
-tls1_3, a stranger's: alert unknown ca
-tls1_3, an expired one: alert certificate expired
-tls1_3, a good one: no alert
the name decides here, too: second, trusted, h2
-- what cannot be used
InvalidArgumentException(1): createSsl expects an array after 3 strings
InvalidArgumentException(1): more[0] is of type string; expected an array with cert and key
InvalidArgumentException(1): more[0] has no key; expected cert and key
InvalidArgumentException(1): cert in more[0] is of type int; expected a PEM text
InvalidArgumentException(1): more[0] has the element "x"; expected cert and key
InvalidArgumentException(1): more[1]: the server's private key does not belong to its certificate; expected the key of the first certificate in the chain
returned Grpc\ServerCredentials
returned Grpc\ServerCredentials
