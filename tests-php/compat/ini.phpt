--TEST--
Grpc\: the ini settings go into the environment at the first use
--EXTENSIONS--
grpc
--INI--
grpc.enable_fork_support=1
grpc.poll_strategy=epoll1
grpc.grpc_verbosity=error
grpc.grpc_trace=http
--ENV--
GRPC_POLL_STRATEGY=poll
--FILE--
<?php
$names = ['GRPC_ENABLE_FORK_SUPPORT', 'GRPC_POLL_STRATEGY', 'GRPC_VERBOSITY', 'GRPC_TRACE'];
$show = fn() => print(json_encode(array_combine($names, array_map(getenv(...), $names))) . "\n");
foreach (ini_get_all('grpc') as $name => $setting) {
    echo $name, ' ', json_encode($setting['global_value']), ' ', $setting['access'] === INI_SYSTEM ? 'system' : 'OTHER', ' ', json_encode(ini_set($name, 'x')), "\n";
}
$show();
new Grpc\Timeval(1);
$show();
new Grpc\Channel('localhost:0', []);
$show();
?>
--EXPECT--
grpc.enable_fork_support "1" system false
grpc.grpc_trace "http" system false
grpc.grpc_verbosity "error" system false
grpc.log_filename "" system false
grpc.poll_strategy "epoll1" system false
{"GRPC_ENABLE_FORK_SUPPORT":false,"GRPC_POLL_STRATEGY":"poll","GRPC_VERBOSITY":false,"GRPC_TRACE":false}
{"GRPC_ENABLE_FORK_SUPPORT":false,"GRPC_POLL_STRATEGY":"poll","GRPC_VERBOSITY":false,"GRPC_TRACE":false}
{"GRPC_ENABLE_FORK_SUPPORT":"1","GRPC_POLL_STRATEGY":"epoll1","GRPC_VERBOSITY":"error","GRPC_TRACE":"http"}
