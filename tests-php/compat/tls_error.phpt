--TEST--
Grpc\Channel: a handshake that fails is a status that names the problem, with openssl as the server
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';
require __DIR__ . '/../support/openssl.php';

use Grpc\{Channel, ChannelCredentials};

/** How a call to `openssl s_server` ends. */
function ended(array $certificate, string $roots, string ...$more): string
{
    $server = new OpenSslServer($certificate[0], $certificate[1], '-alpn', 'h2', ...$more);
    $channel = new Channel("localhost:$server->port", [
        'credentials' => ChannelCredentials::createSsl(file_get_contents($roots)),
        'force_new' => true,
    ]);
    $status = status(call($channel)->startBatch(request('x') + RESPONSE)->status);
    $server->stop();
    return preg_replace(["/\b$server->port\b/", '/(?<=today is )[-\d]+/'], ['PORT', 'TODAY'], $status) . "\n";
}
$good = certificate(scratch(), 'good');
$other = certificate(scratch(), 'other', 'DNS:other.test,DNS:*.wild.test,IP:10.0.0.1');
$old = expired(scratch(), 'old');
[, , $strange] = certificate(scratch(), 'strange');

echo "-- another name\n", ended($other, $other[2]);
echo "-- expired\n", ended($old, $old[2]);
echo "-- an unknown issuer\n", ended($good, $strange);
echo "-- no client certificate, with TLS 1.2 and 1.3\n", ended($good, $good[2], '-Verify', '1', '-tls1_2'), ended($good, $good[2], '-Verify', '1', '-tls1_3');
echo "-- nothing newer than TLS 1.1\n", ended($good, $good[2], '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0');

echo "-- TLS 1.2 and nothing else is spoken, and no problem\n";
$server = new OpenSslServer($good[0], $good[1], '-alpn', 'h2', '-tls1_2');
$channel = new Channel("localhost:$server->port", ['credentials' => ChannelCredentials::createSsl(file_get_contents($good[2]))]);
$channel->getConnectivityState(true);
echo $server->until('ALPN protocols selected'), "\n", preg_replace('/ECDHE-.*/', 'ECDHE-…', $server->until('CIPHER is')), "\n";
$server->stop();
?>
--EXPECT--
-- another name
14 cannot connect to localhost:PORT: ipv4:127.0.0.1:PORT: the TLS handshake failed: the peer's certificate is for another name: wanted localhost, it is for other.test, *.wild.test, 10.0.0.1
-- expired
14 cannot connect to localhost:PORT: ipv4:127.0.0.1:PORT: the TLS handshake failed: the peer's certificate has expired: it was valid until 2020-01-31, and today is TODAY
-- an unknown issuer
14 cannot connect to localhost:PORT: ipv4:127.0.0.1:PORT: the TLS handshake failed: the peer's certificate comes from an unknown issuer, "CN=good authority": it does not lead to a trusted root (a CA missing on this side, or an intermediate missing on the other)
-- no client certificate, with TLS 1.2 and 1.3
14 cannot connect to localhost:PORT: ipv4:127.0.0.1:PORT: the TLS handshake failed: the peer broke off the handshake: no cipher in common, or it wants a client certificate
14 cannot connect to localhost:PORT: ipv4:127.0.0.1:PORT: the peer requires a client certificate, and none was given
-- nothing newer than TLS 1.1
14 cannot connect to localhost:PORT: ipv4:127.0.0.1:PORT: the TLS handshake failed: the peer speaks neither TLS 1.2 nor TLS 1.3
-- TLS 1.2 and nothing else is spoken, and no problem
ALPN protocols selected: h2
CIPHER is ECDHE-…
