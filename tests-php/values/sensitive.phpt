--TEST--
Private keys stay out of backtraces
--EXTENSIONS--
grpc
--INI--
zend.exception_ignore_args=0
zend.exception_string_param_max_len=100
--FILE--
<?php
$secret = "-----BEGIN PRIVATE KEY-----\nsecret";
$refused = [
    'Credentials::tls' => fn() => Viaduct\Credentials::tls(null, 'no certificate', $secret),
    'Credentials::tls, by name' => fn() => Viaduct\Credentials::tls(key: $secret),
    'ServerCredentials::tls' => fn() => Viaduct\ServerCredentials::tls('no certificate', $secret),
    'ServerCredentials::tls, more' => fn() => Viaduct\ServerCredentials::tls('none', $secret, null, [['cert' => 'none', 'key' => $secret]]),
    'Grpc\ChannelCredentials::createSsl' => fn() => Grpc\ChannelCredentials::createSsl(null, $secret),
    'Grpc\ServerCredentials::createSsl' => fn() => Grpc\ServerCredentials::createSsl(null, $secret, [], [['cert' => 'none', 'key' => $secret]]),
];
foreach ($refused as $what => $make) {
    try {
        $make();
        echo "$what: taken\n";
    } catch (Throwable $e) {
        $shown = array_map(fn($value) => $value instanceof SensitiveParameterValue ? 'hidden' : get_debug_type($value), $e->getTrace()[0]['args'] ?? []);
        echo "$what: ", $e::class, ' (', implode(', ', $shown), ')', str_contains((string) $e, 'secret') ? ' TOLD' : '', "\n";
    }
}
?>
--EXPECT--
Credentials::tls: Viaduct\InvalidArgumentException (null, string, hidden)
Credentials::tls, by name: Viaduct\InvalidArgumentException (null, null, hidden)
ServerCredentials::tls: Viaduct\InvalidArgumentException (string, hidden)
ServerCredentials::tls, more: Viaduct\InvalidArgumentException (string, hidden, null, hidden)
Grpc\ChannelCredentials::createSsl: InvalidArgumentException (null, hidden)
Grpc\ServerCredentials::createSsl: InvalidArgumentException (null, hidden, array, hidden)
