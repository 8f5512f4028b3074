--TEST--
Credentials and ServerCredentials: made by their static methods
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{Credentials, ServerCredentials};

var_dump(Credentials::insecure());
var_dump(Credentials::tls());
var_dump(Credentials::insecure() === Credentials::insecure());
Credentials::tls(serverName: 'greeter.test');
// No text of a key is shown by anything.
echo json_encode(Credentials::insecure()), ' ', count((array) Credentials::insecure()), "\n";
?>
--EXPECTF--
object(Viaduct\Credentials)#%d (0) {
}
object(Viaduct\Credentials)#%d (0) {
}
bool(false)
{} 0
