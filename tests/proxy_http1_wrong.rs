//! HTTP/1.1 that goes wrong: what clients are told, and what never reaches a backend.

mod proxy_kit;

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use proxy_kit::plain::{Over, Plain, Stream, counted, field, get, ok, status};
use proxy_kit::{Running, eventually, nobody, settings};
use viaduct::proxy::settings::{Admin, Settings};

/// A refusal: its status and its sentence, which is a text and all that there is.
fn refusal(client: &mut Stream) -> (u16, String) {
    let (head, body) = client.message();
    assert_eq!(field(&head, "content-type"), Some("text/plain; charset=utf-8"), "{head}");
    assert!(body.len() > 20 && body.ends_with('\n') && !body[..body.len() - 1].contains('\n'), "{body:?}");
    (status(&head), body)
}

fn with_admin(mut settings: Settings) -> Settings {
    settings.admin = Some(Admin { address: "http://127.0.0.1:0".into() });
    settings
}

#[test]
fn what_is_no_request_is_refused_in_a_sentence_and_reaches_nobody() {
    let backend = Plain::says(ok("never"));
    let mut all = with_admin(settings(&[backend.addr]));
    all.listeners[0].max_headers = 4096;
    let proxy = Running::start(all);
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    let smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    let long = "y".repeat(5000);
    let cases = [
        ("GET /\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 505),
        ("GET / FTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_owned(), 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 501),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405),
        (format!("{head}Content_Length: 6\r\n\r\n{smuggled}"), 400),
        (format!("{head}Transfer_Encoding: chunked\r\nContent-Length: 6\r\n\r\n{smuggled}"), 400),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200)), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("{head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"), 400),
        (format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n{smuggled}"), 400),
        (format!("{head}Content-Length: 0\r\nContent-Length: 50\r\n\r\n{smuggled}"), 400),
        (format!("{head}Content-Length: 0, 50\r\n\r\n{smuggled}"), 400),
        (format!("{head}Content-Length: +5\r\n\r\n{smuggled}"), 400),
        (format!("{head}Transfer-Encoding: xchunked\r\n\r\n{smuggled}"), 501),
        (format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n{smuggled}"), 501),
        (format!("{head}Transfer-Encoding : chunked\r\n\r\n{smuggled}"), 400),
        (format!("{head} Transfer-Encoding: chunked\r\n\r\n{smuggled}"), 400),
        (format!("{head}X: a\r\n Transfer-Encoding: chunked\r\n\r\n{smuggled}"), 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned() + smuggled, 400),
    ];
    for (text, wanted) in &cases {
        let mut client = Stream::connect(proxy.addr);
        client.write(text);
        let (status, sentence) = refusal(&mut client);
        assert_eq!(status, *wanted, "{:?}: {sentence}", &text[..text.len().min(80)]);
        assert_eq!(client.rest(), (String::new(), Over::End), "{text:?}");
    }
    assert_eq!(backend.connections(), 0);
    let target = proxy.proxy.admin().unwrap();
    assert_eq!(counted(&target, "viaduct_protocol_errors_total"), cases.len() as u64);
    assert_eq!(counted(&target, "viaduct_headers_too_long_total"), 3);
}

#[test]
fn bytes_that_are_no_protocol_are_closed_over_and_counted() {
    let backend = Plain::says(ok("never"));
    let proxy = Running::start(with_admin(settings(&[backend.addr])));
    for text in ["\0\x01\x02\x03", "GET\r\n\r\n", "hello world\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let mut client = Stream::connect(proxy.addr);
        client.write(text);
        assert_eq!(client.rest().0, "", "{text:?}");
    }
    assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_unknown_protocol_total"), 4);
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_body_that_goes_wrong_ends_the_request_and_nothing_behind_it_is_one() {
    let backend = Plain::start(|stream, notes| {
        let (rest, _) = stream.rest();
        notes.lock().unwrap().push(rest);
    });
    let proxy = Running::before(&[backend.addr]);
    let bodies = [
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\r\n",
        "-1\r\n",
        "0\r\n\n",
        "0\r\r\n\r\n",
        "0\x0c\r\n\r\n",
        "0\r\nX: 1\n\r\n",
    ];
    for (turn, body) in bodies.into_iter().enumerate() {
        let mut client = Stream::connect(proxy.addr);
        client.write(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}{}",
            get("/admin")
        ));
        assert_eq!(refusal(&mut client).0, 400, "{body:?}");
        assert_eq!(client.rest(), (String::new(), Over::End));
        eventually(|| backend.heads().len() > turn);
        let seen = backend.heads().pop().unwrap();
        assert!(!seen.contains("GET") && !seen.contains("0\r\n\r\n"), "{seen:?}");
    }
}

#[test]
fn a_backend_that_does_not_answer_in_http_is_a_bad_gateway() {
    let cases: [(&str, &str); 9] = [
        ("SSH-2.0-OpenSSH\r\n", "which is not HTTP/1.1"),
        ("\0\0\x06\x04\0\0\0\0\0", "which is not HTTP/1.1"),
        ("HTTP/1.1 abc\r\n\r\n", "cannot be read"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "cannot be read"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "the content-length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "has both"),
        ("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "had not asked"),
        ("HTTP/1.1 200 OK\r\nX: ", "closed the connection before"),
        ("", "closed the connection before"),
    ];
    for (answer, wanted) in cases {
        let backend = Plain::start(move |stream, _| {
            if stream.head().is_ok() {
                stream.write(answer);
            }
        });
        let proxy = Running::before(&[backend.addr]);
        let mut client = Stream::connect(proxy.addr);
        client.write(get("/"));
        let (status, sentence) = refusal(&mut client);
        assert_eq!(status, 502, "{answer:?}");
        assert!(sentence.contains(wanted) && sentence.contains(&backend.addr.to_string()), "{sentence}");
        // It was the backend's fault: the client may ask again here.
        client.write("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(client.head().unwrap().starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
        assert_eq!(client.rest(), (String::new(), Over::End), "an answer to HEAD has no body");
    }
}

#[test]
fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n!\r\n",
    ] {
        let backend = Plain::start(move |stream, _| {
            if stream.head().is_ok() {
                stream.write(answer);
            }
        });
        let proxy = Running::start(with_admin(settings(&[backend.addr])));
        let mut client = Stream::connect(proxy.addr);
        client.write(get("/"));
        // What was noticed before anything had left is told in its place.
        if status(&client.head().unwrap()) == 200 {
            let (seen, _) = client.rest();
            assert!(!seen.contains("0\r\n\r\n") && seen.len() < 10, "{seen:?}");
        }
        assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_cut_total"), 1);
    }
}

#[test]
fn deadlines_are_those_of_the_route() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Plain::start(move |stream, _| {
        let Ok(head) = stream.head() else { return };
        if head.contains("/begin") {
            stream.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        }
        // The proxy ends the connection of a request that is late.
        tell.lock().unwrap().send(stream.rest().0).unwrap();
    });
    let mut all = with_admin(settings(&[backend.addr]));
    all.routes[0].timeout = Some(Duration::from_millis(200));
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    client.write(get("/never"));
    let (status, sentence) = refusal(&mut client);
    assert_eq!(status, 504);
    assert!(sentence.contains("the deadline passed at the proxy before"), "{sentence}");
    assert_eq!(told.recv().unwrap(), "");
    client.write(get("/begin"));
    client.head().unwrap();
    assert_eq!(client.rest().0, "abc");
    assert_eq!(told.recv().unwrap(), "");
    assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_deadlines_total"), 2);
}

#[test]
fn who_cannot_be_reached_is_unavailable_and_others_take_its_place() {
    let proxy = Running::before(&[nobody()]);
    let mut client = Stream::connect(proxy.addr);
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let (status, sentence) = refusal(&mut client);
    assert_eq!(status, 503);
    assert!(sentence.contains("cannot be reached") && sentence.contains("refused"), "{sentence}");
    assert_eq!(client.rest(), (String::new(), Over::End), "the body was not read");
    let backend = Plain::says(ok("here"));
    let proxy = Running::before(&[nobody(), backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    for _ in 0..8 {
        assert_eq!(client.write(get("/")).message().1, "here");
    }
    let nothing = Running::before(&[]);
    let mut client = Stream::connect(nothing.addr);
    client.write(get("/"));
    let (status, sentence) = refusal(&mut client);
    assert_eq!((status, &*sentence), (503, "the group \"backends\" has no members now\n"));
}

#[test]
fn a_head_that_does_not_come_in_time_is_waited_for_no_longer() {
    let backend = Plain::says(ok("here"));
    let mut all = settings(&[backend.addr]);
    all.listeners[0].handshake_timeout = Duration::from_millis(300);
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    client.write("GET / HTTP/1.1\r\nHost: a\r\nX-Slow");
    assert_eq!(refusal(&mut client).0, 408);
    assert_eq!(client.rest(), (String::new(), Over::End));
    // The same between two requests; there a connection may be silent for longer.
    let mut client = Stream::connect(proxy.addr);
    assert_eq!(client.write(get("/")).message().1, "here");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(client.write(get("/")).message().1, "here");
    client.write("GET /");
    assert_eq!(refusal(&mut client).0, 408);
}

#[test]
fn a_proxy_that_leads_to_itself_says_so() {
    let backend = Plain::says(ok("here"));
    let proxy = Running::before(&[backend.addr]);
    let mut round = settings(&[proxy.addr]);
    round.listeners = Vec::new();
    round.listeners.push(viaduct::proxy::settings::Listen {
        address: format!("http://{}", proxy.addr),
        ..viaduct::proxy::settings::Listen::default()
    });
    // The listener keeps its address, and its backend is now itself.
    let mut first = settings(&[backend.addr]);
    first.listeners = round.listeners.clone();
    let addr = proxy.addr;
    drop(proxy);
    let proxy = Running::start(first);
    proxy.proxy.reload(round).unwrap();
    let mut client = Stream::connect(addr);
    client.write(get("/"));
    let (status, sentence) = refusal(&mut client);
    assert_eq!(status, 503);
    assert!(sentence.contains("is this proxy itself"), "{sentence}");
}
