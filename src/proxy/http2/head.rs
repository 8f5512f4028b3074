//! From header fields to the heads of requests and answers (RFC 9113, section 8).

use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request,
    response,
};

use crate::deadline::{GRPC_TIMEOUT, format_timeout};
use crate::transport::hpack::{Encoder, Field, Name};

/// The fields of one header block, as they come.
#[derive(Debug, Default)]
pub(super) struct Fields {
    method: Option<HeaderValue>,
    scheme: Option<HeaderValue>,
    authority: Option<HeaderValue>,
    path: Option<HeaderValue>,
    status: Option<HeaderValue>,
    headers: HeaderMap,
    length: Option<u64>,
    /// As HTTP/2 counts it (RFC 9113, section 6.5.2).
    size: usize,
    max_size: usize,
    regular: bool,
    malformed: bool,
}

/// What a header block is, where it can be used.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The list is longer than is taken.
    TooLong,
    /// It breaks a rule.
    Malformed,
}

impl Fields {
    pub(super) fn new(max_size: usize) -> Self {
        Self { max_size, ..Self::default() }
    }

    /// One more field.
    pub(super) fn add(&mut self, field: Field<'_>) {
        self.size = self.size.saturating_add(field.size);
        if self.size > self.max_size || self.malformed {
            return;
        }
        self.malformed = !field.what.is_some_and(|(name, value)| self.take(name, value));
    }

    /// Whether the field may be here.
    fn take(&mut self, name: &Name, value: &HeaderValue) -> bool {
        let place = match name {
            Name::Header(name) => {
                self.regular = true;
                return self.take_header(name, value);
            }
            Name::Method => &mut self.method,
            Name::Scheme => &mut self.scheme,
            Name::Authority => &mut self.authority,
            Name::Path => &mut self.path,
            Name::Status => &mut self.status,
            // Nobody was told that it might be used (RFC 8441).
            Name::Protocol => return false,
        };
        let first = place.is_none() && !self.regular;
        *place = Some(value.clone());
        first
    }

    fn take_header(&mut self, name: &HeaderName, value: &HeaderValue) -> bool {
        match name.as_str() {
            // RFC 9113, section 8.2.2.
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => {
                return false;
            }
            "te" if value.as_bytes() != b"trailers" => return false,
            "content-length" => {
                // "+1" is a number to Rust.
                let digits = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                let Some(length) = digits.and_then(|digits| digits.parse().ok()) else { return false };
                if self.length.is_some_and(|before| before != length) {
                    return false;
                }
                self.length = Some(length);
                self.headers.insert(CONTENT_LENGTH, value.clone());
                return true;
            }
            _ => {}
        }
        self.headers.try_append(name.clone(), value.clone()).is_ok()
    }

    /// How much DATA is to come, where it is said.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.size > self.max_size {
            return Err(Wrong::TooLong);
        }
        if self.malformed { Err(Wrong::Malformed) } else { Ok(()) }
    }

    /// The head of a request.
    pub(super) fn request(self, known: &mut Known) -> Result<request::Parts, Wrong> {
        self.check()?;
        let method = match self.method.as_ref().map(HeaderValue::as_bytes) {
            Some(b"POST") => Method::POST,
            Some(b"GET") => Method::GET,
            Some(other) => Method::from_bytes(other).map_err(|_| Wrong::Malformed)?,
            None => return Err(Wrong::Malformed),
        };
        let connect = method == Method::CONNECT;
        if self.status.is_some() || connect != (self.path.is_none() && self.scheme.is_none()) {
            return Err(Wrong::Malformed);
        }
        let mut uri = http::uri::Parts::default();
        if let Some(authority) = &self.authority {
            uri.authority = Some(known.authority(authority).ok_or(Wrong::Malformed)?);
        }
        if !connect {
            let (Some(scheme), Some(path)) = (&self.scheme, &self.path) else { return Err(Wrong::Malformed) };
            uri.path_and_query = Some(known.path(path).ok_or(Wrong::Malformed)?);
            // Without an authority a scheme has no place in what is a URI here.
            if uri.authority.is_some() {
                uri.scheme = Some(match scheme.as_bytes() {
                    b"http" => Scheme::HTTP,
                    b"https" => Scheme::HTTPS,
                    other => Scheme::try_from(other).map_err(|_| Wrong::Malformed)?,
                });
            }
        }
        let mut parts = Request::new(()).into_parts().0;
        parts.method = method;
        parts.uri = Uri::from_parts(uri).map_err(|_| Wrong::Malformed)?;
        parts.version = Version::HTTP_2;
        parts.headers = self.headers;
        Ok(parts)
    }

    /// The head of an answer.
    pub(super) fn response(self) -> Result<response::Parts, Wrong> {
        self.check()?;
        let request = self.method.is_some() || self.scheme.is_some() || self.path.is_some();
        let status = self.status.filter(|_| !request && self.authority.is_none());
        let status = status.and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
        let mut parts = Response::new(()).into_parts().0;
        // RFC 9113, section 8.6: there is no switching of protocols.
        parts.status =
            status.filter(|status| *status != StatusCode::SWITCHING_PROTOCOLS).ok_or(Wrong::Malformed)?;
        parts.version = Version::HTTP_2;
        parts.headers = self.headers;
        Ok(parts)
    }

    /// Trailers.
    pub(super) fn trailers(self) -> Result<HeaderMap, Wrong> {
        self.check()?;
        let pseudo = [self.method, self.scheme, self.authority, self.path, self.status];
        if pseudo.iter().any(Option::is_some) { Err(Wrong::Malformed) } else { Ok(self.headers) }
    }
}

/// What was parsed last: most requests of a connection go where the one before went.
#[derive(Debug, Default)]
pub(super) struct Known {
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
    /// Whether the peer is on a unix socket.
    local: bool,
}

impl Known {
    pub(super) fn new(local: bool) -> Self {
        Self { local, ..Self::default() }
    }

    fn authority(&mut self, value: &HeaderValue) -> Option<Authority> {
        match &self.authority {
            Some(known) if known.as_str().as_bytes() == value.as_bytes() => {}
            _ => {
                self.authority = Some(match Authority::try_from(value.as_bytes()) {
                    Ok(authority) => authority,
                    // There clients name the socket's path, each in its way.
                    Err(_) if self.local => Authority::from_static("localhost"),
                    Err(_) => return None,
                });
            }
        }
        self.authority.clone()
    }

    fn path(&mut self, value: &HeaderValue) -> Option<PathAndQuery> {
        match &self.path {
            Some(known) if known.as_str().as_bytes() == value.as_bytes() => {}
            _ => {
                let bytes = value.as_bytes();
                // RFC 9113, section 8.3.1.
                if !bytes.starts_with(b"/") && bytes != b"*" {
                    return None;
                }
                self.path = Some(PathAndQuery::try_from(bytes).ok()?);
            }
        }
        self.path.clone()
    }
}

/// The head of a request on its way to a backend. What differs from the client's stands beside its headers, so that
/// these need no copy.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Onward<'a> {
    pub(in crate::proxy) method: &'a Method,
    pub(in crate::proxy) https: bool,
    pub(in crate::proxy) authority: &'a str,
    pub(in crate::proxy) path: &'a str,
    pub(in crate::proxy) headers: &'a HeaderMap,
    /// The header that is left out.
    pub(in crate::proxy) without: Option<HeaderName>,
    /// What stands in the place of `grpc-timeout`.
    pub(in crate::proxy) timeout: Option<Duration>,
}

impl Onward<'_> {
    pub(super) fn encode(&self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        encoder.begin(out);
        encoder.method(out, self.method);
        encoder.scheme(out, self.https);
        encoder.authority(out, self.authority);
        encoder.path(out, self.path);
        for (name, value) in self.headers {
            let replaced = self.timeout.is_some() && *name == GRPC_TIMEOUT;
            if !replaced && self.without.as_ref() != Some(name) {
                encoder.header(out, name, value);
            }
        }
        if let Some(span) = self.timeout {
            encoder.timeout(out, span);
        }
    }

    /// One that holds what it needs.
    pub(super) fn keep(&self) -> Kept {
        let mut headers = self.headers.clone();
        if let Some(without) = &self.without {
            headers.remove(without);
        }
        // What it waits here is not taken off: the deadline is kept on this side, too.
        if let Some(span) = self.timeout
            && let Ok(value) = HeaderValue::try_from(format_timeout(span))
        {
            headers.insert(&GRPC_TIMEOUT, value);
        }
        Kept {
            method: self.method.clone(),
            https: self.https,
            authority: self.authority.to_owned(),
            path: self.path.to_owned(),
            headers,
        }
    }
}

/// The head of a request that waits until the peer takes more.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) method: Method,
    https: bool,
    authority: String,
    path: String,
    headers: HeaderMap,
}

impl Kept {
    pub(super) fn onward(&self) -> Onward<'_> {
        Onward {
            method: &self.method,
            https: self.https,
            authority: &self.authority,
            path: &self.path,
            headers: &self.headers,
            without: None,
            timeout: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(Name, &'static str)]) -> Fields {
        let mut fields = Fields::new(1000);
        for (name, value) in list {
            let value = HeaderValue::from_static(value);
            fields.add(Field { size: name.len() + value.len() + 32, what: Some((name, &value)) });
        }
        fields
    }

    fn named(name: &'static str) -> Name {
        Name::Header(HeaderName::from_static(name))
    }

    fn get() -> Vec<(Name, &'static str)> {
        vec![
            (Name::Method, "GET"),
            (Name::Scheme, "http"),
            (Name::Path, "/a?b=c"),
            (Name::Authority, "host:1"),
            (named("k"), "1"),
            (named("k"), "2"),
        ]
    }

    #[test]
    fn a_request_is_read() {
        let parts = fields(&get()).request(&mut Known::default()).unwrap();
        assert_eq!(parts.uri.to_string(), "http://host:1/a?b=c");
        assert_eq!(parts.headers.get_all("k").iter().collect::<Vec<_>>(), ["1", "2"]);
        let without = [(Name::Method, "OPTIONS"), (Name::Scheme, "http"), (Name::Path, "*")];
        assert_eq!(fields(&without).request(&mut Known::default()).unwrap().uri.path(), "*");
        let connect = [(Name::Method, "CONNECT"), (Name::Authority, "host:1")];
        assert_eq!(fields(&connect).request(&mut Known::default()).unwrap().uri.to_string(), "host:1");
    }

    #[test]
    fn what_breaks_the_rules_is_malformed() {
        let with = |more: &[(Name, &'static str)]| [get(), more.to_vec()].concat();
        let without = |at: usize| {
            let mut list = get();
            list.remove(at);
            list
        };
        for (what, list) in [
            ("a pseudo-header behind a header", with(&[(Name::Status, "200")])),
            ("no method", without(0)),
            ("no scheme", without(1)),
            ("no path", without(2)),
            ("a connection header", with(&[(named("connection"), "close")])),
            ("an upgrade", with(&[(named("upgrade"), "h2c")])),
            ("te", with(&[(named("te"), "gzip")])),
            ("a length that is none", with(&[(named("content-length"), "-1")])),
            ("two lengths", with(&[(named("content-length"), "1"), (named("content-length"), "2")])),
            ("a method twice", [vec![(Name::Method, "GET")], get()].concat()),
            ("a protocol", [vec![(Name::Protocol, "websocket")], get()].concat()),
            ("a relative path", {
                let mut list = get();
                list[2].1 = "a";
                list
            }),
        ] {
            let wrong = fields(&list).request(&mut Known::default());
            assert!(matches!(wrong, Err(Wrong::Malformed)), "{what}: {wrong:?}");
        }
        assert!(matches!(fields(&[(Name::Status, "101")]).response(), Err(Wrong::Malformed)));
        assert!(matches!(fields(&[(Name::Status, "20")]).response(), Err(Wrong::Malformed)));
        assert!(matches!(fields(&get()).response(), Err(Wrong::Malformed)));
        assert!(matches!(fields(&[(Name::Status, "200")]).trailers(), Err(Wrong::Malformed)));
    }

    #[test]
    fn a_list_is_measured() {
        let mut fields = fields(&get());
        let value = HeaderValue::from_str(&"x".repeat(1000)).unwrap();
        fields.add(Field { size: 1037, what: Some((&named("long"), &value)) });
        assert!(matches!(fields.request(&mut Known::default()), Err(Wrong::TooLong)));
    }

    #[test]
    fn what_is_known_is_not_parsed_again() {
        let mut known = Known::default();
        for path in ["/a", "/a", "/b"] {
            assert_eq!(known.path(&HeaderValue::from_static(path)).unwrap().as_str(), path);
        }
        for host in ["a", "a", "b:1"] {
            assert_eq!(known.authority(&HeaderValue::from_static(host)).unwrap().as_str(), host);
        }
    }
}
