//! What an HTTP/1.1 client is told by the proxy itself: a status, and a sentence as plain text.

use bytes::{BufMut as _, BytesMut};
use http::StatusCode;
use tonic::{Code, Status};

use super::head::field;
use crate::error::quote;
use crate::proxy::refuse::http_status;

/// An answer that is not the backend's.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What it counts as.
    pub(super) code: Code,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, code: crate::status::code_of_http(status), text: text.into() }
    }

    /// The request cannot be understood.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: Code::InvalidArgument, text: text.into() }
    }

    /// The backend's answer cannot be understood, or does not come.
    pub(super) fn gateway(member: &str, why: &str) -> Self {
        let text = format!("the backend {} gave no answer that can be passed on: {why}", quote(member));
        Self { status: StatusCode::BAD_GATEWAY, code: Code::Unavailable, text }
    }

    /// The head of a request does not end in time.
    pub(super) fn slow() -> Self {
        let text = "the request did not come in time; expected its head within the handshake timeout";
        Self { status: StatusCode::REQUEST_TIMEOUT, code: Code::DeadlineExceeded, text: text.into() }
    }

    /// A head that is beyond `max` bytes.
    pub(super) fn too_long(head: &[u8], max: usize) -> Self {
        let (status, what) = if head.iter().take(max).any(|byte| *byte == b'\n') {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are")
        } else {
            (StatusCode::URI_TOO_LONG, "the request line is")
        };
        let text = format!("{what} too long; expected no more than {max} bytes");
        Self { status, code: Code::ResourceExhausted, text }
    }

    /// A head that is no request.
    pub(super) fn unreadable(head: &[u8], error: httparse::Error) -> Self {
        let line = head.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        let line = quote(&String::from_utf8_lossy(line));
        match error {
            httparse::Error::TooManyHeaders => Self {
                status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                code: Code::ResourceExhausted,
                text: "the request has too many headers".into(),
            },
            httparse::Error::Version if line.contains(" HTTP/") => Self::new(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                format!("the request line {line} names no version that is spoken here; expected HTTP/1.1"),
            ),
            httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
                Self::bad(format!("a header of the request {line} cannot be read: {error}"))
            }
            _ => Self::bad(format!("the request line {line} is none; expected GET /path HTTP/1.1")),
        }
    }

    /// The answer, with its body unless `bare`.
    pub(super) fn write(&self, bare: bool, keep: Option<bool>, out: &mut BytesMut) {
        let reason = self.status.canonical_reason().unwrap_or_default();
        out.put_slice(format!("HTTP/1.1 {} {reason}\r\n", self.status.as_str()).as_bytes());
        field(out, "content-type", b"text/plain; charset=utf-8");
        field(out, "content-length", (self.text.len() + 1).to_string().as_bytes());
        match keep {
            Some(true) => field(out, "connection", b"keep-alive"),
            Some(false) => field(out, "connection", b"close"),
            None => {}
        }
        out.put_slice(b"\r\n");
        if !bare {
            out.put_slice(self.text.as_bytes());
            out.put_slice(b"\n");
        }
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let text = status.message().to_owned();
        Self { status: http_status(status.code()), code: status.code(), text }
    }
}
