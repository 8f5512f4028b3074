--TEST--
Grpc\Channel: arguments whose values cannot be used
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

foreach ([
    ['grpc.max_receive_message_length' => '100'],
    ['grpc.keepalive_time_ms' => 'often'],
    ['grpc.primary_user_agent' => 5],
    ['grpc.primary_user_agent' => "new\nline"],
    ['grpc.default_authority' => 1],
    ['grpc.default_authority' => 'a b'],
    ['grpc.ssl_target_name_override' => 1],
    ['grpc.max_receive_message_length' => 1.0],
    ['grpc.keepalive_permit_without_calls' => true],
    ['grpc.so_reuseport' => null],
    ['grpc.max_receive_message_length'],
] as $args) {
    refuse(fn() => new Grpc\Channel('localhost:1', $args));
}
?>
--EXPECT--
InvalidArgumentException: args: grpc.max_receive_message_length is "100"; expected an int
InvalidArgumentException: args: grpc.keepalive_time_ms is "often"; expected an int
InvalidArgumentException: args: grpc.primary_user_agent is 5; expected a string
InvalidArgumentException: user agent "new\nline viaduct/0.1.0" is not legal in a header
InvalidArgumentException: args: grpc.default_authority is 1; expected a string
InvalidArgumentException: authority "a b" is not legal; expected host or host:port
InvalidArgumentException: args: grpc.ssl_target_name_override is 1; expected a string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args values must be int or string
InvalidArgumentException: args keys must be strings
