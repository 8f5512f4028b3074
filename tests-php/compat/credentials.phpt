--TEST--
Grpc\ChannelCredentials: TLS, client certificates, where the roots come from
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/server.php';

use Grpc\{Channel, ChannelCredentials, CallCredentials, Timeval};

[$cert, $key, $authority] = certificate(scratch(), 'server');
[$clientCert, $clientKey, $clientAuthority] = certificate(scratch(), 'client');
$server = ServerProcess::start(<<<'PHP'
[, $cert, $key, $clientCa] = array_map(fn($file) => is_file($file) ? file_get_contents($file) : $file, $argv);
announce(
    $server->listen('https://127.0.0.1:0', ServerCredentials::tls($cert, $key)),
    $server->listen('https://127.0.0.1:0', ServerCredentials::tls($cert, $key, $clientCa)),
    $server->listen('http://127.0.0.1:0'),
);
$server->run();
PHP, arguments: [$cert, $key, $clientAuthority]);
[$tls, $mutual, $plain] = array_map(fn(string $address) => preg_replace('~^https?://~', '', $address), $server->addresses);
$ca = file_get_contents($authority);
[$mine, $mineKey] = [file_get_contents($clientCert), file_get_contents($clientKey)];

/** How the first attempt ends. */
function state(string $target, ?ChannelCredentials $credentials, array $args = []): string
{
    $channel = new Channel($target, ['credentials' => $credentials, 'force_new' => true] + $args);
    $channel->getConnectivityState(true);
    while (($state = $channel->getConnectivityState()) === Grpc\CHANNEL_CONNECTING) {
        $channel->watchConnectivityState($state, Timeval::infFuture());
    }
    return ['IDLE', 'CONNECTING', 'READY', 'TRANSIENT_FAILURE'][$state] . "\n";
}
echo "insecure is null: ";
var_dump(ChannelCredentials::createInsecure());
echo "insecure: ", state($plain, ChannelCredentials::createInsecure());
echo "given roots: ", state($tls, ChannelCredentials::createSsl($ca));
echo "another name: ", state($tls, ChannelCredentials::createSsl($ca), ['grpc.ssl_target_name_override' => 'localhost']);
echo "a name that it has not: ", state($tls, ChannelCredentials::createSsl($ca), ['grpc.ssl_target_name_override' => 'example.com']);
echo "TLS to plaintext: ", state($plain, ChannelCredentials::createSsl($ca));
echo "with a client certificate: ", state($mutual, ChannelCredentials::createSsl($ca, $mineKey, $mine));
echo "the same, named: ", state($mutual, ChannelCredentials::createSsl($ca, $mineKey, $mine), ['grpc.ssl_target_name_override' => 'localhost']);
echo "composite: ", state($tls, ChannelCredentials::createComposite(ChannelCredentials::createSsl($ca), CallCredentials::createFromPlugin(fn() => [])));
echo "xds: ", state($tls, ChannelCredentials::createXds(ChannelCredentials::createSsl($ca)));
echo "--- roots\n";
var_dump(ChannelCredentials::isDefaultRootsPemSet());
echo "the system's: ", state($tls, ChannelCredentials::createSsl());
echo "those too: ", state($tls, ChannelCredentials::createSsl(null, null, null)), state($tls, ChannelCredentials::createSsl('', '', ''));
putenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=$authority");
echo "the file's: ", state($tls, ChannelCredentials::createSsl());
var_dump(ChannelCredentials::isDefaultRootsPemSet());
var_dump(ChannelCredentials::setDefaultRootsPem(file_get_contents($clientAuthority)), ChannelCredentials::isDefaultRootsPemSet());
echo "the file's before the default's: ", state($tls, ChannelCredentials::createSsl());
echo "given ones before the default's: ", state($tls, ChannelCredentials::createSsl($ca));
ChannelCredentials::setDefaultRootsPem($ca);
putenv('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH');
echo "the default's: ", state($tls, ChannelCredentials::createSsl()), state($tls, ChannelCredentials::createSsl(null));
echo "the default's with a client certificate: ", state($mutual, ChannelCredentials::createSsl(null, $mineKey, $mine));
var_dump(ChannelCredentials::invalidateDefaultRootsPem(), ChannelCredentials::isDefaultRootsPemSet());
echo "the system's again: ", state($tls, ChannelCredentials::createSsl());
// Roots are looked up when a channel needs them first: those that a library sets after the credentials were made.
$early = ChannelCredentials::createSsl();
ChannelCredentials::setDefaultRootsPem($ca);
echo "those that were set since: ", state($tls, $early);
$early = ChannelCredentials::createSsl(null, $mineKey, $mine);
echo "those, with a client certificate: ", state($mutual, $early), "and another name: ", state($mutual, $early, ['grpc.ssl_target_name_override' => 'localhost']);
// Also a channel that was of no use before: in a pool it stays for the next request.
ChannelCredentials::setDefaultRootsPem('nonsense');
$pooled = fn() => new Channel($tls, ['credentials' => ChannelCredentials::createSsl()]);
$ended = function () use ($pooled): int {
    $call = new Grpc\Call($pooled(), '/a.B/C', Timeval::infFuture());
    return $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status->code;
};
echo "nonsense: ", $ended(), "\n";
ChannelCredentials::setDefaultRootsPem($ca);
for ($tried = 0; ($code = $ended()) === 14 && $tried < 300; $tried++) {
    usleep(100_000);
}
echo "mended: $code\n";
// It is looked at when a channel needs it, and not before.
ChannelCredentials::setDefaultRootsPem('Pem-Content-Not-Verified');
var_dump(ChannelCredentials::isDefaultRootsPemSet());
echo "--- objects\n";
var_dump(CallCredentials::createComposite(CallCredentials::createFromPlugin('strlen'), CallCredentials::createFromPlugin([new ArrayObject(), 'count'])));
echo json_encode(ChannelCredentials::createSsl($ca, $mineKey, $mine)), count((array) ChannelCredentials::createSsl($ca)), "\n";
$server->stop();
?>
--EXPECTF--
insecure is null: NULL
insecure: READY
given roots: READY
another name: READY
a name that it has not: TRANSIENT_FAILURE
TLS to plaintext: TRANSIENT_FAILURE
with a client certificate: READY
the same, named: READY
composite: READY
xds: READY
--- roots
bool(false)
the system's: TRANSIENT_FAILURE
those too: TRANSIENT_FAILURE
TRANSIENT_FAILURE
the file's: READY
bool(false)
NULL
bool(true)
the file's before the default's: READY
given ones before the default's: READY
the default's: READY
READY
the default's with a client certificate: READY
NULL
bool(false)
the system's again: TRANSIENT_FAILURE
those that were set since: READY
those, with a client certificate: READY
and another name: READY
nonsense: 14
mended: 12
bool(true)
--- objects
object(Grpc\CallCredentials)#%d (0) {
}
{}0
