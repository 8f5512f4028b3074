//! gRPC-Web through the proxy: translated where the listener says so, and else carried as it is.

mod proxy_kit;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proxy_kit::plain::{Over, Plain, Stream, counted, field, ok, status};
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, Peer, shape};
use proxy_kit::{Running, nobody, settings};
use viaduct::proxy::settings::{Admin, Cors, Settings};
use viaduct_testkit::frame::{Frame, flag, kind, message};
use viaduct_testkit::hpack::Field;
use viaduct_testkit::{Behaviour, WrongServer};

/// A listener that translates.
fn translating(backends: &[std::net::SocketAddr]) -> Settings {
    let mut all = settings(backends);
    all.listeners[0].translate_web = Some(Cors { origins: vec!["https://page.test".into()] });
    all.admin = Some(Admin { address: "http://127.0.0.1:0".into() });
    all
}

const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text";

/// A call over HTTP/1.1, with its body.
fn call(content_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /test.Echo/Unary HTTP/1.1\r\nHost: front\r\nContent-Type: {content_type}\r\nX-Grpc-Web: 1\r\n\
         X-User-Agent: grpc-web-javascript/0.1\r\nContent-Length: {}\r\n{more}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The frame that ends an answer.
fn trailers(block: &str) -> Vec<u8> {
    message(0x80, block.as_bytes())
}

#[test]
fn a_call_over_http1_becomes_one_of_grpc_and_its_trailers_a_frame() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::start(translating(&[addr]));
    let mut client = Stream::connect(proxy.addr);
    client.write(call(BINARY, "X-Mine: 1\r\ngrpc-timeout: 20S\r\n", &message(0, b"hello")));
    let mut backend = listener.accept();
    let head = backend.next().unwrap();
    assert_eq!(shape(std::slice::from_ref(&head)), ["HEADERS"]);
    let there = head.stream;
    assert_eq!(whole(&backend.stream(there)), 10);
    backend.headers(
        there,
        &[OK_HEAD[0], ("content-type", "application/grpc+proto"), ("x-initial", "a")],
        false,
    );
    backend.data(there, &message(0, b"one"), false);
    // What is there is passed on before more comes.
    let head = client.head().unwrap();
    assert_eq!((status(&head), field(&head, "content-type")), (200, Some(BINARY)));
    assert_eq!(field(&head, "x-initial"), Some("a"));
    assert_eq!(field(&head, "access-control-allow-origin"), None, "no page has asked");
    assert_eq!(client.exactly(3 + 8 + 2), [b"8\r\n", &message(0, b"one")[..], b"\r\n"].concat());
    backend.data(there, &message(0, b"two"), false);
    backend.headers(there, &[("grpc-status", "0"), ("x-last", "b")], true);
    let (rest, after) = client.chunks();
    assert_eq!(rest, [message(0, b"two"), trailers("grpc-status: 0\r\nx-last: b\r\n")].concat());
    assert_eq!(after, "", "the trailers are a frame, not HTTP's");
    // The connection stays.
    client.write(call(BINARY, "", &message(0, b"again")));
    let head = backend.next().unwrap();
    assert_eq!(whole(&backend.stream(head.stream)), 10);
    backend.headers(
        head.stream,
        &[OK_HEAD[0], OK_HEAD[1], ("grpc-status", "5"), ("grpc-message", "no")],
        true,
    );
    let (head, body) = client.message();
    assert_eq!(
        (field(&head, "grpc-status"), field(&head, "grpc-message"), &*body),
        (Some("5"), Some("no"), "")
    );
    let target = proxy.proxy.admin().unwrap();
    assert_eq!(counted(&target, "viaduct_web_translated_total"), 2);
    assert_eq!(counted(&target, "viaduct_http1_requests_total"), 2);
    assert_eq!(counted(&target, "viaduct_requests_received_total"), 2);
}

#[test]
fn the_backend_sees_a_call_like_any_other() {
    let plain = Plain::says(ok("never"));
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let mut all = translating(&[echo.addr]);
    // Routes by service and method hold, and only HTTP/2 leaves.
    use viaduct::proxy::settings::{Match, Pattern};
    let mut other = proxy_kit::all_to("other");
    other.matches = vec![Match::Service(Pattern::Exact("test.Other".into()))];
    all.groups.push(proxy_kit::group("other", &[plain.addr]));
    all.routes.insert(0, other);
    all.routes[1].matches =
        vec![Match::Package(Pattern::Exact("test".into())), Match::Method(Pattern::Exact("Unary".into()))];
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    client.write(call(BINARY, "", &message(0, b"hello")));
    assert_eq!(field(&client.head().unwrap(), "content-type"), Some(BINARY));
    let (body, _) = client.chunks();
    assert!(body.starts_with(&message(0, b"hello")) && body[10] == 0x80, "{body:?}");
    let unrouted = String::from_utf8(call(BINARY, "", &[])).unwrap().replace("Unary", "Nothing");
    client.write(unrouted);
    let (head, _) = client.message();
    assert_eq!(field(&head, "grpc-status"), Some("12"));
    assert!(field(&head, "grpc-message").unwrap().contains("no route for"));
    assert_eq!(plain.connections(), 0);
}

#[test]
fn text_is_base64_in_pieces_that_come_when_they_can() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::start(translating(&[addr]));
    let mut client = Stream::connect(proxy.addr);
    // Two padded pieces, cut within a group of four.
    let body =
        [STANDARD.encode(&message(0, b"hello")[..4]), STANDARD.encode(&message(0, b"hello")[4..])].concat();
    let head = "POST /test.Echo/Unary HTTP/1.1\r\nHost: front\r\nContent-Type: application/grpc-web-text+proto\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let (one, two) = body.split_at(5);
    client.write(format!("{head}{:x}\r\n{one}\r\n", one.len()));
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    client.write(format!("{:x}\r\n{two}\r\n0\r\n\r\n", two.len()));
    let sent: Vec<u8> = backend.stream(there).into_iter().flat_map(|frame| frame.payload).collect();
    assert_eq!(sent, message(0, b"hello"));
    backend.headers(there, &OK_HEAD, false);
    let head = client.head().unwrap();
    assert_eq!(field(&head, "content-type"), Some("application/grpc-web-text+proto"));
    for text in [&b"a"[..], b"bc", b"def"] {
        backend.data(there, &message(0, text), false);
        let piece = STANDARD.encode(message(0, text));
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        assert_eq!(client.text(chunk.len()), chunk);
    }
    backend.headers(there, &OK_TRAILERS, true);
    let (last, _) = client.chunks();
    assert_eq!(STANDARD.decode(last).unwrap(), trailers("grpc-status: 0\r\n"));
}

#[test]
fn the_answer_is_text_where_that_is_what_is_accepted() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::start(translating(&[echo.addr]));
    let mut client = Stream::connect(proxy.addr);
    client.write(call(BINARY, &format!("Accept: {TEXT}\r\n"), &message(0, b"hello")));
    let head = client.head().unwrap();
    assert!(field(&head, "content-type").unwrap().starts_with(TEXT));
    client.chunks();
    client.write(call(
        TEXT,
        &format!("Accept: {BINARY}\r\n"),
        STANDARD.encode(message(0, b"hello")).as_bytes(),
    ));
    let head = client.head().unwrap();
    assert_eq!(field(&head, "content-type"), Some(BINARY));
    assert!(client.chunks().0.starts_with(&message(0, b"hello")));
}

#[test]
fn what_the_proxy_itself_says_arrives_as_a_status() {
    let ask = |all: Settings, more: &str| {
        let proxy = Running::start(all);
        let mut client = Stream::connect(proxy.addr);
        client.write(call(BINARY, more, &message(0, b"hello")));
        let (head, body) = client.message();
        assert_eq!((status(&head), &*body), (200, ""));
        (field(&head, "grpc-status").unwrap().to_owned(), field(&head, "grpc-message").unwrap().to_owned())
    };
    let (code, text) = ask(translating(&[nobody()]), "");
    assert!(code == "14" && text.contains("cannot be reached"), "{code} {text}");
    let (code, text) = ask(translating(&[]), "");
    assert!(code == "14" && text.contains("no members"), "{code} {text}");
    let silent = WrongServer::start(Behaviour::Silence).unwrap();
    let (code, text) = ask(translating(&[silent.addr]), "grpc-timeout: 200m\r\n");
    assert!(code == "4" && text.contains("deadline passed"), "{code} {text}");
    let mut timed = translating(&[silent.addr]);
    timed.routes[0].timeout = Some(Duration::from_millis(200));
    assert_eq!(ask(timed, "").0, "4");
    let html = WrongServer::start(Behaviour::Html(503)).unwrap();
    assert_eq!(ask(translating(&[html.addr]), "").0, "14");
    let (code, text) = ask(translating(&[silent.addr]), "Content-Encoding: gzip\r\n");
    assert!(code == "12" && text.contains("compressed"), "{code} {text}");
}

#[test]
fn an_answer_that_breaks_off_ends_with_a_status() {
    for behaviour in [Behaviour::CutMidMessage, Behaviour::RstAfterMessage(2), Behaviour::NoTrailers] {
        let server = WrongServer::start(behaviour).unwrap();
        let proxy = Running::start(translating(&[server.addr]));
        let mut client = Stream::connect(proxy.addr);
        client.write(call(BINARY, "", &message(0, b"hello")));
        client.head().unwrap();
        let (body, _) = client.chunks();
        let at = body.windows(12).position(|part| part == b"grpc-status:").expect("a status");
        assert_eq!(body[at - 5], 0x80);
        assert!(!body[at..].starts_with(b"grpc-status: 0\r\n"), "{behaviour:?}");
    }
}

#[test]
fn a_deadline_within_an_answer_is_its_trailers() {
    let server = WrongServer::start(Behaviour::SilenceAfterMessage).unwrap();
    let proxy = Running::start(translating(&[server.addr]));
    let mut client = Stream::connect(proxy.addr);
    client.write(call(BINARY, "grpc-timeout: 300m\r\n", &message(0, b"hello")));
    client.head().unwrap();
    let (body, _) = client.chunks();
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(
        text.contains("grpc-status: 4\r\n") && text.contains("under%20way") | text.contains("under way"),
        "{text}"
    );
}

#[test]
fn a_body_that_is_no_base64_is_an_invalid_argument() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::start(translating(&[addr]));
    for body in ["AAA*", "AAAAA", "=AAA"] {
        let mut client = Stream::connect(proxy.addr);
        client.write(call(TEXT, "", body.as_bytes()));
        let (head, _) = client.message();
        assert_eq!(field(&head, "grpc-status"), Some("3"), "{head}");
        assert!(field(&head, "grpc-message").unwrap().contains("base64"), "{head}");
    }
    drop(listener);
}

#[test]
fn a_client_that_goes_cancels_its_call() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::start(translating(&[addr]));
    let mut client = Stream::connect(proxy.addr);
    client.write(call(BINARY, "", &message(0, b"hello")));
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    assert_eq!(whole(&backend.stream(there)), 10);
    drop(client);
    assert_eq!(shape(&backend.stream(there)), ["RST 8"]);
    // The same over HTTP/2.
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &web_head(BINARY, &[]), true);
    let head = backend.next().unwrap();
    if !head.has(flag::END_STREAM) {
        assert_eq!(shape(&backend.stream(head.stream)), ["DATA 0 end"]);
    }
    client.reset(1, 8);
    assert_eq!(shape(&backend.stream(head.stream)), ["RST 8"]);
}

/// The head of a call over HTTP/2.
fn web_head<'a>(content_type: &'a str, more: &[Field<'a>]) -> Vec<Field<'a>> {
    let mut head = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/test.Echo/Unary"),
        (":authority", "front.example"),
        ("content-type", content_type),
        ("x-grpc-web", "1"),
    ];
    head.extend_from_slice(more);
    head
}

/// How much DATA came, to the end of the stream. The end may stand on the last of it, or behind.
fn whole(frames: &[Frame]) -> usize {
    assert!(frames.last().unwrap().has(flag::END_STREAM), "{frames:?}");
    data(frames).len()
}

/// The DATA of a stream.
fn data(frames: &[Frame]) -> Vec<u8> {
    frames.iter().filter(|f| f.kind == kind::DATA).flat_map(|f| f.payload.clone()).collect()
}

#[test]
fn calls_over_http2_are_translated_beside_those_of_grpc() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::start(translating(&[echo.addr]));
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &web_head(BINARY, &[]), false);
    client.data(1, &message(0, b"hello"), true);
    let frames = client.stream(1);
    assert_eq!(frames.first().map(|f| f.kind), Some(kind::HEADERS));
    assert!(frames.iter().all(|f| f.kind != kind::HEADERS || f.stream == 1));
    assert_eq!(frames.iter().filter(|f| f.kind == kind::HEADERS).count(), 1, "no trailers of HTTP/2");
    let body = data(&frames);
    assert!(body.starts_with(&message(0, b"hello")) && body[10] == 0x80, "{body:?}");
    client.headers(3, &web_head(TEXT, &[]), false);
    client.data(3, STANDARD.encode(message(0, b"hello")).as_bytes(), true);
    let body = data(&client.stream(3));
    assert!(body.starts_with(STANDARD.encode(message(0, b"hello")).as_bytes()), "{body:?}");
    // gRPC itself goes on as before.
    client.headers(5, &proxy_kit::raw::POST, false);
    client.data(5, &message(0, b"hello"), true);
    let frames = client.stream(5);
    assert_eq!(frames.iter().filter(|f| f.kind == kind::HEADERS).count(), 2);
    let target = proxy.proxy.admin().unwrap();
    assert_eq!(counted(&target, "viaduct_web_translated_total"), 2);
    assert_eq!(counted(&target, "viaduct_requests_received_total"), 3);
}

#[test]
fn large_messages_pass_both_ways_within_the_windows() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::start(translating(&[echo.addr]));
    let large: Vec<u8> = (0..3 << 20).map(|n: u32| n as u8).collect();
    let mut client = Stream::connect(proxy.addr);
    client.write(call(TEXT, "", STANDARD.encode(message(0, &large)).as_bytes()));
    client.head().unwrap();
    let (body, _) = client.chunks();
    // Each piece is padded by itself: no whole text.
    let mut decoded = Vec::new();
    for piece in body.chunks(4) {
        decoded.extend(STANDARD.decode(piece).unwrap());
    }
    assert!(decoded.starts_with(&message(0, &large)));
}

#[test]
fn browsers_are_told_which_pages_may_call() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::start(translating(&[echo.addr]));
    let mut client = Stream::connect(proxy.addr);
    let ask = |origin: &str, headers: &str| {
        format!(
            "OPTIONS /test.Echo/Unary HTTP/1.1\r\nHost: front\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {headers}\r\n\r\n"
        )
    };
    client.write(ask("https://page.test", "authorization,content-type,x-grpc-web"));
    let head = client.head().unwrap();
    assert_eq!(status(&head), 204);
    assert_eq!(field(&head, "access-control-allow-origin"), Some("https://page.test"));
    assert_eq!(field(&head, "access-control-allow-headers"), Some("authorization,content-type,x-grpc-web"));
    assert!(field(&head, "access-control-allow-methods").unwrap().contains("POST"));
    client.write(ask("https://evil.test", "x-grpc-web"));
    let (head, body) = client.message();
    assert_eq!((status(&head), &*body), (403, "pages of \"https://evil.test\" may not call here\n"));
    assert_eq!(field(&head, "access-control-allow-origin"), None);
    // The call itself.
    client.write(call(BINARY, "Origin: https://page.test\r\n", &message(0, b"hello")));
    let head = client.head().unwrap();
    assert_eq!(field(&head, "access-control-allow-origin"), Some("https://page.test"));
    let exposed = field(&head, "access-control-expose-headers").unwrap();
    assert!(exposed.starts_with("grpc-status,grpc-message,grpc-status-details-bin"), "{exposed}");
    client.chunks();
    // Over HTTP/2.
    let mut client = Peer::connect(proxy.addr);
    let preflight = [
        (":method", "OPTIONS"),
        (":scheme", "http"),
        (":path", "/test.Echo/Unary"),
        (":authority", "front.example"),
        ("origin", "https://page.test"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-grpc-web"),
    ];
    client.headers(1, &preflight, true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS end"]);
    let mut evil = preflight;
    evil[4].1 = "https://evil.test";
    client.headers(3, &evil, true);
    assert_eq!(shape(&client.stream(3)), ["HEADERS", "DATA 47 end"]);
}

#[test]
fn a_preflight_for_something_else_is_the_backends() {
    let backend = Plain::says(ok("mine"));
    let proxy = Running::start(translating(&[backend.addr]));
    let mut client = Stream::connect(proxy.addr);
    client.write(
        "OPTIONS /rest HTTP/1.1\r\nHost: front\r\nOrigin: https://evil.test\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n",
    );
    assert_eq!(client.message().1, "mine");
}

#[test]
fn where_nothing_is_translated_it_is_carried_untouched() {
    let body = "\0\0\0\0\x01x";
    let backend = Plain::start(move |stream, notes| {
        while let Ok(head) = stream.head() {
            stream.exactly(6);
            notes.lock().unwrap().push(head);
            stream.write(
                "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 6\r\n\r\n",
            );
            stream.write(body);
        }
    });
    let proxy = Running::before(&[backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    client.write(call(BINARY, "", body.as_bytes()));
    let (head, answer) = client.message();
    assert_eq!((field(&head, "content-type"), &*answer), (Some(BINARY), body));
    let seen = &backend.heads()[0];
    assert!(
        seen.contains("x-grpc-web: 1\r\n") && seen.contains(&format!("content-type: {BINARY}\r\n")),
        "{seen}"
    );
    // Over HTTP/2 it leaves as HTTP/2.
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &web_head(BINARY, &[]), false);
    client.data(1, body.as_bytes(), true);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    assert_eq!(shape(&backend.stream(there)), ["DATA 6 end"]);
    backend.headers(there, &[(":status", "200"), ("content-type", BINARY)], false);
    backend.data(there, body.as_bytes(), true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "DATA 6 end"]);
}

#[test]
fn old_clients_and_those_that_wait_for_100_continue_are_served() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::start(translating(&[echo.addr]));
    let mut client = Stream::connect(proxy.addr);
    let text = String::from_utf8(call(TEXT, "", STANDARD.encode(message(0, b"hello")).as_bytes())).unwrap();
    client.write(text.replace("HTTP/1.1", "HTTP/1.0"));
    let head = client.head().unwrap();
    assert_eq!((field(&head, "transfer-encoding"), field(&head, "connection")), (None, Some("close")));
    let (body, over) = client.rest();
    assert!(body.starts_with(&STANDARD.encode(message(0, b"hello"))) && over == Over::End, "{body}");
    let mut client = Stream::connect(proxy.addr);
    let whole = call(BINARY, "Expect: 100-continue\r\n", &message(0, b"hello"));
    let (head, body) = whole.split_at(whole.len() - 10);
    client.write(head);
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write(body);
    assert_eq!(status(&client.head().unwrap()), 200);
    assert!(client.chunks().0.starts_with(&message(0, b"hello")));
}
