//! `Viaduct\StatusCode`

use ext_php_rs::prelude::*;
use viaduct::Code;

/// How a call ended: the codes of gRPC.
#[php_enum]
#[php(name = "Viaduct\\StatusCode")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names are gRPC's.
pub(crate) enum StatusCode {
    #[php(value = 0)]
    Ok,
    #[php(value = 1)]
    Cancelled,
    #[php(value = 2)]
    Unknown,
    #[php(value = 3)]
    InvalidArgument,
    #[php(value = 4)]
    DeadlineExceeded,
    #[php(value = 5)]
    NotFound,
    #[php(value = 6)]
    AlreadyExists,
    #[php(value = 7)]
    PermissionDenied,
    #[php(value = 8)]
    ResourceExhausted,
    #[php(value = 9)]
    FailedPrecondition,
    #[php(value = 10)]
    Aborted,
    #[php(value = 11)]
    OutOfRange,
    #[php(value = 12)]
    Unimplemented,
    #[php(value = 13)]
    Internal,
    #[php(value = 14)]
    Unavailable,
    #[php(value = 15)]
    DataLoss,
    #[php(value = 16)]
    Unauthenticated,
}

impl StatusCode {
    /// The core's code of the same number.
    pub(crate) fn code(self) -> Code {
        Code::from_i32(i32::try_from(i64::from(self)).unwrap_or(2))
    }
}

impl From<Code> for StatusCode {
    fn from(code: Code) -> Self {
        Self::try_from(i64::from(code as i32)).unwrap_or(Self::Unknown)
    }
}
