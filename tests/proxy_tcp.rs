//! Raw TCP through the proxy, and all protocols on one port.

mod proxy_kit;

use std::time::Duration;

use proxy_kit::plain::{Over, Plain, Stream, counted, curl, field, get, ok};
use proxy_kit::{Running, group, nobody, settings};
use viaduct::proxy::settings::{Admin, GroupTls, Listen, ListenKind, ListenTls, Settings};
use viaduct_testkit::certificates::{Authority, Pair};
use viaduct_testkit::openssl::Scratch;
use viaduct_testkit::{Behaviour, WrongServer};

/// A listener for raw bytes before these members.
fn tcp(members: &[std::net::SocketAddr]) -> Settings {
    let mut all = settings(members);
    all.routes.clear();
    all.listeners[0].kind = ListenKind::Tcp { group: "backends".into() };
    all.admin = Some(Admin { address: "http://127.0.0.1:0".into() });
    all
}

fn shown(pair: &Pair) -> ListenTls {
    ListenTls {
        identities: vec![(pair.cert.clone().into_bytes(), pair.key.clone().into_bytes())],
        client_ca: None,
        client_optional: false,
    }
}

/// Greets before it is asked, says back what comes in capitals, and says goodbye when nothing more does.
fn shouting(stream: &mut Stream, _: &proxy_kit::plain::Notes) {
    stream.write("220 hello\n");
    while let Ok(line) = stream.until("\n") {
        stream.write(line.to_uppercase());
    }
    stream.write("bye\n");
}

#[test]
fn bytes_pass_both_ways_and_each_direction_ends_by_itself() {
    let backend = Plain::start(shouting);
    let proxy = Running::start(tcp(&[backend.addr]));
    let mut client = Stream::connect(proxy.addr);
    assert_eq!(client.until("\n").unwrap(), "220 hello\n");
    assert_eq!(client.write("one\n").until("\n").unwrap(), "ONE\n");
    let long = format!("{}\n", "x".repeat(1 << 20));
    assert_eq!(client.write(&long).until("\n").unwrap(), long.to_uppercase());
    client.finish();
    assert_eq!(client.rest(), ("bye\n".to_owned(), Over::End));
    assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_tcp_connections_total"), 1);
}

#[test]
fn the_backend_may_end_first() {
    let backend = Plain::start(|stream, notes| {
        stream.write("all\n").finish();
        notes.lock().unwrap().push(stream.rest().0);
    });
    let proxy = Running::start(tcp(&[backend.addr]));
    let mut client = Stream::connect(proxy.addr);
    assert_eq!(client.rest(), ("all\n".to_owned(), Over::End));
    client.write("still here\n").finish();
    proxy_kit::eventually(|| backend.heads() == ["still here\n"]);
}

#[test]
fn a_reset_arrives_as_a_reset() {
    let backend = Plain::start(|stream, notes| {
        stream.write("begun\n");
        let (seen, over) = stream.rest();
        notes.lock().unwrap().push(format!("{seen}{over:?}"));
    });
    let proxy = Running::start(tcp(&[backend.addr]));
    let mut client = Stream::connect(proxy.addr);
    assert_eq!(client.until("\n").unwrap(), "begun\n");
    client.reset();
    proxy_kit::eventually(|| backend.heads() == ["Cut"]);
    assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_cut_total"), 1);
}

#[test]
fn who_cannot_be_reached_is_left_out_and_nobody_is_a_reset() {
    let backend = Plain::start(shouting);
    let proxy = Running::start(tcp(&[nobody(), backend.addr]));
    for _ in 0..8 {
        assert_eq!(Stream::connect(proxy.addr).until("\n").unwrap(), "220 hello\n");
    }
    for members in [vec![nobody()], vec![]] {
        let proxy = Running::start(tcp(&members));
        assert_eq!(Stream::connect(proxy.addr).rest(), (String::new(), Over::Cut));
        assert_eq!(counted(&proxy.proxy.admin().unwrap(), "viaduct_no_backend_total"), 1);
    }
}

#[test]
fn tls_ends_at_the_listener_and_begins_anew_before_the_members() {
    let ours = Authority::new("ours");
    let (front, inner) = (ours.issue(&["front.test"]), ours.issue(&["inner.test"]));
    let backend = Plain::start_tls(&inner, shouting);
    let mut all = tcp(&[backend.addr]);
    all.listeners[0].address = "https://127.0.0.1:0".into();
    all.listeners[0].tls = Some(shown(&front));
    all.groups[0].tls = Some(GroupTls {
        ca: Some(ours.pem.clone().into_bytes()),
        server_name: Some("inner.test".into()),
        ..GroupTls::default()
    });
    let proxy = Running::start(all);
    // Whatever protocol a client offers is between it and the backend.
    for alpn in [&["postgresql"][..], &[]] {
        let mut client = Stream::connect_tls(proxy.addr, &ours.pem, "front.test", alpn);
        assert_eq!(client.write("one\n").until("\n").unwrap(), "220 hello\n");
        assert_eq!(client.until("\n").unwrap(), "ONE\n");
        client.finish();
        assert_eq!(client.rest(), ("bye\n".to_owned(), Over::End));
    }
    let mut plain = Stream::connect(proxy.addr);
    plain.write("no handshake\n");
    plain.rest();
    proxy_kit::eventually(|| counted(&proxy.proxy.admin().unwrap(), "viaduct_tls_failed_total") == 1);
}

#[test]
fn a_proxy_that_leads_to_itself_ends_the_circle() {
    let backend = Plain::start(shouting);
    let proxy = Running::start(tcp(&[backend.addr]));
    let mut round = tcp(&[proxy.addr]);
    round.listeners[0].address = "http://127.0.0.1:0".into();
    proxy.proxy.reload(round).unwrap();
    assert_eq!(Stream::connect(proxy.addr).rest().0, "");
    let target = proxy.proxy.admin().unwrap();
    proxy_kit::eventually(|| counted(&target, "viaduct_loops_total") == 1);
}

#[test]
fn a_proxy_that_drains_lets_bytes_flow_until_the_grace_is_over() {
    let backend = Plain::start(shouting);
    let mut all = tcp(&[backend.addr]);
    all.drain.notice = Duration::ZERO;
    all.drain.grace = Duration::from_secs(1);
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    client.until("\n").unwrap();
    proxy.proxy.drain();
    assert_eq!(client.write("one\n").until("\n").unwrap(), "ONE\n");
    client.rest();
    proxy.proxy.wait();
}

/// HTTP/2 backends and HTTP/1.1 backends behind one port; TLS and plaintext.
fn everything(front: &Pair, h1: &Plain, h2: &WrongServer) -> Settings {
    let mut all = settings(&[]);
    all.groups = vec![group("old", &[h1.addr]), group("new", &[h2.addr])];
    all.routes = ["new", "old"].map(proxy_kit::all_to).to_vec();
    let calls = viaduct::proxy::settings::Pattern::Present;
    let prefix = |text: &str| viaduct::proxy::settings::Pattern::Prefix(text.into());
    all.routes[0].matches = vec![viaduct::proxy::settings::Match::Path(prefix("/new"))];
    all.routes[1].matches = vec![viaduct::proxy::settings::Match::Path(calls)];
    all.listeners[0] = Listen {
        address: "https://127.0.0.1:0".into(),
        tls: Some(shown(front)),
        plaintext: true,
        ..Listen::default()
    };
    all
}

#[test]
fn one_port_speaks_what_it_is_spoken_to() {
    let ours = Authority::new("ours");
    let front = ours.issue(&["front.test"]);
    let h1 = Plain::start(|stream, _| {
        while let Ok(head) = stream.head() {
            let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
            let body = stream.text(length);
            stream.write(ok(&format!("{} {body}", head.lines().next().unwrap())));
        }
    });
    let h2 = WrongServer::start(Behaviour::Html(200)).unwrap();
    let proxy = Running::start(everything(&front, &h1, &h2));
    let scratch = Scratch::new();
    let ca = scratch.write("ca.pem", &ours.pem);
    let port = proxy.addr.port();
    let resolve = format!("front.test:{port}:127.0.0.1");
    let secure = ["--cacert", ca.to_str().unwrap(), "--resolve", &resolve];
    let ask = |words: &[&str], scheme: &str, path: &str| {
        let url = format!("{scheme}://front.test:{port}{path}");
        curl(&[words, &secure, &["-w", " over %{http_version}", &url]].concat())
    };
    let old = "GET /old HTTP/1.1  over 1.1";
    assert_eq!(ask(&[], "http", "/old"), old);
    assert_eq!(ask(&["--http1.1"], "https", "/old"), old);
    assert_eq!(ask(&["--http2"], "http", "/old"), old, "h2c by upgrade is not offered");
    assert_eq!(ask(&["--http1.0"], "http", "/old"), "GET /old HTTP/1.1  over 1.1");
    assert_eq!(ask(&["--no-alpn"], "https", "/old"), old);
    assert_eq!(ask(&["-d", "body"], "http", "/old"), "POST /old HTTP/1.1 body over 1.1");
    let large = scratch.write("large", &"x".repeat(3 << 20));
    let upload = format!("@{}", large.display());
    // curl waits for 100 Continue here, for a second at most.
    let told = ask(&["--http1.1", "-H", "Expect: 100-continue", "--data-binary", &upload], "https", "/old");
    assert!(told.starts_with("POST /old HTTP/1.1 xxx") && told.len() > 3 << 20);
    for words in [&["--http2-prior-knowledge"][..], &["--http2"]] {
        let scheme = if words[0] == "--http2" { "https" } else { "http" };
        let told = ask(words, scheme, "/new");
        assert!(told.contains("<html") && told.ends_with(" over 2"), "{told}");
    }
}

#[test]
fn http1_and_http2_are_never_changed_into_each_other() {
    let ours = Authority::new("ours");
    let front = ours.issue(&["front.test"]);
    let h1 = Plain::says(ok("here"));
    let h2 = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::start(everything(&front, &h1, &h2));
    let mut client = Stream::connect(proxy.addr);
    client.write(get("/new"));
    let (head, body) = client.message();
    assert!(head.starts_with("HTTP/1.1 502 ") && body.contains("which is not HTTP/1.1"), "{head}{body}");
}

#[test]
fn http1_goes_over_tls_to_members_that_have_it() {
    let ours = Authority::new("ours");
    let inner = ours.issue(&["inner.test"]);
    let backend = Plain::start_tls(&inner, |stream, notes| {
        while let Ok(head) = stream.head() {
            notes.lock().unwrap().push(head);
            stream.write(ok("secret"));
        }
    });
    let mut all = settings(&[backend.addr]);
    all.groups[0].tls = Some(GroupTls {
        ca: Some(ours.pem.clone().into_bytes()),
        server_name: Some("inner.test".into()),
        ..GroupTls::default()
    });
    let proxy = Running::start(all);
    let mut client = Stream::connect(proxy.addr);
    for _ in 0..3 {
        assert_eq!(client.write(get("/")).message().1, "secret");
    }
    assert_eq!(backend.connections(), 1);
    let mut strangers = settings(&[backend.addr]);
    strangers.groups[0].tls =
        Some(GroupTls { ca: Some(Authority::new("theirs").pem.into_bytes()), ..GroupTls::default() });
    let proxy = Running::start(strangers);
    let mut client = Stream::connect(proxy.addr);
    client.write(get("/"));
    let (head, body) = client.message();
    assert!(head.starts_with("HTTP/1.1 503 ") && body.contains("the TLS handshake failed"), "{head}{body}");
}
