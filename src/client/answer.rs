//! Whether what came back is gRPC at all.
//!
//! A plain HTTP/2 server, a load balancer's error page, a captive portal: they all answer, and their
//! bytes must not be taken for messages. The table is gRPC's "HTTP to gRPC Status Code Mapping".

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::response::Parts;
use tonic::Status;

use crate::codec::{self, Encoding};
use crate::error::quote;
use crate::{metadata, status};

/// How much of a foreign body is quoted, in characters.
const QUOTED: usize = 128;

/// How long a foreign body is waited for: it only makes the message better.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the head of an answer is gRPC's.
pub fn is_grpc(head: &Parts) -> bool {
    let (mut content_type, mut ends) = (None, false);
    for (name, value) in &head.headers {
        match name.as_str() {
            "content-type" => {
                content_type.get_or_insert(value.as_bytes());
            }
            "grpc-status" => ends = true,
            _ => {}
        }
    }
    // A trailers-only answer has nothing that would need a type.
    let typed = content_type.map_or(ends, codec::is_grpc);
    typed && (head.status.is_success() || ends)
}

/// The status for an answer that is not gRPC: names HTTP status and type, quotes the body's beginning.
pub async fn foreign(head: &Parts, mut body: RecvStream) -> Status {
    foreign_by(head, |cx| body.poll_data(cx).map(|data| data?.ok())).await
}

/// The same, of a body that comes by `poll`, piece by piece until none is left.
pub async fn foreign_by(
    head: &Parts,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<Bytes>>,
) -> Status {
    let mut start = Vec::new();
    let reading = async {
        while start.len() < 4 * QUOTED
            && let Some(data) = poll_fn(&mut poll).await
        {
            start.extend_from_slice(&data);
        }
    };
    // What has come by then is better than nothing.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
    describe(head, &start)
}

fn describe(head: &Parts, body: &[u8]) -> Status {
    let content_type = match head.headers.get(CONTENT_TYPE) {
        Some(value) => format!("content-type {}", quote(&String::from_utf8_lossy(value.as_bytes()))),
        None => "no content-type".to_owned(),
    };
    let mut message =
        format!("the answer is not gRPC: HTTP status {} with {content_type}", head.status.as_u16());
    let text = String::from_utf8_lossy(body);
    if !text.trim().is_empty() {
        let start: String = text.trim_start().chars().take(QUOTED).collect();
        message.push_str("; the body begins: ");
        message.push_str(start.trim_end());
    }
    Status::new(status::code_of_http(head.status), message)
}

/// How the messages of an answer are compressed.
///
/// # Errors
///
/// INTERNAL where the server chose an encoding that was not offered.
pub fn encoding(head: &Parts) -> Result<Encoding, Status> {
    match head.headers.iter().find(|(name, _)| name.as_str() == "grpc-encoding") {
        None => Ok(Encoding::Identity),
        Some((_, name)) => Encoding::from_name(name.as_bytes()).ok_or_else(|| {
            Status::internal(format!(
                "the server compresses with {}, which was not offered (grpc-accept-encoding: {})",
                quote(&String::from_utf8_lossy(name.as_bytes())),
                codec::ACCEPTED
            ))
        }),
    }
}

/// The status for headers or trailers that are longer than `limit`.
pub fn too_long(what: &str, headers: &HeaderMap, limit: u32) -> Option<Status> {
    // With `:status`.
    let size = metadata::size(headers) + metadata::ENTRY + 10;
    if size <= limit as usize {
        return None;
    }
    let ended = status::from_headers(headers)
        .map(|status| format!("; the call had ended {}", status::code_name(status.code())))
        .unwrap_or_default();
    Some(Status::resource_exhausted(format!(
        "the response's {what} are {size} bytes; the limit is {limit} bytes (maxMetadataBytes, grpc.max_metadata_size){ended}"
    )))
}

/// The status for a stream that ended without trailers: that of HTTP status 200 in gRPC's table.
pub fn no_trailers() -> Status {
    Status::unknown("the server ended the stream without trailers: there is no grpc-status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn head(status: u16, headers: &[(&'static str, &str)]) -> Parts {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    #[test]
    fn grpc_is_told_from_the_rest() {
        for good in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert!(is_grpc(&head(200, &[("content-type", good)])), "{good}");
        }
        assert!(is_grpc(&head(200, &[("grpc-status", "0")])));
        for bad in ["text/html", "application/grpc-web", "application/json"] {
            assert!(!is_grpc(&head(200, &[("content-type", bad)])), "{bad}");
        }
        assert!(!is_grpc(&head(503, &[("content-type", "application/grpc")])));
        assert!(!is_grpc(&head(200, &[])));
    }

    #[test]
    fn a_foreign_answer_is_described() {
        let status = describe(&head(404, &[("content-type", "text/html")]), b"\n<html>gone</html>");
        assert_eq!(status.code(), Code::Unimplemented);
        let message = status.message();
        assert!(
            message.contains("404") && message.contains("text/html") && message.contains("<html>gone"),
            "{message}"
        );
        let long = describe(&head(503, &[]), &[b'x'; 1000]);
        assert_eq!(long.code(), Code::Unavailable);
        assert!(long.message().ends_with(&"x".repeat(128)) && !long.message().ends_with(&"x".repeat(129)));
    }
}
