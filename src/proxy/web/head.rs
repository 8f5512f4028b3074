//! The beginning and the end of a call, in gRPC-Web and in gRPC.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

/// What all content types of gRPC-Web begin with; `-text` and `+proto` may follow.
const WEB: &str = "application/grpc-web";

/// The flag of a frame that has trailers (PROTOCOL-WEB.md, "Message framing").
const TRAILERS: u8 = 0x80;

/// How a call is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// The request comes as base64.
    pub(super) text_in: bool,
    /// The answer goes as base64.
    pub(super) text_out: bool,
    /// `+proto`, or what else the messages are.
    suffix: String,
}

/// Whether a request is gRPC-Web.
pub(in crate::proxy) fn is_web(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(read).is_some()
}

/// Whether a media type of gRPC-Web stands for text, and what follows the `+`; `None` where it is none.
fn read(media: &str) -> Option<(bool, &str)> {
    let media = media.split(';').next().unwrap_or_default().trim();
    let (start, rest) = media.split_at_checked(WEB.len())?;
    if !start.eq_ignore_ascii_case(WEB) {
        return None;
    }
    let (kind, suffix) = rest.find('+').map_or((rest, ""), |at| rest.split_at(at));
    match kind.to_ascii_lowercase().as_str() {
        "" => Some((false, suffix)),
        "-text" | "-text-base64" => Some((true, suffix)),
        _ => None,
    }
}

impl Shape {
    /// The answer is written as the client accepts it; where it does not say, as its request was.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(read);
        let (text_in, suffix) = said.unwrap_or_default();
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted = accepted.flat_map(|list| list.split(',')).find_map(read);
        let text_out = accepted.map_or(text_in, |(text, _)| text);
        Self { text_in, text_out, suffix: suffix.to_owned() }
    }

    /// The content type of the answer; `grpc` is the backend's.
    fn answer(&self, grpc: Option<&HeaderValue>) -> Option<HeaderValue> {
        let suffix =
            grpc.and_then(|value| value.to_str().ok()).and_then(|text| text.find('+').map(|at| &text[at..]));
        let suffix = suffix.unwrap_or("+proto");
        let text = if self.text_out { "-text" } else { "" };
        HeaderValue::try_from(format!("{WEB}{text}{suffix}")).ok()
    }
}

/// The request as gRPC has it. What a client says of itself stays, `x-user-agent` too.
pub(super) fn request(head: &Parts, shape: &Shape, tls: bool) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = head.headers.clone();
    let host = head.headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = head.uri.path_and_query().cloned();
    uri.authority = head.uri.authority().cloned().or(host);
    if uri.authority.is_some() {
        uri.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
        *request.version_mut() = Version::HTTP_2;
    }
    // Its parts were parts of one before.
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    let headers = request.headers_mut();
    for gone in [ACCEPT, CONTENT_LENGTH, HOST] {
        headers.remove(gone);
    }
    headers.remove("x-grpc-web");
    if let Ok(grpc) = HeaderValue::try_from(format!("application/grpc{}", shape.suffix)) {
        headers.insert(CONTENT_TYPE, grpc);
    }
    headers.insert(TE, HeaderValue::from_static("trailers"));
    request
}

/// Whether the body as a whole is compressed, which nobody here undoes.
pub(super) fn is_compressed(head: &Parts) -> bool {
    head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
}

/// Makes the headers of a gRPC answer those of a gRPC-Web answer.
pub(super) fn answer(headers: &mut HeaderMap, shape: &Shape) {
    headers.remove(CONTENT_LENGTH);
    if let Some(web) = shape.answer(headers.get(CONTENT_TYPE)) {
        headers.insert(CONTENT_TYPE, web);
    }
}

/// The last frame of an answer: the trailers as a block of headers.
pub(super) fn trailers(trailers: &HeaderMap) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in trailers {
        block.put_slice(name.as_str().as_bytes());
        block.put_slice(b": ");
        block.put_slice(value.as_bytes());
        block.put_slice(b"\r\n");
    }
    let mut frame = BytesMut::with_capacity(block.len() + 5);
    frame.put_u8(TRAILERS);
    // Trailers came in one header list, whose size is bounded far below.
    frame.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    frame.put_slice(&block);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(content_type: &str, more: &[(&str, &str)]) -> Parts {
        let mut request = Request::post("/a.B/C?x").header("content-type", content_type);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn content_types_tell_what_is_spoken() {
        for (media, text) in [
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("Application/gRPC-Web+json; charset=utf-8", false),
            ("application/grpc-web-text", true),
            ("application/grpc-web-text+proto", true),
            ("application/grpc-web-text-base64", true),
        ] {
            let head = head(media, &[]);
            assert!(is_web(&head.headers), "{media}");
            assert_eq!(Shape::new(&head.headers).text_in, text, "{media}");
        }
        for other in ["application/grpc", "application/grpc+proto", "application/grpc-webs", "text/plain", ""]
        {
            assert!(!is_web(&head(other, &[]).headers), "{other}");
        }
    }

    #[test]
    fn the_answer_is_written_as_it_is_accepted() {
        let shape =
            |content_type, accept: &str| Shape::new(&head(content_type, &[("accept", accept)]).headers);
        assert!(shape("application/grpc-web", "application/grpc-web-text").text_out);
        assert!(!shape("application/grpc-web-text", "application/grpc-web+proto").text_out);
        assert!(shape("application/grpc-web-text", "*/*").text_out);
        let text = shape("application/grpc-web-text", "*/*");
        let grpc = HeaderValue::from_static("application/grpc+json");
        assert_eq!(text.answer(Some(&grpc)).unwrap(), "application/grpc-web-text+json");
        assert_eq!(text.answer(None).unwrap(), "application/grpc-web-text+proto");
    }

    #[test]
    fn a_request_becomes_one_of_grpc() {
        let more = [
            ("host", "h:1"),
            ("accept", "application/grpc-web-text"),
            ("x-grpc-web", "1"),
            ("x-user-agent", "grpc-web-javascript/0.1"),
            ("content-length", "7"),
            ("grpc-timeout", "1S"),
        ];
        let head = head("application/grpc-web-text+proto", &more);
        let request = request(&head, &Shape::new(&head.headers), true);
        assert_eq!(request.uri().to_string(), "https://h:1/a.B/C?x");
        let headers = request.headers();
        assert_eq!(headers["content-type"], "application/grpc+proto");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["x-user-agent"], "grpc-web-javascript/0.1");
        assert_eq!(headers["grpc-timeout"], "1S");
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn trailers_become_a_frame() {
        let mut map = HeaderMap::new();
        map.insert("grpc-status", HeaderValue::from_static("0"));
        map.insert("x-a", HeaderValue::from_static("b"));
        assert_eq!(&trailers(&map)[..], b"\x80\0\0\0\x18grpc-status: 0\r\nx-a: b\r\n");
    }
}
