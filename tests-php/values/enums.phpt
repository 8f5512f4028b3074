--TEST--
The enums: their cases are objects of the engine's kind
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\{Compression, ConnectivityState, MethodKind, StatusCode};

foreach ([StatusCode::class, MethodKind::class, ConnectivityState::class, Compression::class] as $enum) {
    echo $enum, ': ', implode(', ', array_map(fn($case) => "$case->name=$case->value", $enum::cases())), "\n";
}
var_dump(StatusCode::from(5));
var_dump(StatusCode::tryFrom(17));
var_dump(StatusCode::from(16) === StatusCode::Unauthenticated);
var_dump(match (Compression::Gzip) { Compression::None => 'no', Compression::Gzip => 'yes' });
var_dump(unserialize(serialize(MethodKind::Bidi)) === MethodKind::Bidi);
echo json_encode(ConnectivityState::cases()), "\n";
?>
--EXPECT--
Viaduct\StatusCode: Ok=0, Cancelled=1, Unknown=2, InvalidArgument=3, DeadlineExceeded=4, NotFound=5, AlreadyExists=6, PermissionDenied=7, ResourceExhausted=8, FailedPrecondition=9, Aborted=10, OutOfRange=11, Unimplemented=12, Internal=13, Unavailable=14, DataLoss=15, Unauthenticated=16
Viaduct\MethodKind: Unary=0, ServerStream=1, ClientStream=2, Bidi=3
Viaduct\ConnectivityState: Idle=0, Connecting=1, Ready=2, TransientFailure=3, Shutdown=4
Viaduct\Compression: None=0, Gzip=1, Deflate=2
enum(Viaduct\StatusCode::NotFound)
NULL
bool(true)
string(3) "yes"
bool(true)
[0,1,2,3,4]
