//! HTTP/1.1 through the proxy: what arrives as it left.

mod proxy_kit;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderName;
use proxy_kit::plain::{Over, Plain, Stream, counted, field, get, ok, status};
use proxy_kit::{Running, all_to, eventually, group, settings};
use viaduct::proxy::settings::{Admin, Drain, Forwarded, Match, Pattern, Settings};

fn with_admin(mut settings: Settings) -> Settings {
    settings.admin = Some(Admin { address: "http://127.0.0.1:0".into() });
    settings
}

#[test]
fn connections_stay_and_answers_come_in_the_order_of_the_requests() {
    let backend = Plain::start(|stream, notes| {
        while let Ok(head) = stream.head() {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            notes.lock().unwrap().push(head);
            stream.write(ok(&path));
        }
    });
    let proxy = Running::start(with_admin(settings(&[backend.addr])));
    let mut client = Stream::connect(proxy.addr);
    for path in ["/a", "/b"] {
        assert_eq!(client.write(get(path)).message().1, path);
    }
    // All at once; the last one ends the connection.
    let last = "GET /e HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n";
    client.write([get("/c"), get("/d"), last.to_owned()].concat());
    assert_eq!([client.message().1, client.message().1], ["/c", "/d"]);
    let (head, body) = client.message();
    assert_eq!((field(&head, "connection"), &*body), (Some("close"), "/e"));
    assert_eq!(client.rest(), (String::new(), Over::End));
    assert_eq!(backend.connections(), 1);
    let target = proxy.proxy.admin().unwrap();
    assert_eq!(counted(&target, "viaduct_http1_requests_total"), 5);
    assert_eq!(counted(&target, "viaduct_requests_received_total"), 5);
}

#[test]
fn heads_pass_without_what_is_for_one_hop_and_with_what_is_wanted() {
    let backend = Plain::says(
        "HTTP/1.1 200 Fine\r\nX-Two: b\r\nKeep-Alive: timeout=5\r\nConnection: X-Gone\r\n\
                               X-Gone: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    );
    let mut wanted = settings(&[backend.addr]);
    wanted.listeners[0].forwarded = Forwarded { x_forwarded_for: true, ..Forwarded::default() };
    let proxy = Running::start(wanted.clone());
    let mut client = Stream::connect(proxy.addr);
    client.write(
        "GET /a?b=%20#c HTTP/1.1\r\nHost: front:1\r\nCookie: x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
         Proxy-Connection: x\r\nTE: trailers\r\n\r\n",
    );
    let (head, _) = client.message();
    assert_eq!(
        head,
        "HTTP/1.1 200 Fine\r\nx-two: b\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 0\r\n\r\n"
    );
    let seen = &backend.heads()[0];
    assert_eq!(
        seen,
        "GET /a?b=%20 HTTP/1.1\r\nhost: front:1\r\ncookie: x\r\nx-forwarded-for: 127.0.0.1\r\n\
         x-forwarded-proto: http\r\n\r\n"
    );
    wanted.trace = true;
    proxy.proxy.reload(wanted).unwrap();
    client.write(get("/traced")).message();
    let traced = backend.heads().pop().unwrap();
    assert_eq!(field(&traced, "traceparent").map(str::len), Some(55), "{traced}");
}

#[test]
fn routes_look_at_path_authority_and_headers() {
    let backends = ["one", "two", "three"].map(|name| Plain::says(ok(name)));
    let mut all = settings(&[]);
    all.groups = vec![
        group("one", &[backends[0].addr]),
        group("two", &[backends[1].addr]),
        group("three", &[backends[2].addr]),
    ];
    let route =
        |group: &str, matches: Vec<Match>| viaduct::proxy::settings::Route { matches, ..all_to(group) };
    all.routes = vec![
        route("one", vec![Match::Path(Pattern::Prefix("/one/".into()))]),
        route("two", vec![Match::Authority(Pattern::Exact("two.test".into()))]),
        route("three", vec![Match::Metadata(HeaderName::from_static("x-which"), Pattern::Exact("3".into()))]),
    ];
    all.routes[0].authority = Some("inner.test:7".parse().unwrap());
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    let mut ask = |path: &str, host: &str, more: &str| {
        client.write(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"));
        client.message()
    };
    assert_eq!(ask("/one/x", "two.test", "").1, "one");
    assert_eq!(ask("/x", "two.test:80", "").1, "two");
    assert_eq!(ask("http://two.test/y", "other.test", "").1, "two", "the target says whose it is");
    assert_eq!(ask("/x", "x.test", "X-Which: 3\r\n").1, "three");
    let (head, body) = ask("/x", "x.test", "");
    assert_eq!((status(&head), &*body), (404, "the proxy has no route for \"/x\"\n"));
    assert_eq!(ask("/one/y", "two.test", "").1, "one", "the connection stands");
    assert_eq!(field(&backends[0].heads()[0], "host"), Some("inner.test:7"));
    assert!(backends[1].heads()[1].starts_with("GET /y HTTP/1.1\r\nhost: two.test\r\n"));
}

#[test]
fn bodies_in_chunks_pass_as_they_come_with_their_trailers() {
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let backend = Plain::start(move |stream, notes| {
        let Ok(head) = stream.head() else { return };
        stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Each piece is here before the next is sent.
        for chunk in ["3\r\none\r\n", "4\r\ntwo!\r\n"] {
            assert_eq!(stream.text(chunk.len()), chunk);
            stream.write(chunk);
        }
        notes.lock().unwrap().push(head);
        let (rest, trailers) = stream.chunks();
        assert_eq!((&*rest, &*trailers), (&b""[..], "x-sum: 7\r\n"));
        told.lock().unwrap().recv().unwrap();
        stream.write("3\r\nend\r\n0\r\nX-Last: yes\r\n\r\n");
    });
    let proxy = Running::before(&[backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    client.write(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n3;x=y\r\none\r\n",
    );
    let head = client.head().unwrap();
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    assert_eq!(client.text(8), "3\r\none\r\n");
    client.write("4\r\ntwo!\r\n");
    assert_eq!(client.text(9), "4\r\ntwo!\r\n");
    client.write("0\r\nX-Sum: 7\r\n\r\n");
    tell.send(()).unwrap();
    assert_eq!(client.chunks(), (b"end".to_vec(), "x-last: yes\r\n".to_owned()));
    assert_eq!(field(&backend.heads()[0], "trailer"), Some("X-Sum"));
}

#[test]
fn a_reader_that_stops_makes_the_writer_wait() {
    const ALL: usize = 64 << 20;
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Plain::start(move |stream, _| {
        let Ok(_) = stream.head() else { return };
        stream.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n"));
        let body = vec![b'x'; ALL];
        let taken = stream.write_until_stuck(&body);
        tell.lock().unwrap().send(taken).unwrap();
        stream.write(&body[taken..]);
    });
    let proxy = Running::before(&[backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    client.write(get("/"));
    let taken = told.recv().unwrap();
    assert!(taken < ALL / 2, "{taken} bytes went to nobody");
    client.head().unwrap();
    assert!(client.exactly(ALL).iter().all(|byte| *byte == b'x'));
}

#[test]
fn the_end_of_a_body_is_told_in_the_words_of_each_version() {
    let answers = Plain::start(|stream, _| {
        while let Ok(head) = stream.head() {
            match head.split(' ').nth(1).unwrap() {
                "/chunks" => {
                    stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
                }
                "/length" => stream.write(ok("abc")),
                "/head" => stream.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
                "/none" => stream.write("HTTP/1.1 204 No Content\r\n\r\n"),
                "/same" => stream.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
                _ => {
                    stream.write("HTTP/1.0 200 OK\r\n\r\nabc");
                    return;
                }
            };
        }
    });
    let proxy = Running::before(&[answers.addr]);
    // HTTP/1.0: no chunks, and the connection stays only where it is asked to and the length is known.
    let old = |path: &str, more: &str| {
        let mut client = Stream::connect(proxy.addr);
        client.write(format!("GET {path} HTTP/1.0\r\n{more}\r\n"));
        client
    };
    for path in ["/chunks", "/close"] {
        let mut client = old(path, "Connection: keep-alive\r\n");
        let head = client.head().unwrap();
        assert_eq!((field(&head, "transfer-encoding"), field(&head, "connection")), (None, Some("close")));
        assert_eq!(client.rest(), ("abc".to_owned(), Over::End));
    }
    let mut client = old("/length", "Connection: Keep-Alive\r\n");
    let (head, body) = client.message();
    assert_eq!((field(&head, "connection"), &*body), (Some("keep-alive"), "abc"));
    client.write("GET /length HTTP/1.0\r\n\r\n");
    let (head, _) = client.message();
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(client.rest(), (String::new(), Over::End));
    // HTTP/1.1: a body that ends with its connection goes on in chunks.
    let mut client = Stream::connect(proxy.addr);
    client.write(get("/close"));
    assert_eq!(field(&client.head().unwrap(), "transfer-encoding"), Some("chunked"));
    assert_eq!(client.chunks().0, b"abc");
    client.write("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().unwrap(), "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n");
    client.write(get("/none"));
    assert_eq!(client.head().unwrap(), "HTTP/1.1 204 No Content\r\n\r\n");
    client.write(get("/same"));
    assert_eq!(client.head().unwrap(), "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n");
    assert_eq!(client.write(get("/length")).message().1, "abc");
}

#[test]
fn who_waits_for_100_continue_gets_it_from_the_backend() {
    let backend = Plain::start(|stream, notes| {
        while let Ok(head) = stream.head() {
            if head.starts_with("POST /no") {
                stream.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            stream.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
            let body = stream.text(5);
            notes.lock().unwrap().push(head);
            stream.write(ok(&body));
        }
    });
    let proxy = Running::before(&[backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    let ask = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    };
    client.write(ask("/yes"));
    assert_eq!(client.head().unwrap(), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("hello");
    assert_eq!(client.message().1, "hello");
    assert_eq!(field(&backend.heads()[0], "expect"), Some("100-continue"));
    // The body that was not wanted never comes: the connection ends.
    client.write(ask("/no"));
    assert_eq!(status(&client.head().unwrap()), 417);
    assert_eq!(client.rest(), (String::new(), Over::End));
}

/// Answers an upgrade, and says back in capitals what comes, also what came at once.
fn shouting(stream: &mut Stream, _: &proxy_kit::plain::Notes) {
    while let Ok(head) = stream.head() {
        if field(&head, "upgrade") != Some("websocket") || field(&head, "connection") != Some("upgrade") {
            stream.write(ok("no upgrade"));
            continue;
        }
        stream.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nHELLO\n",
        );
        while let Ok(line) = stream.until("\n") {
            stream.write(line.to_uppercase());
        }
        stream.write("BYE\n");
        return;
    }
}

#[test]
fn an_upgrade_hands_the_bytes_over_and_each_direction_ends_by_itself() {
    let backend = Plain::start(shouting);
    let mut all = with_admin(settings(&[backend.addr]));
    all.routes[0].timeout = Some(Duration::from_millis(400));
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    client.write(
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nearly\n",
    );
    let head = client.head().unwrap();
    assert_eq!(
        (status(&head), field(&head, "upgrade"), field(&head, "connection")),
        (101, Some("websocket"), Some("upgrade"))
    );
    assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let mut heard = [client.until("\n").unwrap(), client.until("\n").unwrap()];
    heard.sort();
    assert_eq!(heard, ["EARLY\n", "HELLO\n"]);
    // The deadline was for the request; what is none any more has none.
    std::thread::sleep(Duration::from_millis(600));
    client.write("late\n");
    assert_eq!(client.until("\n").unwrap(), "LATE\n");
    client.finish();
    assert_eq!(client.rest(), ("BYE\n".to_owned(), Over::End));
    assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_upgrades_total"), 1);
}

#[test]
fn an_upgrade_that_is_declined_or_leads_to_http2_is_a_request_like_any_other() {
    let backend = Plain::start(shouting);
    let proxy = Running::before(&[backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    for upgrade in ["h2c", "other", "websocket, h2c"] {
        client.write(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        assert_eq!(client.message().1, "no upgrade", "{upgrade}");
    }
}

#[test]
fn a_connection_that_the_backend_has_given_up_is_not_used_again() {
    // Each connection answers once and ends without having said so.
    let backend = Plain::start(|stream, _| {
        if let Ok(head) = stream.head() {
            stream.exactly(field(&head, "content-length").map_or(0, |text| text.parse().unwrap()));
            stream.write(ok("once"));
        }
    });
    let proxy = Running::before(&[backend.addr]);
    let mut client = Stream::connect(proxy.addr);
    for turn in 1..=20 {
        // Only what may be sent twice: the end may come at any moment.
        assert_eq!(client.write(get("/")).message().1, "once");
        assert_eq!(backend.connections(), turn);
    }
}

#[test]
fn an_answer_before_the_end_of_the_request_says_whether_the_connection_goes_on() {
    // It refuses what it is asked without reading it, as many do, and ends.
    let backend = Plain::start(|stream, _| {
        if stream.head().is_ok() {
            stream.write(ok("early"));
        }
    });
    let proxy = Running::before(&[backend.addr]);
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (framing, rest) in
        [("Content-Length: 1", 1), ("Content-Length: 5000", 5000), ("Content-Length: 65536", 65536)]
    {
        let mut client = Stream::connect(proxy.addr);
        for _ in 0..3 {
            client.write(format!("{head}{framing}\r\n\r\n"));
            let (answer, body) = client.message();
            assert_eq!((field(&answer, "connection"), &*body), (None, "early"), "{framing}: {answer}");
            client.write("x".repeat(rest));
        }
        assert_eq!(client.write(get("/")).message().1, "early", "{framing}");
    }
    for framing in ["Content-Length: 10000000", "Transfer-Encoding: chunked"] {
        let mut client = Stream::connect(proxy.addr);
        client.write(format!("{head}{framing}\r\n\r\n"));
        let (answer, body) = client.message();
        assert_eq!((field(&answer, "connection"), &*body), (Some("close"), "early"), "{framing}: {answer}");
        assert_eq!(client.rest(), (String::new(), Over::End), "{framing}");
    }
    // What was promised to be read does not come: then the connection ends after all.
    let mut client = Stream::connect(proxy.addr);
    client.write(format!("{head}Content-Length: 10\r\n\r\n"));
    assert_eq!(client.message().1, "early");
    assert_eq!(client.rest().0, "");
}

#[test]
fn a_client_that_goes_takes_its_request_with_it() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let backend = Plain::start(move |stream, _| {
        let Ok(_) = stream.head() else { return };
        tell.lock().unwrap().send("asked").unwrap();
        stream.rest();
        tell.lock().unwrap().send("gone").unwrap();
    });
    let proxy = Running::start(with_admin(settings(&[backend.addr])));
    let mut client = Stream::connect(proxy.addr);
    client.write(get("/"));
    assert_eq!(told.recv().unwrap(), "asked");
    drop(client);
    assert_eq!(told.recv().unwrap(), "gone");
    let target = proxy.proxy.admin().unwrap();
    eventually(|| counted(&target, "viaduct_cancelled_total") == 1);
    assert_eq!(counted(&target, "viaduct_requests_open"), 0);
}

#[test]
fn a_proxy_that_drains_finishes_what_runs_and_lets_the_silent_go() {
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let backend = Plain::start(move |stream, notes| {
        while let Ok(head) = stream.head() {
            let slow = head.contains("/slow");
            notes.lock().unwrap().push(head);
            if slow {
                told.lock().unwrap().recv().unwrap();
            }
            stream.write(ok("done"));
        }
    });
    let mut all = settings(&[backend.addr]);
    all.drain = Drain { notice: Duration::ZERO, grace: Duration::from_secs(30) };
    let proxy = Running::start(all);
    let (mut silent, mut busy) = (Stream::connect(proxy.addr), Stream::connect(proxy.addr));
    assert_eq!(silent.write(get("/")).message().1, "done");
    busy.write(get("/slow"));
    eventually(|| backend.heads().len() == 2);
    proxy.proxy.drain();
    assert_eq!(silent.rest(), (String::new(), Over::End));
    tell.send(()).unwrap();
    let (head, body) = busy.message();
    assert_eq!((field(&head, "connection"), &*body), (Some("close"), "done"));
    assert_eq!(busy.rest(), (String::new(), Over::End));
    proxy.proxy.wait();
}

#[test]
fn members_share_the_requests() {
    let backends: Arc<[Plain; 2]> = Arc::new(["one", "two"].map(|name| Plain::says(ok(name))));
    let proxy = Running::before(&[backends[0].addr, backends[1].addr]);
    let mut client = Stream::connect(proxy.addr);
    for _ in 0..100 {
        client.write(get("/")).message();
    }
    let counts = [backends[0].heads().len(), backends[1].heads().len()];
    assert_eq!(counts[0] + counts[1], 100);
    assert!(counts.iter().all(|count| *count > 15), "{counts:?}");
    assert!(backends.iter().all(|backend| backend.connections() == 1), "connections are kept");
}
