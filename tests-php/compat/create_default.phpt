--TEST--
Grpc\ChannelCredentials::createDefault(): a service account's file signs, a machine's metadata server is asked
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/server.php';
require __DIR__ . '/../support/compat.php';

use Grpc\{Channel, ChannelCredentials, Server, ServerCredentials, Timeval};

[$cert, $key, $authority] = array_map(file_get_contents(...), certificate(scratch(), 'server'));
ChannelCredentials::setDefaultRootsPem($authority);
$server = new Server([]);
$port = $server->addSecureHttp2Port('127.0.0.1:0', ServerCredentials::createSsl(null, $key, $cert));
$server->start();
putenv('HOME=' . scratch());

/** The authorization that a call had, and how it ended; where it got that far. */
function once(bool $arrives = true): array
{
    global $server, $port;
    $channel = new Channel("127.0.0.1:$port", ['credentials' => ChannelCredentials::createDefault(), 'grpc.default_authority' => 'localhost']);
    $call = call($channel, '/pack.Service/Method');
    $call->startBatch(request(''));
    if ($arrives) {
        $seen = $server->requestCall();
        $seen->call->startBatch(answer(''));
    }
    return [$seen->metadata['authorization'][0] ?? '', $call->startBatch(RESPONSE)->status];
}

echo "--- a service account\n";
$account = openssl_pkey_new(['private_key_bits' => 2048, 'private_key_type' => OPENSSL_KEYTYPE_RSA]);
openssl_pkey_export($account, $private);
$file = scratch() . '/account.json';
file_put_contents($file, json_encode(['type' => 'service_account', 'client_email' => 'me@example.com', 'private_key_id' => 'k1', 'private_key' => $private]));
putenv("GOOGLE_APPLICATION_CREDENTIALS=$file");
[$authorization, $status] = once();
[$head, $claims, $signature] = explode('.', substr($authorization, strlen('Bearer ')));
$decode = fn(string $text) => base64_decode(strtr($text, '-_', '+/'));
echo $status->code, ' ', $decode($head), "\n";
$said = json_decode($decode($claims), true);
echo $said['iss'], ' ', $said['sub'], ' ', $said['aud'], ' ', $said['exp'] - $said['iat'], "\n";
echo openssl_verify("$head.$claims", $decode($signature), openssl_pkey_get_details($account)['key'], 'sha256'), "\n";

echo "--- what is no account\n";
echo thrown(fn() => ChannelCredentials::createDefault()) === 'returned Grpc\ChannelCredentials' ? "made\n" : "NOT MADE\n";
file_put_contents($file, '{"type": "else"}');
echo preg_replace('~"/.*?/account~', '"/…/account', thrown(ChannelCredentials::createDefault(...))), "\n";
putenv('GOOGLE_APPLICATION_CREDENTIALS=/nowhere');
echo thrown(ChannelCredentials::createDefault(...)), "\n";
putenv('GOOGLE_APPLICATION_CREDENTIALS');

echo "--- a machine's\n";
$metadata = scratch() . '/metadata.php';
file_put_contents($metadata, <<<'PHP'
<?php
$listener = stream_socket_server('tcp://127.0.0.1:0');
echo stream_socket_get_name($listener, false), "\n";
while ($socket = stream_socket_accept($listener, -1)) {
    $request = '';
    while (!str_contains($request, "\r\n\r\n")) $request .= fread($socket, 8192);
    $good = str_starts_with($request, 'GET /computeMetadata/v1/instance/service-accounts/default/token') && stripos($request, "metadata-flavor: Google") !== false;
    $body = $good ? '{"access_token": "told", "expires_in": 3599, "token_type": "Bearer"}' : '{}';
    fwrite($socket, "HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\nContent-Type: application/json\r\nContent-Length: " . strlen($body) . "\r\nConnection: close\r\n\r\n$body");
    fclose($socket);
}
PHP);
$machine = new Process([PHP_BINARY, '-n', $metadata]);
putenv('GCE_METADATA_HOST=' . $machine->line());
[$authorization, $status] = once();
echo $status->code, " $authorization\n";
$machine->stop();
$closed = stream_socket_server('tcp://127.0.0.1:0');
$nobody = stream_socket_get_name($closed, false);
fclose($closed);
putenv("GCE_METADATA_HOST=$nobody");
[, $status] = once(false);
echo $status->code, ' ', str_contains($status->details, $nobody) ? "names the metadata server\n" : "$status->details\n";
?>
--EXPECT--
--- a service account
0 {"alg":"RS256","kid":"k1","typ":"JWT"}
me@example.com me@example.com https://localhost/ 3600
1
--- what is no account
made
InvalidArgumentException(1): createDefault: "/…/account.json" holds no Google credentials: its "type" is "else"; expected "service_account"
InvalidArgumentException(1): createDefault: GOOGLE_APPLICATION_CREDENTIALS names "/nowhere", which cannot be read: No such file or directory (os error 2)
--- a machine's
0 Bearer told
14 names the metadata server
