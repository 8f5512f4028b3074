--TEST--
Grpc\: the constants
--EXTENSIONS--
grpc
--FILE--
<?php
$all = array_filter(get_defined_constants(true)['grpc'], fn(string $name) => str_starts_with($name, 'grpc\\') || str_starts_with($name, 'Grpc\\'), ARRAY_FILTER_USE_KEY);
echo count($all), "\n";
foreach ([
    'CALL' => ['OK', 'ERROR', 'ERROR_NOT_ON_SERVER', 'ERROR_NOT_ON_CLIENT', 'ERROR_ALREADY_INVOKED', 'ERROR_NOT_INVOKED',
        'ERROR_ALREADY_FINISHED', 'ERROR_TOO_MANY_OPERATIONS', 'ERROR_INVALID_FLAGS'],
    'WRITE' => ['BUFFER_HINT', 'NO_COMPRESS'],
    'STATUS' => ['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
        'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL',
        'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
    'OP' => ['SEND_INITIAL_METADATA', 'SEND_MESSAGE', 'SEND_CLOSE_FROM_CLIENT', 'SEND_STATUS_FROM_SERVER', 'RECV_INITIAL_METADATA',
        'RECV_MESSAGE', 'RECV_STATUS_ON_CLIENT', 'RECV_CLOSE_ON_SERVER'],
    'CHANNEL' => ['IDLE', 'CONNECTING', 'READY', 'TRANSIENT_FAILURE', 'FATAL_FAILURE'],
] as $group => $names) {
    echo $group, ':';
    foreach ($names as $name) {
        echo ' ', constant("Grpc\\{$group}_$name");
    }
    echo "\n";
}
// The namespace is written in any case.
var_dump(\grpc\STATUS_ABORTED, Grpc\VERSION === phpversion('grpc'), extension_loaded('grpc'), count(get_extension_funcs('grpc') ?: []) > 0);
// What Composer's ext-grpc and google-ads compare is the official extension's; ours is beside it.
var_dump(version_compare(phpversion('grpc'), '1.37', '>='), version_compare(Viaduct\VERSION, '1.0', '<'));
var_dump(array_filter(get_extension_funcs('grpc'), fn(string $name) => str_starts_with($name, 'grpc\\')));
?>
--EXPECT--
42
CALL: 0 1 2 3 5 6 7 8 9
WRITE: 1 2
STATUS: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
OP: 0 1 2 3 4 5 6 7
CHANNEL: 0 1 2 3 4
int(10)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
array(0) {
}
