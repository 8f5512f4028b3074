//! Through an HTTP proxy by CONNECT.

mod client_kit;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client_kit::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use viaduct::Code;
use viaduct::client::{Channel, ChannelOptions, LoadBalancing, Proxy, Target};
use viaduct::tls::ClientTls;
use viaduct_testkit::{Behaviour, WrongServer};

/// What the proxy does with a CONNECT.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// A tunnel to the one server there is, whatever was asked for.
    Tunnel,
    /// The same, in pieces.
    Pieces,
    /// The same, if these are the credentials.
    Asks(&'static str),
    /// These bytes, and the end.
    Says(&'static str),
    /// So many bytes of a head without an end.
    Talks(usize),
    Silent,
}

struct TestProxy {
    addr: SocketAddr,
    /// The heads of the requests.
    seen: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    async fn start(manner: Manner, server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, manner, server, Arc::clone(&heads)));
            }
        });
        Self { addr, seen }
    }

    fn options(&self, user: &str) -> ChannelOptions {
        ChannelOptions { proxy: Proxy::Uri(format!("http://{user}{}", self.addr)), ..impatient() }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, manner: Manner, server: SocketAddr, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let tunnel: &[&str] = match manner {
        Manner::Tunnel => &["HTTP/1.1 200 Connection established\r\n\r\n"],
        Manner::Pieces => &["HTTP/1.0 20", "0 OK\r", "\nVia: 1.1 x\r\n\r", "\n"],
        Manner::Asks(expected)
            if head.contains(&format!("\r\nProxy-Authorization: Basic {expected}\r\n")) =>
        {
            &["HTTP/1.1 200 OK\r\n\r\n"]
        }
        Manner::Asks(_) => &["HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"],
        Manner::Says(text) => &[text],
        Manner::Talks(bytes) => {
            client.write_all(b"HTTP/1.1 200 OK\r\nX: ").await.unwrap();
            // The client may have had enough.
            let _ = client.write_all(&vec![b'x'; bytes]).await;
            // A reset must not overtake what was said.
            let _ = client.read(&mut [0]).await;
            return;
        }
        Manner::Silent => {
            let _ = client.read(&mut [0]).await;
            return;
        }
    };
    for piece in tunnel {
        client.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if tunnel.concat().contains(" 200 ") && !matches!(manner, Manner::Says(_)) {
        let mut up = TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut up).await;
    }
}

#[tokio::test]
async fn the_proxy_is_asked_for_the_name() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    for manner in [Manner::Tunnel, Manner::Pieces] {
        for balancing in [LoadBalancing::PickFirst, LoadBalancing::RoundRobin] {
            let proxy = TestProxy::start(manner, server.addr).await;
            let options = ChannelOptions { load_balancing: balancing, ..proxy.options("") };
            // A name that nobody but this proxy resolves.
            let channel = channel("http://server.invalid:50051", options);
            for _ in 0..3 {
                let outcome = hello(&channel).await;
                assert!(is_hello(&outcome), "{manner:?}: {:?}", outcome.status);
                assert_eq!(&*outcome.peer, format!("ipv4:{}", proxy.addr));
            }
            let expected = "CONNECT server.invalid:50051 HTTP/1.1\r\nHost: server.invalid:50051\r\n\r\n";
            assert_eq!(proxy.seen(), [expected]);
        }
    }
    let proxy = TestProxy::start(Manner::Tunnel, server.addr).await;
    assert!(is_hello(&hello(&channel("http://[::1]:7", proxy.options(""))).await));
    assert!(proxy.seen()[0].starts_with("CONNECT [::1]:7 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn credentials_are_sent_and_not_shown() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    // "user:pass word"
    let proxy = TestProxy::start(Manner::Asks("dXNlcjpwYXNzIHdvcmQ="), server.addr).await;
    assert!(is_hello(&hello(&channel("http://a.invalid:1", proxy.options("user:pass%20word@"))).await));
    for user in ["", "user:secret@"] {
        let options = proxy.options(user);
        assert!(!format!("{options:?}").contains("secret"));
        let status = hello(&channel("http://a.invalid:1", options)).await.status;
        assert_eq!(status.code(), Code::Unavailable);
        let expected = format!(
            "cannot connect to http://a.invalid:1: the proxy {}: it answered \"HTTP/1.1 407 Proxy \
             Authentication Required\" to CONNECT a.invalid:1; expected HTTP/1.1 200",
            proxy.addr
        );
        assert_eq!(status.message(), expected);
    }
}

#[tokio::test]
async fn what_is_no_tunnel_is_named() {
    for (manner, part) in [
        (Manner::Says("HTTP/1.1 403 Forbidden\r\n\r\nno"), "it answered \"HTTP/1.1 403 Forbidden\""),
        (Manner::Says("HTTP/1.1 2000 Many\r\n\r\n"), "\"HTTP/1.1 2000 Many\""),
        (Manner::Says("SSH-2.0-x\r\n\r\n"), "\"SSH-2.0-x\""),
        (Manner::Says(""), "it closed the connection before it answered"),
        (Manner::Says("HTTP/1.1 200 OK\r\n"), "it closed the connection before it answered"),
        (Manner::Talks(9000), "longer than 8192 bytes"),
        (Manner::Talks(1 << 20), "longer than 8192 bytes"),
        (Manner::Silent, "no connection within 300ms"),
    ] {
        let proxy = TestProxy::start(manner, nobody()).await;
        let timeout = if matches!(manner, Manner::Silent) { 300 } else { 20_000 };
        let options = ChannelOptions { connect_timeout: Duration::from_millis(timeout), ..proxy.options("") };
        let status = hello(&channel("http://a.invalid:1", options)).await.status;
        assert_eq!(status.code(), Code::Unavailable, "{manner:?}: {status:?}");
        assert!(status.message().contains(part), "{manner:?}: {status:?}");
    }
    let gone = nobody();
    let options = ChannelOptions { proxy: Proxy::Uri(format!("http://{gone}")), ..impatient() };
    let status = hello(&channel("http://a.invalid:1", options)).await.status;
    assert!(status.message().contains(&format!("the proxy {gone}: ipv4:{gone}: ")), "{status:?}");
}

#[tokio::test]
async fn tls_is_with_the_server() {
    use viaduct::server::{Listener, ServerConfig};
    let made = rcgen::generate_simple_self_signed(["server.invalid".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = viaduct::tls::ServerTls::new(cert.as_bytes(), key.as_bytes(), None).unwrap();
    let listener = Listener::bind("https://127.0.0.1:0", Some(tls)).unwrap();
    let fixture = server_kit::Fixture::with(ServerConfig::default(), listener, Some(server_kit::echo));
    let proxy = TestProxy::start(Manner::Tunnel, fixture.address().parse().unwrap()).await;
    let trusted = ClientTls::new(Some(cert.as_bytes()), None, None).unwrap();
    let channel = |target: &str| over_tls(target, Some(trusted.clone()), proxy.options(""));
    let unary = viaduct::client::Method::parse(server_kit::UNARY).unwrap();
    let outcome = channel("https://server.invalid:4").unary(unary, framed(b"hello"), within(20.0)).await;
    assert!(is_hello(&outcome), "{:?}", outcome.status);
    let status = hello(&channel("https://other.invalid:4")).await.status;
    assert!(status.message().contains("other.invalid"), "{status:?}");
}

mod server_kit;

#[tokio::test]
async fn unix_sockets_and_lists_do_not_go_through() {
    let proxy = || ChannelOptions { proxy: Proxy::Uri("http://127.0.0.1:1".into()), ..impatient() };
    let path = "/nonexistent/viaduct.sock";
    let status = hello(&channel(&format!("unix:{path}"), proxy())).await.status;
    assert!(status.message().contains(path) && !status.message().contains("proxy"), "{status:?}");
    let make = |target: &str, proxy: &str| {
        let options = ChannelOptions { proxy: Proxy::Uri(proxy.into()), ..impatient() };
        Channel::new(Target::parse(target).unwrap(), None, options).map(drop)
    };
    let several = make("ipv4:127.0.0.1:1,127.0.0.1:2", "http://127.0.0.1:1").unwrap_err().to_string();
    assert!(several.contains("several addresses"), "{several}");
    let scheme = make("http://a:1", "https://u:secret@a").unwrap_err().to_string();
    assert!(scheme.contains("\"https\" is not supported") && !scheme.contains("secret"), "{scheme}");
}

/// What the children of the test below do.
#[tokio::test]
#[ignore = "started by the_environment_is_read"]
async fn child_of_the_environment() {
    let outcome = hello(&channel(&std::env::var("TEST_TARGET").unwrap(), ChannelOptions::default())).await;
    println!(
        "{}",
        if is_hello(&outcome) { format!("via {}", outcome.peer) } else { outcome.status.to_string() }
    );
}

#[tokio::test]
async fn the_environment_is_read() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = TestProxy::start(Manner::Tunnel, server.addr).await;
    let via = |set: Vec<(&'static str, String)>| {
        let target = format!("http://{}", server.addr);
        async move {
            let child = move || {
                let mut child = Command::new(std::env::current_exe().unwrap());
                child.args(["--exact", "child_of_the_environment", "--ignored", "--nocapture"]);
                for name in ["grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"] {
                    child.env_remove(name);
                }
                child.env("TEST_TARGET", target).envs(set).output().unwrap()
            };
            String::from_utf8(tokio::task::spawn_blocking(child).await.unwrap().stdout).unwrap()
        }
    };
    let uri = format!("http://{}", proxy.addr);
    let (proxied, direct) = (format!("via ipv4:{}", proxy.addr), format!("via ipv4:{}", server.addr));
    for (set, expected) in [
        (vec![], &direct),
        // The loopback is no exception.
        (vec![("http_proxy", uri.clone())], &proxied),
        (vec![("grpc_proxy", String::new()), ("http_proxy", uri.clone())], &direct),
        (vec![("https_proxy", uri.clone()), ("no_proxy", "127.0.0.0/8".into())], &direct),
        (vec![("https_proxy", "socks5://127.0.0.1:1".into())], &direct),
    ] {
        let said = via(set.clone()).await;
        assert!(said.contains(expected), "{set:?}: {said}");
    }
}
