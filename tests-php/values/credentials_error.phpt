--TEST--
Credentials and ServerCredentials: what does not go together; no copies
--EXTENSIONS--
grpc
openssl
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Viaduct\{Credentials, ServerCredentials};

refuse(fn() => new Credentials());
refuse(fn() => new ServerCredentials());
refuse(fn() => Credentials::tls(cert: 'x'));
refuse(fn() => Credentials::tls(key: 'x'));
refuse(fn() => Credentials::tls(serverName: ''));
refuse(fn() => Credentials::tls(serverName: "gr\u{fc}n"));
refuse(fn() => Credentials::tls(ca: []));
refuse(fn() => Credentials::insecure(1));
refuse(fn() => ServerCredentials::tls('', 'x'));
refuse(fn() => ServerCredentials::tls('x', 'x', ''));
refuse(fn() => ServerCredentials::tls('x'));
refuse(fn() => ServerCredentials::tls(key: 'x'));
$key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
openssl_x509_export(openssl_csr_sign(openssl_csr_new(['CN' => 'a'], $key), null, $key, 1), $cert);
openssl_pkey_export($key, $key);
foreach ([
    'x',
    ['x'],
    [[]],
    [['cert' => $cert]],
    [['key' => $key]],
    ['b' => ['cert' => $cert, 'key' => 1]],
    [[$cert, $key]],
    [['cert' => $cert, 'key' => $key, 'ca' => $cert]],
    [['cert' => $cert, 'key' => $key], ['cert' => $cert, 'key' => $cert]],
] as $more) {
    refuse(fn() => ServerCredentials::tls($cert, $key, more: $more));
}
refuseCopies(Credentials::insecure());
refuse(fn() => (new ReflectionClass(Credentials::class))->newInstanceWithoutConstructor());
refuse(fn() => (new ReflectionMethod(Credentials::class, '__construct'))->invoke(Credentials::insecure()));
?>
--EXPECT--
Error: Call to private Viaduct\Credentials::__construct() from global scope
Error: Call to private Viaduct\ServerCredentials::__construct() from global scope
Viaduct\InvalidArgumentException: cert is given without key; expected both, or neither
Viaduct\InvalidArgumentException: key is given without cert; expected both, or neither
Viaduct\InvalidArgumentException: serverName is ""; expected a host name or an IP address
Viaduct\InvalidArgumentException: serverName is "grün"; expected a host name or an IP address
TypeError: Viaduct\Credentials::tls(): Argument #1 ($ca) must be of type ?string, array given
ArgumentCountError: Viaduct\Credentials::insecure() expects exactly 0 arguments, 1 given
Viaduct\InvalidArgumentException: the server's certificate chain holds no certificate; expected PEM with "-----BEGIN CERTIFICATE-----", got an empty text
Viaduct\InvalidArgumentException: the server's certificate chain holds no certificate; expected PEM with "-----BEGIN CERTIFICATE-----"
ArgumentCountError: Viaduct\ServerCredentials::tls() expects at least 2 arguments, 1 given
ArgumentCountError: Viaduct\ServerCredentials::tls(): Argument #1 ($cert) not passed
TypeError: Viaduct\ServerCredentials::tls(): Argument #4 ($more) must be of type array, string given
Viaduct\InvalidArgumentException: more[0] is of type string; expected an array with cert and key
Viaduct\InvalidArgumentException: more[0] has no cert; expected cert and key
Viaduct\InvalidArgumentException: more[0] has no key; expected cert and key
Viaduct\InvalidArgumentException: more[0] has no cert; expected cert and key
Viaduct\InvalidArgumentException: key in more[b] is of type int; expected a PEM text
Viaduct\InvalidArgumentException: more[0] has the element "0"; expected cert and key
Viaduct\InvalidArgumentException: more[0] has the element "ca"; expected cert and key
Viaduct\InvalidArgumentException: more[1]: the server's private key holds no private key; expected PEM with "-----BEGIN PRIVATE KEY-----", "RSA PRIVATE KEY" or "EC PRIVATE KEY", got a certificate
Error: Trying to clone an uncloneable object of class Viaduct\Credentials
Exception: Serialization of 'Viaduct\Credentials' is not allowed
Exception: Unserialization of 'Viaduct\Credentials' is not allowed
Error: Cannot create dynamic property Viaduct\Credentials::$anything
ReflectionException: Class Viaduct\Credentials is an internal class marked as final that cannot be instantiated without invoking its constructor
Error: the Viaduct\Credentials is constructed already
