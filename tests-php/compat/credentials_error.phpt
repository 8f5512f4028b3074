--TEST--
Grpc\ChannelCredentials, Grpc\CallCredentials: what is refused
--EXTENSIONS--
grpc
posix
openssl
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';
require __DIR__ . '/../support/server.php';

use Grpc\{CallCredentials, ChannelCredentials};

[$cert, $key, $ca] = array_map(file_get_contents(...), certificate(scratch(), 'one'));
[$other, $otherKey] = array_map(file_get_contents(...), certificate(scratch(), 'other'));
refuse(fn() => new ChannelCredentials());
refuse(fn() => new CallCredentials());
echo "--- types\n";
refuse(fn() => ChannelCredentials::setDefaultRootsPem());
refuse(fn() => ChannelCredentials::setDefaultRootsPem([]));
refuse(fn() => ChannelCredentials::createSsl([]));
refuse(fn() => ChannelCredentials::createSsl('a', 'b', 'c', 'd'));
refuse(fn() => ChannelCredentials::createComposite());
refuse(fn() => ChannelCredentials::createComposite(null, CallCredentials::createFromPlugin('strlen')));
refuse(fn() => ChannelCredentials::createComposite(ChannelCredentials::createSsl($ca), ChannelCredentials::createSsl($ca)));
refuse(fn() => ChannelCredentials::createXds(null));
refuse(fn() => CallCredentials::createComposite(1, 2));
refuse(fn() => CallCredentials::createFromPlugin());
refuse(fn() => CallCredentials::createFromPlugin('no such function'));
refuse(fn() => CallCredentials::createFromPlugin(null));
echo "--- texts\n";
/** How a call over such credentials ends, which are made in any case. */
function told(ChannelCredentials $credentials, array $args = []): void
{
    $channel = new Grpc\Channel('127.0.0.1:1', ['credentials' => $credentials, 'force_new' => true] + $args);
    $call = new Grpc\Call($channel, '/a.B/C', Grpc\Timeval::infFuture());
    $status = $call->startBatch([Grpc\OP_SEND_INITIAL_METADATA => [], Grpc\OP_RECV_STATUS_ON_CLIENT => true])->status;
    echo "$status->code $status->details\n";
}
told(ChannelCredentials::createSsl('nonsense'));
told(ChannelCredentials::createSsl($key));
refuse(fn() => ChannelCredentials::createSsl($ca, $key));
refuse(fn() => ChannelCredentials::createSsl($ca, null, $cert));
told(ChannelCredentials::createSsl($ca, $cert, $key));
told(ChannelCredentials::createSsl($ca, $otherKey, $cert));
told(ChannelCredentials::createSsl($ca, 'nonsense', $cert));
told(ChannelCredentials::createSsl('a', 'b', 'c'));
echo "--- roots\n";
ChannelCredentials::setDefaultRootsPem('nonsense');
told(ChannelCredentials::createSsl());
told(ChannelCredentials::createSsl('', '', ''));
// A file that cannot be read is passed over.
putenv('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/no/such/file');
ChannelCredentials::setDefaultRootsPem($ca);
told(ChannelCredentials::createSsl());
putenv('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=' . __FILE__);
told(ChannelCredentials::createSsl());
putenv('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH');
echo "--- names\n";
told(ChannelCredentials::createSsl(), ['grpc.ssl_target_name_override' => 'a..b']);
echo "--- objects\n";
$credentials = ChannelCredentials::createSsl();
refuse(fn() => clone $credentials);
refuse(fn() => serialize($credentials));
refuse(fn() => serialize(CallCredentials::createFromPlugin('strlen')));
refuse(fn() => (new ReflectionMethod(ChannelCredentials::class, '__construct'))->invoke($credentials));
class Mine extends ChannelCredentials { public function __construct() {} }
refuse(fn() => new Grpc\Channel('x:1', ['credentials' => new Mine()]));
refuse(fn() => ChannelCredentials::createXds(new Mine()));
?>
--EXPECTF--
Error: Call to private Grpc\ChannelCredentials::__construct() from global scope
Error: Call to private Grpc\CallCredentials::__construct() from global scope
--- types
InvalidArgumentException: setDefaultRootsPem expects 1 string
InvalidArgumentException: setDefaultRootsPem expects 1 string
InvalidArgumentException: createSsl expects 3 optional strings
InvalidArgumentException: createSsl expects 3 optional strings
InvalidArgumentException: createComposite expects 2 Credentials
InvalidArgumentException: createComposite expects 2 Credentials
InvalidArgumentException: createComposite expects 2 Credentials
InvalidArgumentException: createXds expects a fallback credentials
InvalidArgumentException: createComposite expects 2 CallCredentials
InvalidArgumentException: createFromPlugin expects 1 callback
InvalidArgumentException: createFromPlugin expects 1 callback
InvalidArgumentException: createFromPlugin expects 1 callback
--- texts
14 cannot connect to 127.0.0.1:1: the CA certificates holds no certificate; %s
14 cannot connect to 127.0.0.1:1: the CA certificates holds no certificate; %s
InvalidArgumentException: createSsl: pem_private_key is given without pem_cert_chain; expected both, or neither
InvalidArgumentException: createSsl: pem_cert_chain is given without pem_private_key; expected both, or neither
14 cannot connect to 127.0.0.1:1: the client's certificate chain holds no certificate; %sgot a private key%S
14 cannot connect to 127.0.0.1:1: the client's private key does not belong to its certificate; %s
14 cannot connect to 127.0.0.1:1: the client's private key holds no private key; %s
14 cannot connect to 127.0.0.1:1: the CA certificates holds no certificate; %s
--- roots
14 cannot connect to 127.0.0.1:1: the CA certificates holds no certificate; %s
14 cannot connect to 127.0.0.1:1: the CA certificates holds no certificate; %s
14 cannot connect to 127.0.0.1:1: ipv4:127.0.0.1:1: %s
14 cannot connect to 127.0.0.1:1: the CA certificates holds no certificate; %s
--- names
14 cannot connect to 127.0.0.1:1: "a..b" cannot be checked against a certificate; expected a DNS name or an IP address
--- objects
Error: Trying to clone an uncloneable object of class Grpc\ChannelCredentials
Exception: Serialization of 'Grpc\ChannelCredentials' is not allowed
Exception: Serialization of 'Grpc\CallCredentials' is not allowed
Error: the Grpc\ChannelCredentials is constructed already
InvalidArgumentException: credentials must be a ChannelCredentials object
InvalidArgumentException: createXds expects a fallback credentials
