//! What can go wrong, and the exit code of it.

use std::process::ExitCode;

use tonic::{Code, Status};

use super::printable;
use crate::error::InvalidArgument;

/// Why a subcommand did not do what it was asked to.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The arguments or the input are wrong; exit code 2. The text is a sentence.
    Usage(String),
    /// A call ended with a status other than OK, or would have; exit code 64 and the status' number.
    Status {
        /// Which one.
        code: Code,
        /// What happened, in a sentence.
        text: String,
        /// The status' details, as JSON.
        details: Vec<String>,
    },
    /// A service is not serving, and that has been printed; exit code 1.
    NotServing,
    /// Nobody reads the output any more; exit code 1.
    Unread,
    /// This side's fault; exit code 1. The text is a sentence.
    Io(String),
}

impl Failure {
    /// `what` ended with `status`.
    pub(super) fn ended(what: &str, status: &Status) -> Self {
        Self::Status { code: status.code(), text: format!("{what} {}", named(status)), details: Vec::new() }
    }

    /// Something that was asked for does not exist.
    pub(super) fn not_found(text: String) -> Self {
        Self::Status { code: Code::NotFound, text, details: Vec::new() }
    }

    /// Writes it to the standard error; the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Usage(text) => say(&text, 2),
            Self::Io(text) => say(&text, 1),
            Self::NotServing | Self::Unread => ExitCode::from(1),
            Self::Status { code, text, details } => {
                let exit = say(&text, 64 + code as u8);
                for detail in details {
                    eprintln!("{}", printable(&detail));
                }
                exit
            }
        }
    }
}

impl From<InvalidArgument> for Failure {
    fn from(error: InvalidArgument) -> Self {
        Self::Usage(error.to_string())
    }
}

fn say(text: &str, code: u8) -> ExitCode {
    eprintln!("viaduct: {}", printable(text));
    ExitCode::from(code)
}

/// `NOT_FOUND (5): the message`.
pub(super) fn named(status: &Status) -> String {
    let (name, number) = (code_name(status.code()), status.code() as i32);
    match status.message() {
        "" => format!("{name} ({number})"),
        message => format!("{name} ({number}): {message}"),
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_named_with_its_number() {
        assert_eq!(named(&Status::not_found("no such thing")), "NOT_FOUND (5): no such thing");
        assert_eq!(named(&Status::unauthenticated("")), "UNAUTHENTICATED (16)");
    }
}
