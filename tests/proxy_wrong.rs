//! What is wrong with clients, backends and names, each with what becomes of it, and the counter that says so. Nothing
//! of it stays: requests and connections are none at the end.
#![allow(missing_docs)]

mod proxy_kit;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use proxy_kit::backend::{self, Says, call};
use proxy_kit::calls::{block, called, message};
use proxy_kit::names::{Is, Names};
use proxy_kit::plain::{counted, curl};
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, POST, Peer, shape};
use proxy_kit::{Running, eventually, nobody, settings};
use viaduct::Code;
use viaduct::proxy::settings::{Admin, Discover, Settings, Source};
use viaduct_testkit::frame::kind;
use viaduct_testkit::{Behaviour, WrongServer};

const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;
/// How often each thing is done.
const TIMES: u64 = 20;

struct Watched {
    running: Running,
    admin: String,
}

fn watched(mut settings: Settings) -> Watched {
    settings.admin = Some(Admin { address: "http://127.0.0.1:0".to_owned() });
    settings.listeners[0].handshake_timeout = Duration::from_millis(300);
    let running = Running::start(settings);
    let admin = running.proxy.admin().unwrap();
    Watched { running, admin }
}

impl Watched {
    fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// A counter comes to this value, and then nothing is open.
    fn ends_with(&self, counter: &str, value: u64) {
        eventually(|| counted(&self.admin, counter) >= value);
        eventually(|| {
            let open = ["viaduct_requests_open", "viaduct_connections_open"];
            open.iter().all(|name| counted(&self.admin, name) == 0)
        });
        assert_eq!(counted(&self.admin, counter), value, "{counter}");
    }

    /// The counters of requests at backends whose lines have all of these labels.
    fn requests(&self, labels: &[&str]) -> u64 {
        let text = curl(&[&format!("{}/metrics", self.admin)]);
        let lines = text.lines().filter(|line| line.starts_with("viaduct_requests_total{"));
        let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// What comes back for these bytes, to the end. A reset says the same as an end.
fn said(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(bytes).unwrap();
    let mut all = Vec::new();
    if let Err(error) = socket.read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    all
}

#[test]
fn garbage_and_half_a_preface_are_closed_over() {
    let (_listener, addr) = Backend::listen();
    let proxy = watched(settings(&[addr]));
    for _ in 0..TIMES {
        // At once; after the time that a handshake may take; and where the client goes first.
        assert_eq!(said(proxy.addr(), b"\0\x01\x02garbage"), b"");
        TcpStream::connect(proxy.addr()).unwrap().write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    }
    said(proxy.addr(), b"PRI * HTTP/2.0\r\n\r\nS");
    proxy.ends_with("viaduct_unknown_protocol_total", 2 * TIMES + 1);
}

#[test]
fn a_preface_with_no_frames_behind_it_is_an_error_of_the_protocol() {
    let (_listener, addr) = Backend::listen();
    let proxy = watched(settings(&[addr]));
    for _ in 0..TIMES {
        said(proxy.addr(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, no frames at all");
    }
    proxy.ends_with("viaduct_protocol_errors_total", TIMES);
}

#[test]
fn a_mebibyte_of_headers_ends_the_connection() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = watched(settings(&[server.addr]));
    let huge = "h".repeat(1 << 20);
    let mut head = POST.to_vec();
    head.push(("x-huge", &huge));
    for _ in 0..TIMES {
        let mut client = Peer::connect(proxy.addr());
        client.headers(1, &head, true);
        let mut last = None;
        while let Some(frame) = client.next() {
            assert!(matches!(frame.kind, kind::GOAWAY), "{frame:?}");
            last = Some(shape(&[frame]));
        }
        // "Enhance your calm", where it arrives before the reset that follows what was not read.
        assert!(last.is_none_or(|last| last == ["GOAWAY 11"]));
    }
    // Others are served all the while.
    assert_eq!(block(called(proxy.addr(), b"x")).2.unwrap().code(), Code::Ok);
    proxy.ends_with("viaduct_protocol_errors_total", TIMES);
    assert_eq!(server.stats().streams, 1);
}

#[test]
fn a_header_list_over_the_limit_is_431() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = watched(settings(&[server.addr]));
    let long = "h".repeat(70 << 10);
    let mut client = Peer::connect(proxy.addr());
    let mut head = POST.to_vec();
    head.push(("x-long", &long));
    client.headers(1, &head, true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS end"]);
    // On the same connection another one is served.
    client.headers(3, &POST, true);
    let frames = client.stream(3);
    assert_eq!(shape(&frames).last().unwrap(), "HEADERS end");
    client.cut();
    proxy.ends_with("viaduct_requests_received_total", 1);
    assert_eq!(server.stats().streams, 1);
}

#[test]
fn a_path_without_a_service_is_unimplemented() {
    let (_listener, addr) = Backend::listen();
    let proxy = watched(settings(&[addr]));
    for _ in 0..TIMES {
        let end = call(proxy.addr(), "/nothing");
        assert_eq!(end.status, UNIMPLEMENTED);
        assert!(end.message.contains("expected /package.Service/Method"), "{}", end.message);
    }
    proxy.ends_with("viaduct_bad_path_total", TIMES);
}

/// One group whose members are asked for their services.
fn discovering(sources: Vec<Source>) -> Settings {
    let mut settings = settings(&[]);
    settings.groups[0].sources = sources;
    settings.groups[0].discover =
        Some(Discover { interval: Duration::from_secs(3600), timeout: Duration::from_secs(10) });
    settings
}

fn member(addr: SocketAddr) -> Source {
    Source::member(&addr.to_string(), 1).unwrap()
}

#[test]
fn a_backend_that_lies_about_its_services_is_counted_by_its_answers() {
    // Of the two the first one claims what it has not.
    let liar = backend::Backend::start("liar", Says { lies: vec!["x.A"], ..Says::serving(&[]) });
    let honest = backend::Backend::start("honest", Says::serving(&["x.B"]));
    let proxy = watched(discovering(vec![member(liar.addr), member(honest.addr)]));
    for _ in 0..TIMES {
        let end = call(proxy.addr(), "/x.A/M");
        assert_eq!((end.status, end.backend.as_str()), (UNIMPLEMENTED, "liar"), "its own answer");
        assert_eq!(call(proxy.addr(), "/x.B/M").status, 0);
    }
    let labels = [&*format!("backend=\"{}\"", liar.addr), "service=\"x.A\"", "code=\"UNIMPLEMENTED\""];
    assert_eq!(proxy.requests(&labels), TIMES);
    proxy.ends_with("viaduct_requests_received_total", 2 * TIMES);
}

#[test]
fn a_backend_whose_reflection_is_nonsense_is_counted() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = watched(discovering(vec![member(server.addr)]));
    // What it says of itself is not understood: it may serve everything.
    assert_eq!(block(called(proxy.addr(), b"x")).2.unwrap().code(), Code::Ok);
    proxy.ends_with("viaduct_group_discovery_failures_total", 1);
}

#[test]
fn a_backend_whose_reflection_has_no_end_is_not_listened_to() {
    let (listener, addr) = Backend::listen();
    let proxy = watched(discovering(vec![member(addr)]));
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    backend.stream(there);
    backend.headers(there, &OK_HEAD, false);
    backend.data(there, &[message(b""), message(b"")].concat(), false);
    assert_eq!(shape(&backend.stream(there)), ["RST 8"]);
    proxy.ends_with("viaduct_group_discovery_failures_total", 1);
}

#[test]
fn a_name_that_resolves_to_nothing_leaves_no_backend() {
    let names = Names::start();
    let mut settings = settings(&[]);
    settings.groups[0].sources = vec![Source::member("nothing.test:50051", 1).unwrap()];
    settings.dns = vec![names.addr];
    let proxy = watched(settings);
    for _ in 0..TIMES {
        let end = call(proxy.addr(), "/x.A/M");
        assert_eq!(end.status, UNAVAILABLE);
        assert!(end.message.contains("has no members now"), "{}", end.message);
    }
    proxy.ends_with("viaduct_no_backend_total", TIMES);
}

#[test]
fn a_name_that_resolves_to_the_proxy_itself_is_found_out() {
    let names = Names::start();
    let addr = nobody();
    names.set("front.test", &[(60, Is::V4([127, 0, 0, 1].into()))]);
    let mut settings = settings(&[]);
    settings.listeners[0].address = format!("http://{addr}");
    settings.groups[0].sources = vec![Source::member(&format!("front.test:{}", addr.port()), 1).unwrap()];
    settings.dns = vec![names.addr];
    let proxy = watched(settings);
    for _ in 0..TIMES {
        let end = call(proxy.addr(), "/x.A/M");
        assert_eq!(end.status, UNAVAILABLE);
        let told = ["is this proxy itself", "leads back to the proxy itself"];
        assert!(told.iter().any(|told| end.message.contains(told)), "{}", end.message);
    }
    // Found out once, it is not gone to again; the proxy's own connection stays as long as it is good.
    eventually(|| counted(&proxy.admin, "viaduct_loops_total") == 1);
    eventually(|| counted(&proxy.admin, "viaduct_requests_open") == 0);
    assert!(counted(&proxy.admin, "viaduct_connections_open") <= 1);
}

#[test]
fn answers_that_come_after_the_client_has_left_go_nowhere() {
    let (listener, addr) = Backend::listen();
    let proxy = watched(settings(&[addr]));
    let mut connected = None;
    for round in 0..TIMES {
        let mut client = Peer::connect(proxy.addr());
        client.headers(1, &POST, true);
        let backend = connected.get_or_insert_with(|| listener.accept());
        let there = backend.next().unwrap().stream;
        if round % 2 == 0 {
            client.reset(1, 8);
        } else {
            client.cut();
        }
        assert_eq!(shape(&backend.stream(there)), ["RST 8"]);
        // It had not heard that when it said this.
        backend.headers(there, &OK_HEAD, false);
        backend.data(there, &[0; 10_000], false);
        backend.headers(there, &OK_TRAILERS, true);
    }
    // The connection is as good as before.
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, true);
    let mut backend = connected.unwrap();
    let there = backend.next().unwrap().stream;
    backend.headers(there, &OK_HEAD, false);
    backend.headers(there, &OK_TRAILERS, true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "HEADERS end"]);
    client.cut();
    proxy.ends_with("viaduct_cancelled_total", TIMES);
    assert_eq!(counted(&proxy.admin, "viaduct_group_connections_total"), 1);
}
