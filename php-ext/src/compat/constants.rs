//! The constants of the namespace `Grpc`.

use ext_php_rs::prelude::ModuleBuilder;

/// Names and values as in the official extension.
const NUMBERS: [(&str, i64); 41] = [
    ("Grpc\\CALL_OK", 0),
    ("Grpc\\CALL_ERROR", 1),
    ("Grpc\\CALL_ERROR_NOT_ON_SERVER", 2),
    ("Grpc\\CALL_ERROR_NOT_ON_CLIENT", 3),
    ("Grpc\\CALL_ERROR_ALREADY_INVOKED", 5),
    ("Grpc\\CALL_ERROR_NOT_INVOKED", 6),
    ("Grpc\\CALL_ERROR_ALREADY_FINISHED", 7),
    ("Grpc\\CALL_ERROR_TOO_MANY_OPERATIONS", 8),
    ("Grpc\\CALL_ERROR_INVALID_FLAGS", 9),
    ("Grpc\\WRITE_BUFFER_HINT", 1),
    ("Grpc\\WRITE_NO_COMPRESS", 2),
    ("Grpc\\STATUS_OK", 0),
    ("Grpc\\STATUS_CANCELLED", 1),
    ("Grpc\\STATUS_UNKNOWN", 2),
    ("Grpc\\STATUS_INVALID_ARGUMENT", 3),
    ("Grpc\\STATUS_DEADLINE_EXCEEDED", 4),
    ("Grpc\\STATUS_NOT_FOUND", 5),
    ("Grpc\\STATUS_ALREADY_EXISTS", 6),
    ("Grpc\\STATUS_PERMISSION_DENIED", 7),
    ("Grpc\\STATUS_RESOURCE_EXHAUSTED", 8),
    ("Grpc\\STATUS_FAILED_PRECONDITION", 9),
    ("Grpc\\STATUS_ABORTED", 10),
    ("Grpc\\STATUS_OUT_OF_RANGE", 11),
    ("Grpc\\STATUS_UNIMPLEMENTED", 12),
    ("Grpc\\STATUS_INTERNAL", 13),
    ("Grpc\\STATUS_UNAVAILABLE", 14),
    ("Grpc\\STATUS_DATA_LOSS", 15),
    ("Grpc\\STATUS_UNAUTHENTICATED", 16),
    ("Grpc\\OP_SEND_INITIAL_METADATA", 0),
    ("Grpc\\OP_SEND_MESSAGE", 1),
    ("Grpc\\OP_SEND_CLOSE_FROM_CLIENT", 2),
    ("Grpc\\OP_SEND_STATUS_FROM_SERVER", 3),
    ("Grpc\\OP_RECV_INITIAL_METADATA", 4),
    ("Grpc\\OP_RECV_MESSAGE", 5),
    ("Grpc\\OP_RECV_STATUS_ON_CLIENT", 6),
    ("Grpc\\OP_RECV_CLOSE_ON_SERVER", 7),
    ("Grpc\\CHANNEL_IDLE", 0),
    ("Grpc\\CHANNEL_CONNECTING", 1),
    ("Grpc\\CHANNEL_READY", 2),
    ("Grpc\\CHANNEL_TRANSIENT_FAILURE", 3),
    ("Grpc\\CHANNEL_FATAL_FAILURE", 4),
];

/// The release of the official extension whose surface and behaviour ours are: what Composer (`ext-grpc`), google-ads and
/// the headers of Google's clients compare. See docs/migrating-from-ext-grpc.md.
pub(crate) const VERSION: &str = "1.83.0";

/// Adds the constants to the module.
pub(crate) fn register(mut module: ModuleBuilder<'_>) -> ModuleBuilder<'_> {
    for (name, value) in NUMBERS {
        module = module.constant((name, value, &[]));
    }
    module.constant(("Grpc\\VERSION", VERSION, &[])).constant(("Viaduct\\VERSION", viaduct::VERSION, &[]))
}
