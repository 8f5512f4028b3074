//! The head of a request on its way to a backend.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::http2::Onward;
use super::settings::Forwarded;
use super::trace;
use crate::deadline::Deadline;
use crate::server::stream::PeerAddr;

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
/// `deadline` replaces `grpc-timeout` by what is left of it, rounded up. None where nobody says which host is meant.
pub(super) fn onward<'a>(
    head: &'a Parts,
    https: bool,
    authority: Option<&'a Authority>,
    deadline: Option<Deadline>,
) -> Option<Onward<'a>> {
    let named = match authority.or(head.uri.authority()) {
        Some(authority) => authority.as_str(),
        None => {
            // A client may name the host in the old way; without either there is no request to make of it.
            let host = head.headers.get(HOST)?.to_str().ok()?;
            Authority::try_from(host).is_ok().then_some(host)?
        }
    };
    Some(Onward {
        method: &head.method,
        https,
        authority: named,
        path: head.uri.path_and_query()?.as_str(),
        headers: &head.headers,
        without: authority.map(|_| HOST),
        timeout: deadline.map(Deadline::remaining),
    })
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
    use http::Request;
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
        let sent = onward(&head, false, None, None).unwrap();
        assert_eq!((sent.https, sent.authority, sent.path), (false, "front:1", "/a.B/C?x=%20"));
        assert!(sent.without.is_none() && sent.timeout.is_none() && *sent.headers == head.headers);
        let left = Some(Deadline::after(Duration::from_secs(1)));
        let inner = Authority::from_static("inner");
        let sent = onward(&head, true, Some(&inner), left).unwrap();
        assert_eq!((sent.https, sent.authority, sent.path), (true, "inner", "/a.B/C?x=%20"));
        assert!(sent.timeout.unwrap() <= Duration::from_secs(1) && sent.without.unwrap() == "host");
    }

    #[test]
    fn the_host_header_stands_for_a_missing_authority() {
        let with_host = head("/a.B/C", &[("host", "old:7")]);
        assert_eq!(onward(&with_host, false, None, None).unwrap().authority, "old:7");
        assert!(onward(&head("/a.B/C", &[]), false, None, None).is_none());
        assert!(onward(&head("/a.B/C", &[("host", "a b")]), false, None, None).is_none());
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
