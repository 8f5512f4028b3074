//! Heads of HTTP/1.1 messages (RFC 9112): read strictly, and written anew.
//!
//! Two servers that find different ends of one message can be made to see different requests. So whatever could be
//! read in two ways is refused, and what is sent on is never what came but what was understood.

use bytes::{BufMut as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::body::Framing;
use super::refusal::Refusal;
use crate::error::quote;
use crate::proxy::headers::HOP_BY_HOP;

/// What has a hyphen, and says where a message ends.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "proxy-connection"];

/// How many headers a message may have.
const MAX_HEADERS: usize = 128;

/// A request as it was understood.
#[derive(Debug)]
pub(super) struct Asked {
    /// Without what was meant for this hop only.
    pub(super) parts: Parts,
    pub(super) body: Framing,
    /// The client speaks HTTP/1.0.
    pub(super) old: bool,
    /// The client would use the connection again.
    pub(super) keep: bool,
    /// The protocols that the client would rather speak.
    pub(super) upgrade: Option<HeaderValue>,
}

/// The head of an answer as it was understood.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    /// Without what was meant for this hop only.
    pub(super) headers: HeaderMap,
    pub(super) body: Framing,
    /// The backend would use the connection again.
    pub(super) keep: bool,
    /// The protocol that the backend speaks from here on.
    pub(super) upgrade: Option<HeaderValue>,
}

/// Where a head ends, if its end is there. `looked` is how far earlier calls have looked.
fn end(buf: &[u8], looked: &mut usize) -> Option<usize> {
    let from = looked.saturating_sub(3);
    let rest = buf.get(from..).unwrap_or_default();
    let found = rest.iter().enumerate().find_map(|(at, byte)| match (byte, rest.get(at + 1..)) {
        (b'\n', Some([b'\n', ..])) => Some(at + 2),
        (b'\n', Some([b'\r', b'\n', ..])) => Some(at + 3),
        _ => None,
    });
    *looked = buf.len();
    found.map(|at| from + at)
}

/// Takes a request's head off `buf`, once it is there.
///
/// # Errors
///
/// What the client is told, where it is none, or too long.
pub(super) fn request(buf: &mut BytesMut, looked: &mut usize, max: usize) -> Result<Option<Asked>, Refusal> {
    // RFC 9112, section 2.2: an empty line before a request is of no meaning.
    while let Some(blank) = blank(buf) {
        bytes::Buf::advance(buf, blank);
        *looked = 0;
    }
    let Some(end) = end(buf, looked).filter(|end| *end <= max) else {
        return if buf.len() < max { Ok(None) } else { Err(Refusal::too_long(buf, max)) };
    };
    let head = buf.split_to(end);
    *looked = 0;
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(&head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::bad("the request has no end")),
        Err(error) => return Err(Refusal::unreadable(&head, error)),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Refusal::bad("the request has no request line"));
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| {
        Refusal::bad(format!("the method {} is none; expected a token, as GET is", quote(method)))
    })?;
    let headers = header_map(parsed.headers).map_err(Refusal::bad)?;
    understand(method, target, version == 0, headers).map(Some)
}

/// How many bytes an empty line at the beginning takes.
fn blank(buf: &[u8]) -> Option<usize> {
    match buf {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

fn header_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| format!("the header name {} is none", quote(field.name)))?;
        let value = HeaderValue::from_bytes(field.value)
            .map_err(|_| format!("the value of the header {} is none", quote(field.name)))?;
        headers.try_append(name, value).map_err(|_| "there are too many headers".to_owned())?;
    }
    Ok(headers)
}

fn understand(method: Method, target: &str, old: bool, headers: HeaderMap) -> Result<Asked, Refusal> {
    if method == Method::CONNECT {
        return Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "CONNECT is not served here: this proxy stands before its backends, not before the world",
        ));
    }
    // RFC 9110, section 9.3.8: it is told back what it said, and what the proxy added to it.
    if method == Method::TRACE {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not served here"));
    }
    if let Some(name) = headers.keys().find(|name| is_look_alike(name)) {
        return Err(Refusal::bad(format!(
            "the header {} is taken for another by servers that read _ as -; expected it with -",
            quote(name.as_str())
        )));
    }
    let wrong = || {
        let text = format!("the request target {} is none; expected a path, as in GET /path", quote(target));
        Refusal::bad(text)
    };
    let uri = Uri::try_from(target).map_err(|_| wrong())?;
    let has_path =
        target.starts_with('/') || uri.scheme().is_some() || (method == Method::OPTIONS && target == "*");
    if !has_path {
        return Err(wrong());
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Refusal::bad("the request has more than one host header")),
        (None, _) if !old => {
            return Err(Refusal::bad("the request has no host header; HTTP/1.1 expects one"));
        }
        (Some(host), _) if !host.is_empty() && Authority::try_from(host.as_bytes()).is_err() => {
            let text = String::from_utf8_lossy(host.as_bytes()).into_owned();
            return Err(Refusal::bad(format!("the host {} is none", quote(&text))));
        }
        _ => {}
    }
    let body = framing(&headers, old).map_err(|(status, text)| Refusal::new(status, text))?;
    let body = body.unwrap_or(Framing::None);
    let listed = Listed::read(&headers);
    let keep = if old { listed.keep_alive && !listed.close } else { !listed.close };
    let upgrade = headers.get(UPGRADE).filter(|_| listed.upgrade && !old).filter(|wanted| is_carried(wanted));
    let upgrade = upgrade.cloned();
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = if old { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.headers_mut() = headers;
    let (mut parts, ()) = request.into_parts();
    strip(&mut parts.headers, &listed);
    if old {
        // There are no interim answers in HTTP/1.0.
        parts.headers.remove(EXPECT);
    }
    Ok(Asked { parts, body, old, keep, upgrade })
}

/// Whether a name is one of those that frame or route a message, for who makes `CONTENT_LENGTH` of both (RFC 3875,
/// section 4.1.18).
fn is_look_alike(name: &HeaderName) -> bool {
    let name = name.as_str();
    let alike = |known: &str| {
        name.len() == known.len()
            && name.bytes().zip(known.bytes()).all(|(a, b)| a == b || (a, b) == (b'_', b'-'))
    };
    name.contains('_') && FRAMING.into_iter().any(alike)
}

/// HTTP/2 that is begun in HTTP/1.1 (RFC 7540, section 3.2; obsolete) would carry requests past the routes: such a
/// client is answered in HTTP/1.1, as by a server that does not know it.
fn is_carried(upgrade: &HeaderValue) -> bool {
    !tokens(upgrade).any(|token| token.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("h2")))
}

/// What the header `connection` lists.
#[derive(Debug, Default)]
struct Listed {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    names: Vec<HeaderName>,
}

impl Listed {
    fn read(headers: &HeaderMap) -> Self {
        let mut listed = Self::default();
        for token in headers.get_all(CONNECTION).iter().flat_map(tokens) {
            if token.eq_ignore_ascii_case("close") {
                listed.close = true;
            } else if token.eq_ignore_ascii_case("keep-alive") {
                listed.keep_alive = true;
            } else if token.eq_ignore_ascii_case("upgrade") {
                listed.upgrade = true;
            } else if let Ok(name) = HeaderName::from_bytes(token.as_bytes()) {
                listed.names.push(name);
            }
        }
        listed
    }
}

/// The parts of a list that is divided by commas.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// Removes what is meant for this hop only (RFC 9110, section 7.6.1). What says where the message ends, and whose it
/// is, stays: a list that names these would have the next hop read it in another way.
fn strip(headers: &mut HeaderMap, listed: &Listed) {
    for name in listed.names.iter().filter(|name| **name != CONTENT_LENGTH && **name != HOST) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("http2-settings");
}

/// How a message says that its body ends (RFC 9112, section 6.3); `None` where it says nothing.
fn framing(headers: &HeaderMap, old: bool) -> Result<Option<Framing>, (StatusCode, String)> {
    let bad = |text: String| Err((StatusCode::BAD_REQUEST, text));
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            bad("the message has both content-length and transfer-encoding; expected one of them".into())
        }
        (Some(length), None) => {
            let digits = length.to_str().unwrap_or_default();
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            match digits.parse() {
                Ok(number) if is_number && lengths.next().is_none() => Ok(Some(Framing::Fixed(number))),
                _ => bad(format!("the content-length {} is none; expected one number", quote(digits))),
            }
        }
        (None, Some(_)) if old => bad("transfer-encoding is not known in HTTP/1.0".into()),
        (None, Some(coding)) => {
            let text = coding.to_str().unwrap_or_default();
            if codings.next().is_none() && text.eq_ignore_ascii_case("chunked") {
                return Ok(Some(Framing::Chunked));
            }
            let text = format!("the transfer-encoding {} is not known; expected chunked, once", quote(text));
            Err((StatusCode::NOT_IMPLEMENTED, text))
        }
    }
}

/// The head of a request to a backend. `host` stands in the place of the client's.
pub(super) fn write_request(asked: &Asked, host: Option<&str>, out: &mut BytesMut) {
    let parts = &asked.parts;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    line(out, &[parts.method.as_str(), " ", target, " HTTP/1.1"]);
    // An absolute target says whose it is, whatever the header says (RFC 9112, section 3.2.2).
    let absolute = parts.uri.authority().map(Authority::as_str);
    let named = parts.headers.get(HOST).map(HeaderValue::as_bytes);
    field(out, HOST.as_str(), host.or(absolute).map(str::as_bytes).or(named).unwrap_or_default());
    for (name, value) in parts.headers.iter().filter(|(name, _)| **name != HOST && **name != CONTENT_LENGTH) {
        field(out, name.as_str(), value.as_bytes());
    }
    write_framing(asked.body, out);
    write_upgrade(asked.upgrade.as_ref(), out);
    out.put_slice(b"\r\n");
}

/// The head of an answer to a client. `body` is how it is sent, which may be other than it came.
pub(super) fn write_answer(answered: &Answered, body: Framing, keep: Option<bool>, out: &mut BytesMut) {
    line(out, &["HTTP/1.1 ", answered.status.as_str(), " ", &answered.reason]);
    for (name, value) in &answered.headers {
        // Where there is no body, the length is that of another answer (HEAD, 304): it is passed on.
        if *name != CONTENT_LENGTH || body == Framing::None {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    write_framing(body, out);
    match keep {
        Some(true) => field(out, "connection", b"keep-alive"),
        Some(false) => field(out, "connection", b"close"),
        None => write_upgrade(answered.upgrade.as_ref(), out),
    }
    out.put_slice(b"\r\n");
}

fn write_framing(body: Framing, out: &mut BytesMut) {
    match body {
        Framing::Fixed(length) => field(out, "content-length", length.to_string().as_bytes()),
        Framing::Chunked => field(out, "transfer-encoding", b"chunked"),
        Framing::None | Framing::Close => {}
    }
}

fn write_upgrade(upgrade: Option<&HeaderValue>, out: &mut BytesMut) {
    if let Some(upgrade) = upgrade {
        field(out, "connection", b"upgrade");
        field(out, "upgrade", upgrade.as_bytes());
    }
}

fn line(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
    out.put_slice(b"\r\n");
}

pub(super) fn field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// The longest head of an answer.
const MAX_ANSWER: usize = 256 << 10;

/// Takes the head of an answer to `method` off `buf`, once it is there.
///
/// # Errors
///
/// A sentence: why it is none.
pub(super) fn answer(
    buf: &mut BytesMut,
    looked: &mut usize,
    method: &Method,
) -> Result<Option<Answered>, String> {
    let start = b"HTTP/1.";
    if buf.iter().zip(start).any(|(a, b)| a != b) {
        let begins: Vec<u8> = buf.iter().take(32).copied().collect();
        let begins = quote(&String::from_utf8_lossy(&begins));
        return Err(format!("its answer begins with {begins}, which is not HTTP/1.1"));
    }
    let Some(end) = end(buf, looked) else {
        let long = buf.len() >= MAX_ANSWER;
        return if long {
            Err(format!("the head of its answer is beyond {MAX_ANSWER} bytes"))
        } else {
            Ok(None)
        };
    };
    let head = buf.split_to(end);
    *looked = 0;
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut fields);
    match parsed.parse(&head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err("the head of its answer has no end".into()),
        Err(error) => return Err(format!("the head of its answer cannot be read: {error}")),
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(status), Some(version)) = (status, parsed.version) else {
        return Err("its answer has no status".into());
    };
    let headers = header_map(parsed.headers).map_err(|error| format!("in its answer {error}"))?;
    let said = framing(&headers, version == 0).map_err(|(_, error)| format!("in its answer {error}"))?;
    let without = *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if without { Framing::None } else { said.unwrap_or(Framing::Close) };
    let listed = Listed::read(&headers);
    let upgrade = headers.get(UPGRADE).filter(|_| status == StatusCode::SWITCHING_PROTOCOLS).cloned();
    let keep = version == 1 && !listed.close && body != Framing::Close;
    let reason = parsed.reason.unwrap_or_default().to_owned();
    let mut headers = headers;
    // With 426 it names what the client should ask for (RFC 9110, section 15.5.22).
    let offer = headers.get(UPGRADE).filter(|_| status == StatusCode::UPGRADE_REQUIRED).cloned();
    strip(&mut headers, &listed);
    let answered = Answered { status, reason, headers, body, keep, upgrade: upgrade.or(offer) };
    Ok(Some(answered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Asked>, Refusal> {
        request(&mut BytesMut::from(text), &mut 0, 1000)
    }

    fn sent(asked: &Asked, host: Option<&str>) -> String {
        let mut out = BytesMut::new();
        write_request(asked, host, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_request_is_written_as_it_was_understood() {
        let text = "\r\nPOST /a?b HTTP/1.1\r\nHost: h:1\r\nX-One: 1\r\nConnection: keep-alive, X-Mine\r\n\
                    X-Mine: 2\r\nTE: trailers\r\nContent-Length: 05\r\nX-Two: \t2 \r\n\r\nrest";
        let mut buf = BytesMut::from(text);
        let asked = request(&mut buf, &mut 0, 1000).unwrap().unwrap();
        assert_eq!(&buf[..], b"rest");
        assert!(asked.keep && !asked.old);
        assert_eq!(asked.body, Framing::Fixed(5));
        assert_eq!(
            sent(&asked, None),
            "POST /a?b HTTP/1.1\r\nhost: h:1\r\nx-one: 1\r\nx-two: 2\r\ncontent-length: 5\r\n\r\n"
        );
        assert!(sent(&asked, Some("other")).contains("\r\nhost: other\r\n"));
    }

    #[test]
    fn an_absolute_target_says_whose_it_is() {
        let asked = read("GET http://real:8/x HTTP/1.1\r\nHost: other\r\n\r\n").unwrap().unwrap();
        assert_eq!(sent(&asked, None), "GET /x HTTP/1.1\r\nhost: real:8\r\n\r\n");
        assert_eq!(asked.parts.uri.path(), "/x");
        let all = read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().unwrap();
        assert!(sent(&all, None).starts_with("OPTIONS * HTTP/1.1\r\n"));
    }

    #[test]
    fn heads_that_come_in_pieces_wait_for_their_end() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut buf = BytesMut::new();
        let mut looked = 0;
        for (at, byte) in text.iter().enumerate() {
            buf.put_u8(*byte);
            let whole = request(&mut buf, &mut looked, 1000).unwrap().is_some();
            assert_eq!(whole, at + 1 == text.len());
        }
        // A line may end with LF alone (RFC 9112, section 2.2); what is sent on does not.
        let asked = read("GET / HTTP/1.1\nHost: a\n\n").unwrap().unwrap();
        assert_eq!(sent(&asked, None), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let bad = [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
            ("Content-Length: 5\r\nContent-Length: 6", 400),
            ("Content-Length: 5\r\nContent-Length: 5", 400),
            ("Content-Length: 5, 5", 400),
            ("Content-Length: +5", 400),
            ("Content-Length: -5", 400),
            ("Content-Length: 0x5", 400),
            ("Content-Length:", 400),
            ("Content-Length: 99999999999999999999", 400),
            ("Transfer-Encoding: xchunked", 501),
            ("Transfer-Encoding: chunked, identity", 501),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
            ("Transfer-Encoding : chunked", 400),
            ("Transfer-Encoding:\u{b}chunked", 400),
            ("X: 1\r\n folded", 400),
            ("Host: b", 400),
            ("X\0: 1", 400),
            ("X: a\0b", 400),
            ("X: a\rb", 400),
            ("Content_Length: 5", 400),
            ("content_length: 5\r\nContent-Length: 5", 400),
            ("TRANSFER_ENCODING: chunked", 400),
            ("transfer_encoding: chunked\r\nContent-Length: 5", 400),
        ];
        for (headers, status) in bad {
            let refusal = read(&format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n")).unwrap_err();
            assert_eq!(refusal.status.as_u16(), status, "{headers:?}: {refusal:?}");
        }
        for (line, status) in [
            ("GET / HTTP/1.2", 505),
            ("GET / HTTP/2.0", 505),
            ("GET /", 400),
            ("GET", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET / x HTTP/1.1", 505),
            ("GET nothing HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("CONNECT a:1 HTTP/1.1", 501),
            ("TRACE / HTTP/1.1", 405),
            ("GET / HTTP/1.1\r\n\r\n", 400),
        ] {
            let refusal = read(&format!("{line}\r\nHost: a\r\n\r\n"));
            let told = refusal.as_ref().err().map(|r| r.status.as_u16());
            assert_eq!(told, Some(status), "{line:?}: {refusal:?}");
        }
        assert_eq!(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err().status, 400);
        let mut long = BytesMut::from(&*format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(1000)));
        assert_eq!(request(&mut long, &mut 0, 1000).unwrap_err().status, 431);
        let mut long = BytesMut::from(&*format!("GET /{}", "y".repeat(1000)));
        assert_eq!(request(&mut long, &mut 0, 1000).unwrap_err().status, 414);
    }

    #[test]
    fn lists_do_not_take_away_what_frames_a_message() {
        let text = "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length, host, close\r\nContent-Length: 3\r\n\r\n";
        let asked = read(text).unwrap().unwrap();
        assert!(!asked.keep);
        assert_eq!(sent(&asked, None), "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n");
    }

    #[test]
    fn upgrades_are_passed_on_but_not_the_one_to_http2() {
        let ask = |upgrade: &str| {
            let text = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
                 HTTP2-Settings: x\r\n\r\n"
            );
            sent(&read(&text).unwrap().unwrap(), None)
        };
        assert!(ask("websocket").ends_with("\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"));
        assert_eq!(ask("h2c"), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(ask("foo, H2C"), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let unlisted = read("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").unwrap().unwrap();
        assert_eq!(unlisted.upgrade, None);
    }

    #[test]
    fn answers_say_how_their_bodies_end() {
        let read = |text: &str, method: Method| answer(&mut BytesMut::from(text), &mut 0, &method);
        let body = |text: &str, method: Method| read(text, method).unwrap().unwrap().body;
        let ok = "HTTP/1.1 200 OK\r\n";
        assert_eq!(body(&format!("{ok}Content-Length: 3\r\n\r\n"), Method::GET), Framing::Fixed(3));
        assert_eq!(body(&format!("{ok}Content-Length: 3\r\n\r\n"), Method::HEAD), Framing::None);
        assert_eq!(body(&format!("{ok}Transfer-Encoding: Chunked\r\n\r\n"), Method::GET), Framing::Chunked);
        assert_eq!(body(&format!("{ok}\r\n"), Method::GET), Framing::Close);
        assert_eq!(body("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", Method::GET), Framing::None);
        assert!(!read(&format!("{ok}\r\n"), Method::GET).unwrap().unwrap().keep);
        assert!(read("HTTP/1.1 204\r\n\r\n", Method::GET).unwrap().unwrap().keep);
        for bad in [
            "SSH-2.0-x\r\n",
            "HTTP/2",
            "HTTP/1.1 999999 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
        ] {
            assert!(read(bad, Method::GET).is_err(), "{bad:?}");
        }
        assert!(read("HTTP/1.1 200 OK\r\n", Method::GET).unwrap().is_none());
    }
}
