//! gRPC-Web, translated to gRPC where a listener says so (PROTOCOL-WEB.md of gRPC).
//!
//! ```text
//!  page ══HTTP/1.1, HTTP/2══ http1, http2 ── call ──(bridge)── forward ══gRPC══ backend
//!                              Source, Sink    base64, 0x80 frame, cors
//! ```
//!
//! - `call`: one call, whatever it came over; `head`: what is said at its beginning and its end;
//! - `base64`: bodies as text; `cors`: which pages may call;
//! - `http2`: calls over HTTP/2; those over HTTP/1.1 are in `http1`;
//! - `bridge`: the way into the forwarding of all calls.
//!
//! Where a listener does not say so, gRPC-Web is HTTP like any other, and is carried untouched to a backend that
//! understands it.

mod base64;
mod bridge;
mod call;
mod cors;
mod head;
mod http2;

pub(super) use bridge::Bridge;
pub(super) use call::{End, Lost, Sink, Source, call};
pub(super) use cors::{is_preflight, preflight};
pub(super) use head::is_web;
pub(super) use http2::over_http2;

use http::{HeaderMap, Method, StatusCode};

use super::settings::{Cors, Listen};
use crate::error::quote;

/// Whether a request is for this: a call to be translated, or the question of a browser if it may be made.
#[inline]
pub(super) fn is_for(listen: &Listen, method: &Method, headers: &HeaderMap) -> bool {
    listen.translate_web.is_some() && (is_web(headers) || is_preflight(method, headers))
}

/// The answer to a preflight: its status, its headers, and a sentence where it is no.
pub(super) fn answer_preflight(cors: &Cors, headers: &HeaderMap) -> (StatusCode, HeaderMap, String) {
    if let Some(allowed) = preflight(cors, headers) {
        return (StatusCode::NO_CONTENT, allowed, String::new());
    }
    let origin = headers.get(http::header::ORIGIN).map(|origin| origin.as_bytes()).unwrap_or_default();
    let origin = quote(&String::from_utf8_lossy(origin));
    (StatusCode::FORBIDDEN, HeaderMap::new(), format!("pages of {origin} may not call here"))
}
