//! The head of a request on its way to a backend.

use http::request::Parts;
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

use super::settings::Forwarded;
use super::trace;
use crate::deadline::{Deadline, format_timeout};
use crate::server::stream::PeerAddr;

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers that are meant for the next hop only (RFC 9110, section 7.6.1).
pub(super) const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The head as it is sent on: scheme and authority are the backend's, everything else is the client's.
///
/// `deadline` replaces `grpc-timeout` by what is left of it, rounded up.
pub(super) fn onward(
    head: &Parts,
    scheme: Scheme,
    authority: Option<&Authority>,
    deadline: Option<Deadline>,
) -> Option<Request<()>> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme);
    uri.authority = authority.or(head.uri.authority()).cloned();
    uri.path_and_query = head.uri.path_and_query().cloned();
    if uri.authority.is_none() {
        // A client may name the host in the old way; without either there is no request to make of it.
        let host = head.headers.get(http::header::HOST)?;
        uri.authority = Authority::try_from(host.as_bytes()).ok();
    }
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    *headers = head.headers.clone();
    if authority.is_some() {
        headers.remove(http::header::HOST);
    }
    if let Some(deadline) = deadline
        && let Ok(value) = HeaderValue::try_from(format_timeout(deadline.remaining()))
    {
        headers.insert(&GRPC_TIMEOUT, value);
    }
    Some(request)
}

/// Says who the client is, where that is wanted, and gives the request a name. What was said before stays in front.
pub(super) fn introduce(headers: &mut HeaderMap, wanted: Forwarded, peer: &PeerAddr, tls: bool) {
    let proto = if tls { "https" } else { "http" };
    if wanted.x_forwarded_for {
        if let PeerAddr::Ip(address) = peer {
            append(headers, &X_FORWARDED_FOR, &address.ip().to_canonical().to_string());
        }
        if !headers.contains_key(&X_FORWARDED_PROTO) {
            headers.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(proto));
        }
    }
    if wanted.forwarded {
        // RFC 7239, section 6: an IPv6 address is quoted and in brackets; "unknown" where there is none.
        let node = match peer {
            PeerAddr::Ip(address) => match address.ip().to_canonical() {
                std::net::IpAddr::V4(ip) => ip.to_string(),
                std::net::IpAddr::V6(ip) => format!("\"[{ip}]\""),
            },
            PeerAddr::Unix => "unknown".to_owned(),
        };
        append(headers, &http::header::FORWARDED, &format!("for={node};proto={proto}"));
    }
    if wanted.request_id
        && !headers.contains_key(&X_REQUEST_ID)
        && let Some(id) = trace::request_id()
    {
        headers.insert(&X_REQUEST_ID, id);
    }
}

/// Adds to a list that is one header.
fn append(headers: &mut HeaderMap, name: &HeaderName, text: &str) {
    let whole = match headers.get(name).and_then(|before| before.to_str().ok()) {
        Some(before) => format!("{before}, {text}"),
        None => text.to_owned(),
    };
    if let Ok(value) = HeaderValue::try_from(whole) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn head(uri: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_path_and_all_headers_stay() {
        let head = head(
            "https://front:1/a.B/C?x=%20",
            &[("te", "trailers"), ("k-bin", "AA"), ("grpc-timeout", "5S")],
        );
        let sent = onward(&head, Scheme::HTTP, None, None).unwrap();
        assert_eq!(sent.uri().to_string(), "http://front:1/a.B/C?x=%20");
        assert_eq!(*sent.headers(), head.headers);
        let left = Some(Deadline::after(Duration::from_secs(1)));
        let sent = onward(&head, Scheme::HTTPS, Some(&Authority::from_static("inner")), left).unwrap();
        assert_eq!(sent.uri().to_string(), "https://inner/a.B/C?x=%20");
        let timeout = sent.headers()["grpc-timeout"].as_bytes();
        assert!(crate::deadline::parse_timeout(timeout).unwrap() <= Duration::from_millis(1001));
    }

    #[test]
    fn the_host_header_stands_for_a_missing_authority() {
        let with_host = head("/a.B/C", &[("host", "old:7")]);
        assert_eq!(
            onward(&with_host, Scheme::HTTP, None, None).unwrap().uri().to_string(),
            "http://old:7/a.B/C"
        );
        assert!(onward(&head("/a.B/C", &[]), Scheme::HTTP, None, None).is_none());
    }

    #[test]
    fn the_client_is_introduced_behind_those_before() {
        let mut headers = head("/", &[("x-forwarded-for", "10.0.0.1")]).headers;
        let wanted = Forwarded { x_forwarded_for: true, forwarded: true, request_id: false };
        introduce(&mut headers, wanted, &PeerAddr::Ip("[::1]:5".parse().unwrap()), true);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, ::1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["forwarded"], "for=\"[::1]\";proto=https");
        introduce(&mut headers, wanted, &PeerAddr::Unix, true);
        assert_eq!(headers["forwarded"], "for=\"[::1]\";proto=https, for=unknown;proto=https");
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, ::1");
    }

    #[test]
    fn a_request_is_named_once() {
        let mut headers = HeaderMap::new();
        let wanted = Forwarded { request_id: true, ..Forwarded::default() };
        introduce(&mut headers, wanted, &PeerAddr::Unix, false);
        let id = headers["x-request-id"].clone();
        introduce(&mut headers, wanted, &PeerAddr::Unix, false);
        assert_eq!((headers.len(), &headers["x-request-id"]), (1, &id));
    }
}
