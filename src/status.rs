//! Statuses: how a call ended, on the wire and in tables.
//!
//! The type is [`tonic::Status`]; here stand the translations from what is not gRPC.

use std::fmt::Write as _;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::error::quote;
use crate::metadata;

/// What `grpc-message` escapes: everything outside printable ASCII, and the per cent sign.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(0x7f);

/// The names of the codes, as gRPC's documents have them.
pub(crate) const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name of `code`: `DEADLINE_EXCEEDED`.
pub fn code_name(code: Code) -> &'static str {
    NAMES.get(code as usize).copied().unwrap_or("UNKNOWN")
}

/// The status that an HTTP status stands for, where the answer is not gRPC.
///
/// Follows gRPC's "HTTP to gRPC Status Code Mapping".
pub fn code_of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        // Not in that table: the request's headers are longer than the server or a proxy takes.
        431 => Code::ResourceExhausted,
        _ => Code::Unknown,
    }
}

/// The status that an HTTP/2 reset stands for.
///
/// Follows the gRPC over HTTP/2 specification, "HTTP2 Transport Mapping: Errors".
pub fn code_of_reason(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// The HTTP/2 name of a reset's reason, for messages.
pub fn reason_name(reason: Reason) -> String {
    match reason {
        Reason::NO_ERROR => "NO_ERROR".into(),
        Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR".into(),
        Reason::INTERNAL_ERROR => "INTERNAL_ERROR".into(),
        Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR".into(),
        Reason::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT".into(),
        Reason::STREAM_CLOSED => "STREAM_CLOSED".into(),
        Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR".into(),
        Reason::REFUSED_STREAM => "REFUSED_STREAM".into(),
        Reason::CANCEL => "CANCEL".into(),
        Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR".into(),
        Reason::CONNECT_ERROR => "CONNECT_ERROR".into(),
        Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM".into(),
        Reason::INADEQUATE_SECURITY => "INADEQUATE_SECURITY".into(),
        Reason::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED".into(),
        other => format!("error code {}", u32::from(other)),
    }
}

/// The header or trailer that says how a call ended.
pub(crate) static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Who did something, in sentences about a connection.
pub(crate) const PEER: &str = "the peer";
pub(crate) const HERE: &str = "this side";

/// A stream was reset. Of a peer's reset the official library's words stand there, too: programs look for them to decide
/// whether they try again.
pub(crate) fn reset(who: &str, reason: Reason, doing: &str) -> Status {
    let mut text = format!("{who} reset the stream with {} while {doing}", reason_name(reason));
    if who == PEER {
        // Writing to a String cannot fail.
        let _ = write!(text, " (Received RST_STREAM with error code {})", u32::from(reason));
    }
    Status::new(code_of_reason(reason), text)
}

/// A connection was closed with GOAWAY.
pub(crate) fn closed(who: &str, reason: Reason, doing: &str) -> Status {
    Status::unavailable(format!("{who} closed the connection with {} while {doing}", reason_name(reason)))
}

/// A connection ended without a word.
pub(crate) fn ended(doing: &str) -> Status {
    Status::unavailable(format!("{PEER} closed the connection while {doing}"))
}

/// A connection broke.
pub(crate) fn broken(why: impl std::fmt::Display, doing: &str) -> Status {
    Status::unavailable(format!("the connection broke while {doing}: {why}"))
}

/// The status that an error of the HTTP/2 layer stands for. `doing` completes "…while …".
pub fn from_h2(error: &h2::Error, doing: &str) -> Status {
    if let Some(reason) = error.reason() {
        let who = if error.is_remote() { PEER } else { HERE };
        if error.is_go_away() { closed(who, reason, doing) } else { reset(who, reason, doing) }
    } else if error.get_io().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe) {
        // h2's word for streams that were open when the connection ended.
        ended(doing)
    } else if let Some(io) = error.get_io() {
        broken(io, doing)
    } else {
        Status::internal(format!("HTTP/2 error while {doing}: {error}"))
    }
}

/// The status in `headers` (trailers, or the headers of a trailers-only answer), if one is there.
///
/// `grpc-message` is percent-decoded; a code that is no number or unknown is UNKNOWN. The remaining
/// entries become the status' metadata.
pub fn from_headers(headers: &HeaderMap) -> Option<Status> {
    let (mut code, mut message, mut details) = (None, None, None);
    // There are few: to look at each costs less than to hash three names.
    for (name, value) in headers {
        let found = match name.as_str() {
            "grpc-status" => &mut code,
            "grpc-message" => &mut message,
            "grpc-status-details-bin" => &mut details,
            _ => continue,
        };
        // The first of several counts.
        found.get_or_insert(value.as_bytes());
    }
    let said = code?;
    let code = Code::from_bytes(said);
    let mut message = message.map(|m| percent_decode(m).decode_utf8_lossy().into_owned()).unwrap_or_default();
    if code == Code::Unknown && message.is_empty() && said != b"2" {
        let said = quote(&String::from_utf8_lossy(said));
        message =
            format!("the server ended the call with grpc-status {said}; expected a number from 0 to 16");
    }
    let details = details.and_then(metadata::decode_binary).map(Bytes::from).unwrap_or_default();
    Some(Status::with_details(code, message, details))
}

/// Writes `status` into `headers` as `grpc-status`, `grpc-message` and `grpc-status-details-bin`.
pub fn to_headers(status: &Status, headers: &mut HeaderMap) {
    headers.insert(&GRPC_STATUS, code_value(status.code()));
    if !status.message().is_empty() {
        let text = percent_encode(status.message().as_bytes(), ESCAPED).to_string();
        // Percent-encoding leaves printable ASCII only.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert("grpc-message", value);
        }
    }
    if !status.details().is_empty() {
        headers.insert("grpc-status-details-bin", metadata::binary_value(status.details()));
    }
}

/// The length of a message in `grpc-message`.
pub(crate) fn encoded_length(message: &str) -> usize {
    percent_encode(message.as_bytes(), ESCAPED).map(str::len).sum()
}

/// As much of a message as takes `room` bytes in `grpc-message`, and a mark that it was cut.
pub(crate) fn cut_message(message: &str, room: usize) -> String {
    const MARK: &str = "… (cut)";
    if encoded_length(message) <= room {
        return message.to_owned();
    }
    let mut left = room.saturating_sub(encoded_length(MARK));
    let mut end = 0;
    for (at, char) in message.char_indices() {
        let length = encoded_length(char.encode_utf8(&mut [0; 4]));
        if length > left {
            break;
        }
        left -= length;
        end = at + char.len_utf8();
    }
    format!("{}{MARK}", message.get(..end).unwrap_or_default())
}

/// `code` as the value of `grpc-status`.
pub fn code_value(code: Code) -> HeaderValue {
    const TEXT: [&str; 17] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
    HeaderValue::from_static(TEXT.get(code as usize).copied().unwrap_or("2"))
}

/// One entry of a status' details: a message in its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// `type.googleapis.com/google.rpc.BadRequest` and the like.
    pub type_url: String,
    /// The serialized message.
    pub value: Vec<u8>,
}

/// Packs details as `google.rpc.Status`, the content of `grpc-status-details-bin`.
pub fn encode_details(code: Code, message: &str, details: &[Detail]) -> Bytes {
    if details.is_empty() {
        return Bytes::new();
    }
    let status = pb::Status {
        code: code as i32,
        message: message.to_owned(),
        details: details
            .iter()
            .map(|d| prost_types::Any { type_url: d.type_url.clone(), value: d.value.clone() })
            .collect(),
    };
    status.encode_to_vec().into()
}

/// Reads the content of `grpc-status-details-bin`. What is not a `google.rpc.Status` has no details.
pub fn decode_details(raw: &[u8]) -> Vec<Detail> {
    pb::Status::decode(raw)
        .map(|s| s.details.into_iter().map(|a| Detail { type_url: a.type_url, value: a.value }).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded_both_ways() {
        let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈 100%\t\n";
        let mut headers = HeaderMap::new();
        to_headers(&Status::new(Code::Unknown, text), &mut headers);
        assert!(headers["grpc-message"].to_str().unwrap().contains("%E2%98%BA"));
        let back = from_headers(&headers).unwrap();
        assert_eq!((back.code(), back.message()), (Code::Unknown, text));
    }

    #[test]
    fn details_survive() {
        let details = [Detail { type_url: "type.googleapis.com/x.Y".into(), value: vec![1, 2, 0] }];
        let raw = encode_details(Code::NotFound, "gone", &details);
        let mut headers = HeaderMap::new();
        to_headers(&Status::with_details(Code::NotFound, "gone", raw), &mut headers);
        assert_eq!(decode_details(from_headers(&headers).unwrap().details()), details);
    }

    #[test]
    fn an_unknown_code_is_unknown() {
        let mut headers = HeaderMap::new();
        assert!(from_headers(&headers).is_none());
        for (code, part) in [("99", "\"99\""), ("abc", "\"abc\""), ("", "\"\""), ("-1", "\"-1\""), ("2", "")]
        {
            headers.insert("grpc-status", HeaderValue::from_static(code));
            let status = from_headers(&headers).unwrap();
            assert_eq!(status.code(), Code::Unknown);
            assert!(
                status.message().contains(part) && status.message().is_empty() == part.is_empty(),
                "{status:?}"
            );
        }
        headers.insert("grpc-status", HeaderValue::from_static("99"));
        headers.insert("grpc-message", HeaderValue::from_static("theirs"));
        assert_eq!(from_headers(&headers).unwrap().message(), "theirs");
    }

    #[test]
    fn the_tables_follow_the_specification() {
        let http = |n| code_of_http(StatusCode::from_u16(n).unwrap());
        assert_eq!(http(404), Code::Unimplemented);
        assert_eq!(http(503), Code::Unavailable);
        assert_eq!(http(431), Code::ResourceExhausted);
        assert_eq!(http(200), Code::Unknown);
        assert_eq!(code_of_reason(Reason::CANCEL), Code::Cancelled);
        assert_eq!(code_of_reason(Reason::NO_ERROR), Code::Internal);
        assert_eq!(code_of_reason(Reason::HTTP_1_1_REQUIRED), Code::Internal);
    }
}
