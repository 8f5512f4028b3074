//! What passes the proxy as it is: heads and trailers with all that is in them, pieces of messages, and who waits for
//! whom; and what must not pass.
#![allow(missing_docs)]

mod proxy_kit;

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Request, Response};
use proxy_kit::calls::{Client, block, message};
use proxy_kit::plain::{Plain, ok};
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, POST, Peer, joined, joined_by, shape};
use proxy_kit::{Running, settings};
use tokio::net::TcpListener;
use viaduct::Code;
use viaduct::proxy::settings::{Forwarded, Retry, Settings};
use viaduct_testkit::frame::{Frame, flag, kind, setting};

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/page"), (":authority", "front.example")];

/// Headers from lines "name: value".
fn headers(lines: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

/// What came back: the interim answer, the head and the trailers.
struct Back {
    interim: Option<Response<()>>,
    head: HeaderMap,
    trailers: Option<HeaderMap>,
}

/// One request through a proxy with these settings: with the head as it arrived at the backend, which answers with
/// `answer`, then these trailers, or with a single frame where there are none.
fn through(
    settings: impl FnOnce(&[std::net::SocketAddr]) -> Settings,
    request: HeaderMap,
    answer: HeaderMap,
    trailers: Option<HeaderMap>,
) -> (Request<()>, Back) {
    block(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Running::start(settings(&[listener.local_addr().unwrap()]));
        let backend = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let (request, mut respond) = connection.accept().await.unwrap().unwrap();
            let mut interim = Response::new(());
            *interim.status_mut() = http::StatusCode::EARLY_HINTS;
            interim.headers_mut().insert("link", HeaderValue::from_static("</a.css>; rel=preload"));
            respond.send_informational(interim).unwrap();
            let mut head = Response::new(());
            *head.headers_mut() = answer;
            let mut body = respond.send_response(head, trailers.is_none()).unwrap();
            if let Some(trailers) = trailers {
                body.send_trailers(trailers).unwrap();
            }
            // The answer still has to leave; the connection ends with the proxy.
            tokio::spawn(async move { while connection.accept().await.is_some() {} });
            request.map(|_| ())
        });
        let client = Client::connect(proxy.addr).await;
        let mut head = Request::post("http://front.example:8080/test.Echo/Unary?x=%20%2F").body(()).unwrap();
        *head.headers_mut() = request;
        let (mut response, _) = client.0.ready().await.unwrap().send_request(head, true).unwrap();
        let interim = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        let (head, mut body) = response.await.unwrap().into_parts();
        let trailers = body.trailers().await.unwrap();
        let back = Back { interim: interim.map(Result::unwrap), head: head.headers, trailers };
        (backend.await.unwrap(), back)
    })
}

const REQUEST: [&str; 10] = [
    "content-type: application/grpc+proto",
    "te: trailers",
    "user-agent: grpc-c/1.2 (linux)",
    "grpc-accept-encoding: identity, gzip",
    "k-bin: AP8K",
    "k-bin: AAAA,////",
    "k-bin: YQ==",
    "x-two: one",
    "x-two: two",
    "x-empty: ",
];
const STATUS: [&str; 6] = [
    "grpc-status: 3",
    "grpc-message: 100%25 na%C3%AFve%0A%",
    "grpc-status-details-bin: CAMSAWE",
    "k-bin: AP8K",
    "k-bin: YQ==",
    "x-two: one",
];
const ANSWER: [&str; 4] =
    ["content-type: application/grpc+proto", "grpc-encoding: identity", "x-two: one", "x-two: two"];

#[test]
fn heads_and_trailers_arrive_as_they_left() {
    let (request, answer, status) = (headers(&REQUEST), headers(&ANSWER), headers(&STATUS));
    let (there, back) = through(settings, request.clone(), answer.clone(), Some(status.clone()));
    assert_eq!(there.uri().to_string(), "http://front.example:8080/test.Echo/Unary?x=%20%2F");
    assert_eq!(*there.headers(), request);
    let interim = back.interim.unwrap();
    assert_eq!(
        (interim.status().as_u16(), interim.headers()["link"].as_bytes()),
        (103, &b"</a.css>; rel=preload"[..])
    );
    assert_eq!(back.head, answer);
    assert_eq!(back.trailers, Some(status.clone()));
    // The same in one frame.
    let mut both = answer;
    both.extend(status);
    let (_, back) = through(settings, request, both.clone(), None);
    assert_eq!((back.head, back.trailers), (both, None));
}

#[test]
fn the_client_is_introduced_only_where_that_is_wanted() {
    let given = |wanted: Forwarded| {
        let settings = |backends: &[_]| {
            let mut settings = settings(backends);
            settings.listeners[0].forwarded = wanted;
            settings
        };
        let mut request = headers(&REQUEST);
        request.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        let ok = headers(&["content-type: application/grpc", "grpc-status: 0"]);
        let (there, _) = through(settings, request.clone(), ok, None);
        let mut there = there.into_parts().0.headers;
        let named = there.remove("x-request-id");
        request.remove("x-forwarded-for");
        let mut said = Vec::new();
        for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded"] {
            said.extend(there.remove(name).map(|value| value.to_str().unwrap().to_owned()));
        }
        assert_eq!(there, request, "and nothing else has changed");
        (said, named.is_some_and(|name| !name.is_empty()))
    };
    assert_eq!(given(Forwarded::default()), (vec!["10.0.0.1".to_owned()], false));
    let x_for = Forwarded { x_forwarded_for: true, ..Forwarded::default() };
    assert_eq!(given(x_for), (vec!["10.0.0.1, 127.0.0.1".to_owned(), "http".to_owned()], false));
    let forwarded = Forwarded { forwarded: true, ..Forwarded::default() };
    let said = vec!["10.0.0.1".to_owned(), "for=127.0.0.1;proto=http".to_owned()];
    assert_eq!(given(forwarded), (said, false));
    let id = Forwarded { request_id: true, ..Forwarded::default() };
    assert_eq!(given(id), (vec!["10.0.0.1".to_owned()], true));
}

#[test]
fn headers_for_one_hop_never_reach_a_backend() {
    // In HTTP/2 they make a request malformed (RFC 9113, section 8.2.2).
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let mut stream = 1;
    for field in [
        ("connection", "x-two"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
    ] {
        let mut head = POST[..5].to_vec();
        head.push(field);
        client.headers(stream, &head, true);
        assert_eq!(shape(&client.stream(stream)), ["RST 1"], "{field:?}");
        stream += 2;
    }
    client.headers(stream, &POST, true);
    let mut backend = listener.accept();
    let head = backend.next().unwrap();
    assert_eq!((head.kind, head.stream), (kind::HEADERS, 1), "it is the first that the backend has seen");
}

#[test]
fn pieces_of_messages_pass_as_they_come() {
    let mut j = joined(false);
    let two = [message(b"first"), message(b"second")].concat();
    // Within a prefix, within a message, and over the border between two.
    for piece in [&two[..3], &two[3..7], &two[7..14]] {
        j.client.data(1, piece, false);
        let frame = j.backend.next().unwrap();
        assert_eq!((frame.kind, &frame.payload[..]), (kind::DATA, piece));
    }
    j.client.data(1, &two[14..], true);
    assert_eq!(shape(&j.backend.stream(j.there)), ["DATA 7 end"]);

    j.backend.headers(j.there, &OK_HEAD, false);
    assert_eq!(shape(&[j.client.next().unwrap()]), ["HEADERS"]);
    for piece in [&two[..3], &two[3..7], &two[7..14]] {
        j.backend.data(j.there, piece, false);
        let frame = j.client.next().unwrap();
        assert_eq!((frame.kind, &frame.payload[..]), (kind::DATA, piece));
    }
    j.backend.data(j.there, &two[14..], false);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["DATA 7", "HEADERS end"]);
}

/// A peer that sends DATA as it is allowed to.
struct Sender {
    peer: Peer,
    stream: u32,
    /// What may still be sent: on the stream, and on the connection.
    room: (u32, u32),
    sent: u32,
}

impl Sender {
    fn new(peer: Peer, stream: u32) -> Self {
        Self { peer, stream, room: (65_535, 65_535), sent: 0 }
    }

    /// Sends everything, while `reader` reads it.
    fn all(mut self, mut reader: Peer, stream: u32) {
        let reader = std::thread::spawn(move || read(&mut reader, stream, MUCH));
        let until = Instant::now() + Duration::from_secs(30);
        while self.sent < MUCH {
            assert!(Instant::now() < until, "it is stuck after {} bytes", self.sent);
            self.fill();
        }
        reader.join().unwrap();
    }

    /// Takes notice of a frame; whether it is an acknowledged PING.
    fn heed(&mut self, frame: &Frame) -> bool {
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => {
                for entry in frame.payload.as_chunks::<6>().0 {
                    if u16::from_be_bytes([entry[0], entry[1]]) == setting::INITIAL_WINDOW_SIZE {
                        let window = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
                        self.room.0 = window - self.sent;
                    }
                }
                self.peer.send(&[Frame::new(kind::SETTINGS, flag::ACK, 0, [])]);
            }
            kind::WINDOW_UPDATE if frame.stream == 0 => self.room.1 += frame.words()[0],
            kind::WINDOW_UPDATE if frame.stream == self.stream => self.room.0 += frame.words()[0],
            kind::PING if frame.has(flag::ACK) => return true,
            _ => {}
        }
        false
    }

    /// Sends what is allowed, some rounds long; after each it has heard what there was to say.
    fn fill(&mut self) {
        for _ in 0..20 {
            while self.sent < MUCH && self.room.0.min(self.room.1) > 0 {
                let piece = self.room.0.min(self.room.1).min(16 << 10).min(MUCH - self.sent);
                self.peer.data(self.stream, &vec![0; piece as usize], false);
                self.sent += piece;
                self.room = (self.room.0 - piece, self.room.1 - piece);
            }
            self.peer.send(&[Frame::new(kind::PING, 0, 0, [7; 8])]);
            loop {
                let frame = self.peer.any().unwrap();
                if self.heed(&frame) {
                    break;
                }
            }
        }
    }
}

/// What may lie between two sides: a window of the greater kind, and a send buffer.
const BETWEEN: u32 = (1 << 20) + (256 << 10);
const MUCH: u32 = 4 << 20;

/// Reads so many bytes of a stream.
fn read(peer: &mut Peer, stream: u32, wanted: u32) {
    let mut had = 0;
    while had < wanted {
        let frame = peer.next().unwrap();
        if frame.kind == kind::DATA && frame.stream == stream {
            had += frame.payload.len() as u32;
        }
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_backend() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect_with(proxy.addr, &[(setting::INITIAL_WINDOW_SIZE, 0)], 1 << 30);
    client.headers(1, &POST, true);
    let mut backend = Sender::new(listener.accept(), 1);
    let there = loop {
        let frame = backend.peer.any().unwrap();
        backend.heed(&frame);
        if frame.kind == kind::HEADERS {
            break frame.stream;
        }
    };
    backend.stream = there;
    backend.peer.headers(there, &OK_HEAD, false);
    assert_eq!(shape(&[client.next().unwrap()]), ["HEADERS"]);
    backend.fill();
    let stuck = backend.sent;
    assert!(stuck <= BETWEEN, "{stuck} bytes were taken for a client that reads none");
    backend.fill();
    assert_eq!(backend.sent, stuck, "nothing is opened meanwhile");
    // What is read lets as much follow.
    client.send(&[Frame::window_update(1, MUCH)]);
    backend.all(client, 1);
}

#[test]
fn a_backend_that_does_not_read_stops_the_client() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Sender::new(Peer::connect(proxy.addr), 1);
    client.peer.headers(1, &POST, false);
    let mut backend = listener.accept_with(&[(setting::INITIAL_WINDOW_SIZE, 0)], 1 << 30);
    let there = backend.next().unwrap().stream;
    client.fill();
    let stuck = client.sent;
    // Beside, what is kept for another attempt.
    assert!(stuck <= BETWEEN + (64 << 10), "{stuck} bytes were taken for a backend that reads none");
    client.fill();
    assert_eq!(client.sent, stuck, "nothing is opened meanwhile");
    backend.send(&[Frame::window_update(there, MUCH)]);
    client.all(backend, there);
}

#[test]
fn a_cut_answer_ends_with_trailers() {
    let mut j = joined(true);
    j.backend.headers(j.there, &OK_HEAD, false);
    // In the middle of a message.
    j.backend.data(j.there, &message(b"half")[..7], false);
    assert_eq!(shape(&[j.client.next().unwrap(), j.client.next().unwrap()]), ["HEADERS", "DATA 7"]);
    j.backend.cut();
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS end"]);
}

#[test]
fn answers_to_what_is_no_call_pass_whatever_they_are() {
    for (status, ends) in [("404", true), ("503", false), ("200", false), ("429", true)] {
        let mut j = joined_by(&GET, true);
        let head = [(":status", status), ("content-type", "text/html"), ("x-mark", "1")];
        j.backend.headers(j.there, &head, ends);
        if !ends {
            j.backend.data(j.there, b"<html>", true);
        }
        let expected: &[&str] = if ends { &["HEADERS end"] } else { &["HEADERS", "DATA 6 end"] };
        assert_eq!(shape(&j.client.stream(1)), expected, "{status}");
    }
}

#[test]
fn nobody_is_told_to_ask_again_once_something_was_delivered() {
    const REFUSED: u32 = 7;
    // A call: a status.
    let mut j = joined(true);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.data(j.there, &message(b"x"), false);
    j.backend.reset(j.there, REFUSED);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS", "DATA 6", "HEADERS end"]);
    // What is no call: a reset, but not this one.
    let mut j = joined_by(&GET, true);
    j.backend.headers(j.there, &[(":status", "200")], false);
    j.backend.data(j.there, b"half", false);
    assert_eq!(shape(&[j.client.next().unwrap(), j.client.next().unwrap()]), ["HEADERS", "DATA 4"]);
    j.backend.reset(j.there, REFUSED);
    assert_eq!(shape(&j.client.stream(1)), ["RST 2"]);
    // Nothing of it was delivered anywhere: then it is said; not after an interim answer.
    for (interim, told) in [(false, "RST 7"), (true, "RST 2")] {
        let mut j = joined_by(&GET, true);
        if interim {
            j.backend.headers(j.there, &[(":status", "103")], false);
            assert_eq!(shape(&[j.client.next().unwrap()]), ["HEADERS"]);
        }
        j.backend.reset(j.there, REFUSED);
        for _ in 0..2 {
            let again = j.backend.next().unwrap();
            j.backend.reset(again.stream, REFUSED);
        }
        assert_eq!(shape(&j.client.stream(1)), [told]);
    }
}

#[test]
fn a_refusal_after_an_attempt_that_may_have_been_processed_is_no_refusal() {
    let (listener, addr) = Backend::listen();
    let mut settings = settings(&[addr]);
    settings.routes[0].retry = Some(Retry { attempts: 2, codes: vec![Code::Internal] });
    let proxy = Running::start(settings);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &GET, true);
    let mut backend = listener.accept();
    let first = backend.next().unwrap().stream;
    // "Internal error": it may have done what it was asked for.
    backend.reset(first, 2);
    let mut next = backend.next().unwrap();
    loop {
        backend.reset(next.stream, 7);
        // Refused, it is sent again, up to three times in all.
        if next.stream >= first + 4 {
            break;
        }
        next = backend.next().unwrap();
    }
    assert_eq!(shape(&client.stream(1)), ["RST 2"]);
}

#[test]
fn a_backend_of_http_1_only_is_a_bad_gateway() {
    for server in
        [Plain::says(ok("here")), Plain::says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")]
    {
        let proxy = Running::before(&[server.addr]);
        block(async {
            let client = Client::connect(proxy.addr).await;
            for _ in 0..3 {
                let get = Request::get("http://front.example/page").body(()).unwrap();
                let (response, _) = client.0.clone().ready().await.unwrap().send_request(get, true).unwrap();
                let (head, mut body) = response.await.unwrap().into_parts();
                assert_eq!(head.status, http::StatusCode::BAD_GATEWAY);
                let text = body.data().await.unwrap().unwrap();
                let text = String::from_utf8(text.to_vec()).unwrap();
                assert!(text.contains("HTTP/1.1"), "{text}");
            }
        });
    }
}
