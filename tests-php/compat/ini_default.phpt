--TEST--
Grpc\: without ini settings the environment stays as it is
--EXTENSIONS--
grpc
--ENV--
GRPC_VERBOSITY=none
--FILE--
<?php
echo json_encode(array_map(fn($setting) => $setting['global_value'], ini_get_all('grpc'))), "\n";
$before = getenv();
new Grpc\Channel('localhost:0', []);
Grpc\ChannelCredentials::createSsl();
var_dump(getenv() === $before, getenv('GRPC_VERBOSITY'));
?>
--EXPECT--
{"grpc.enable_fork_support":"0","grpc.grpc_trace":"","grpc.grpc_verbosity":"","grpc.log_filename":"","grpc.poll_strategy":""}
bool(true)
string(4) "none"
