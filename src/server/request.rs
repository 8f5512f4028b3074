//! Is it a gRPC request, and what does it ask for?
//!
//! Follows the gRPC over HTTP/2 specification, "Requests".

use h2::server::SendResponse;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tonic::Status;

use super::Ground;
use super::ground::GRPC_ACCEPT_ENCODING;
use super::router::{RequestShape, Router};
use crate::codec::{self, ACCEPTED, Encoding};
use crate::deadline::{Deadline, parse_timeout};
use crate::error::quote;
use crate::{metadata, status};

/// What a legal request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: u32,
    pub(super) shape: RequestShape,
    pub(super) deadline: Option<Deadline>,
    /// How its messages may be compressed.
    pub(super) request: Encoding,
    /// How ours may be.
    pub(super) response: Encoding,
    /// Whether the response lists the encodings that requests may have.
    pub(super) listing: bool,
}

/// Why a request is not taken.
#[derive(Debug)]
pub(super) enum Rejection {
    /// It is no gRPC: HTTP says so.
    Http(StatusCode),
    /// It cannot be understood.
    Bad(Status),
    /// Its method is not there.
    Unknown(Status),
}

/// Reads the head of a request.
pub(super) fn read(head: &Parts, router: &Router, ground: &Ground) -> Result<Asked, Rejection> {
    if head.method != Method::POST {
        return Err(Rejection::Http(StatusCode::METHOD_NOT_ALLOWED));
    }
    let said = Said::of(&head.headers);
    if !said.content_type.is_some_and(codec::is_grpc) {
        return Err(Rejection::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let (size, limit) =
        (said.size + metadata::size_beside(&head.method, &head.uri), ground.config.header_list_limit());
    if size > limit as usize {
        return Err(Rejection::Bad(Status::resource_exhausted(format!(
            "the request's headers are {size} bytes; the server's limit is {limit} bytes (maxMetadataBytes, grpc.max_metadata_size)"
        ))));
    }
    let path = head.uri.path();
    let Some((method, shape)) = router.find(path) else {
        return Err(Rejection::Unknown(router.unknown(path)));
    };
    let deadline = match said.timeout {
        None => None,
        Some(text) => Some(Deadline::after(parse_timeout(text).ok_or_else(|| {
            Rejection::Bad(Status::internal(format!(
                "the grpc-timeout {} is none; expected up to eight digits and one of H M S m u n",
                quote(&String::from_utf8_lossy(text))
            )))
        })?)),
    };
    let request = match said.encoding {
        None => Encoding::Identity,
        Some(name) => Encoding::from_name(name).ok_or_else(|| {
            Rejection::Bad(Status::unimplemented(format!(
                "the grpc-encoding {} is not supported; expected one of {ACCEPTED}",
                quote(&String::from_utf8_lossy(name))
            )))
        })?,
    };
    let wanted = ground.config.encoding;
    let response = match wanted {
        Encoding::Identity => wanted,
        _ if accepts(&head.headers, wanted) => wanted,
        _ => Encoding::Identity,
    };
    // Who does not speak of encodings is not told of ours.
    let listing = said.lists;
    Ok(Asked { method, shape, deadline, request, response, listing })
}

/// What the headers of a request say to us. The first of several of a name counts.
#[derive(Default)]
struct Said<'a> {
    content_type: Option<&'a [u8]>,
    timeout: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    /// They name encodings of responses.
    lists: bool,
    /// Their length, as HTTP/2 counts it.
    size: usize,
}

impl<'a> Said<'a> {
    /// There are few: to look at each costs less than to hash four names.
    fn of(headers: &'a HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            said.size += name.len() + value.len() + metadata::ENTRY;
            let found = match name {
                "content-type" => &mut said.content_type,
                "grpc-timeout" => &mut said.timeout,
                "grpc-encoding" => &mut said.encoding,
                "grpc-accept-encoding" => {
                    said.lists = true;
                    continue;
                }
                _ => continue,
            };
            found.get_or_insert(value.as_bytes());
        }
        said
    }
}

/// Answers a request that is not taken, in one frame.
pub(super) fn reject(rejection: Rejection, mut respond: SendResponse<bytes::Bytes>, ground: &Ground) {
    let mut response = Response::new(());
    match rejection {
        Rejection::Http(code) => {
            ground.counters.bad_requests.add();
            *response.status_mut() = code;
            if code == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
            }
        }
        Rejection::Bad(status) => {
            ground.counters.bad_requests.add();
            *response.headers_mut() = refusal(&status, ground);
        }
        Rejection::Unknown(status) => {
            ground.counters.unknown_methods.add();
            *response.headers_mut() = refusal(&status, ground);
        }
    }
    // A client that has gone meanwhile needs no answer.
    let _ = respond.send_response(response, true);
}

fn refusal(status: &Status, ground: &Ground) -> HeaderMap {
    let mut headers = ground.headers(Encoding::Identity, true);
    status::to_headers(status, &mut headers);
    headers
}

/// Whether who sent `headers` reads messages that are compressed so.
pub(super) fn accepts(headers: &HeaderMap, encoding: Encoding) -> bool {
    headers
        .get_all(&GRPC_ACCEPT_ENCODING)
        .iter()
        .flat_map(|list| list.as_bytes().split(|b| *b == b','))
        .any(|name| name.trim_ascii() == encoding.name().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_encodings_are_a_list_over_several_headers() {
        let mut headers = HeaderMap::new();
        headers.append("grpc-accept-encoding", "identity, deflate".parse().unwrap());
        headers.append("grpc-accept-encoding", "gzip".parse().unwrap());
        assert!(accepts(&headers, Encoding::Gzip) && accepts(&headers, Encoding::Deflate));
        assert!(!accepts(&HeaderMap::new(), Encoding::Gzip));
    }
}
