--TEST--
Grpc: secure ports, clients' certificates, call credentials
--EXTENSIONS--
grpc
openssl
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{CallCredentials, Channel, ChannelCredentials, Server, ServerCredentials};

/** A key and a certificate made out to localhost; its own issuer, or that of $by. */
function identity(string $name, ?array $by = null): array
{
    $key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
    $file = sys_get_temp_dir() . '/viaduct-openssl-' . getmypid() . '.cnf';
    file_put_contents($file, "[req]\ndistinguished_name=d\n[d]\n[ca]\nbasicConstraints=critical,CA:TRUE\n[leaf]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n");
    $options = ['config' => $file, 'digest_alg' => 'sha256'];
    $request = openssl_csr_new(['commonName' => $name], $key, $options);
    $certificate = openssl_csr_sign($request, $by['certificate'] ?? null, $by['key'] ?? $key, 3, $options + ['x509_extensions' => $by ? 'leaf' : 'ca'], random_int(1, 1 << 40));
    openssl_x509_export($certificate, $pem);
    openssl_pkey_export($key, $keyPem, null, $options);
    unlink($file);
    return ['key' => $key, 'certificate' => $certificate, 'pem' => $pem, 'keyPem' => $keyPem];
}
$ca = identity('Test CA');
$leaf = identity('server', $ca);
$client = identity('client', $ca);

/** A secure server and how a call to it ends. */
function secure(?string $roots, array $leaf): array
{
    $server = new Server();
    $port = $server->addSecureHttp2Port('localhost:0', ServerCredentials::createSsl($roots, $leaf['keyPem'], $leaf['pem']));
    $server->start();
    return [$server, $port];
}
function ended(Server $server, Grpc\Call $call): string
{
    $call->startBatch(request('ping'));
    $event = $call->getPeer()[0] === 'i' ? $server->requestCall()->call->startBatch(answer('pong')) : null;
    $event = $call->startBatch(RESPONSE);
    return json_encode($event->message) . ' ' . $event->status->code;
}

echo "-- a secure port\n";
[$server, $port] = secure(null, $leaf);
$credentials = ChannelCredentials::createSsl($ca['pem']);
$channel = new Channel("localhost:$port", ['credentials' => $credentials]);
echo ended($server, call($channel)), "\n";
echo "-- with roots, clients must show a certificate\n";
[$mutual, $mutualPort] = secure($ca['pem'], $leaf);
echo ended($mutual, call(new Channel("localhost:$mutualPort", ['credentials' => ChannelCredentials::createSsl($ca['pem'], $client['keyPem'], $client['pem'])]))), "\n";
$call = call(new Channel("localhost:$mutualPort", ['credentials' => $credentials]));
$call->startBatch(request('x'));
echo $call->startBatch(RESPONSE)->status->code, "\n";
echo "-- wrong credentials\n";
echo thrown(fn() => ServerCredentials::createSsl(null, $client['keyPem'], $leaf['pem'])), "\n";

echo "-- call credentials: asked before anything is sent, told of the method\n";
$asked = [];
$plugin = CallCredentials::createFromPlugin(function (object $context) use (&$asked, $port) {
    $asked[] = str_replace((string) $port, 'PORT', "$context->service_url $context->method_name");
    return ['authorization' => ['Bearer ' . count($asked)], 'raw-bin' => ["\0\xff"]];
});
$call = call($channel, '/test.Echo/Unary');
var_dump($call->setCredentials($plugin), $asked);
$call->startBatch(request('x', ['k' => ['v']]));
echo implode($asked), "\n";
var_dump($call->setCredentials($plugin));
$metadata = $server->requestCall()->metadata;
echo json_encode([$metadata['authorization'], bin2hex($metadata['raw-bin'][0]), $metadata['k']]), "\n";
echo "-- the host override, and the port of https\n";
foreach (['name.example:443', 'name.example:444'] as $host) {
    $call = call($channel, '/a.b.C/D', host: $host);
    $call->setCredentials($plugin);
    $call->startBatch(request('x'));
    echo end($asked), ' ', $server->requestCall()->host, "\n";
}
echo "-- those of the channel come first\n";
$both = new Channel("localhost:$port", ['credentials' => ChannelCredentials::createComposite($credentials, CallCredentials::createFromPlugin(fn() => ['authorization' => ['channel']]))]);
$call = call($both);
$call->setCredentials($plugin);
$call->startBatch(request('x'));
echo json_encode($server->requestCall()->metadata['authorization']), "\n";

echo "-- plugins that fail: nothing is sent\n";
foreach ([
    fn() => throw new RuntimeException('no token'),
    fn() => 'token',
    fn() => ['UPPER' => ['x']],
    fn() => ['k' => 'x'],
] as $failing) {
    $call = call($channel);
    $call->setCredentials(CallCredentials::createFromPlugin($failing));
    $call->startBatch(request('x'));
    echo $call->startBatch(RESPONSE)->status->code, ' ', $call->getPeer() === "localhost:$port" ? 'not sent' : 'sent', "\n";
}
echo "-- a plugin that cancels the call\n";
$call = call($channel);
$call->setCredentials(CallCredentials::createFromPlugin(function () use (&$call) {
    $call->cancel();
    return [];
}));
$call->startBatch(request('x'));
echo $call->startBatch(RESPONSE)->status->code, "\n";
echo "-- on insecure channels\n";
[$plain, $channel] = pair();
$asked = [];
$call = call($channel);
$call->setCredentials($plugin);
$call->startBatch(request('x'));
echo str_contains($details = status($call->startBatch(RESPONSE)->status), '16 call credentials are sent on secure channels only') ? '16' : $details, ' ', count($asked), "\n";
echo "-- a server's call has none\n";
$call = call($channel);
$call->startBatch(request('x'));
var_dump($plain->requestCall()->call->setCredentials($plugin));
echo "-- a plugin that ends the script\n";
[$server, $port] = secure(null, $leaf);
$call = call(new Channel("localhost:$port", ['credentials' => $credentials]));
$call->setCredentials(CallCredentials::createFromPlugin(fn() => exit("exit\n")));
$call->startBatch(request('x'));
echo "NOT REACHED\n";
?>
--EXPECT--
-- a secure port
"pong" 0
-- with roots, clients must show a certificate
"pong" 0
14
-- wrong credentials
InvalidArgumentException(1): the server's private key does not belong to its certificate; expected the key of the first certificate in the chain
-- call credentials: asked before anything is sent, told of the method
int(0)
array(0) {
}
https://localhost:PORT/test.Echo Unary
int(5)
[["Bearer 1"],"00ff",["v"]]
-- the host override, and the port of https
https://name.example/a.b.C D name.example:443
https://name.example:444/a.b.C D name.example:444
-- those of the channel come first
["channel","Bearer 4"]
-- plugins that fail: nothing is sent
14 not sent
14 not sent
14 not sent
14 not sent
-- a plugin that cancels the call
1
-- on insecure channels
16 0
-- a server's call has none
int(2)
-- a plugin that ends the script
exit
