//! What the server runs on: TLS, Unix sockets, keepalive, and peers that speak something else.

mod server_kit;

use std::sync::Arc;
use std::time::Duration;

use server_kit::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use viaduct::Code;
use viaduct::server::{Inbox, Listener, Router, Server, ServerConfig};
use viaduct::tls::{ClientTls, ServerTls, explain};
use viaduct_testkit::certificates::{Authority, Pair};

fn server_tls(pair: &Pair, ca: Option<&str>) -> ServerTls {
    ServerTls::new(pair.cert.as_bytes(), pair.key.as_bytes(), ca.map(str::as_bytes)).unwrap()
}

fn client_tls(ca: &str, id: Option<&Pair>, name: Option<&str>) -> ClientTls {
    let id = id.map(|pair| (pair.cert.as_bytes(), pair.key.as_bytes()));
    ClientTls::new(Some(ca.as_bytes()), id, name).unwrap()
}

fn over_tls(tls: ServerTls) -> Fixture {
    let listener = Listener::bind("https://127.0.0.1:0", Some(tls)).unwrap();
    Fixture::with(ServerConfig::default(), listener, Some(echo))
}

async fn dial(
    server: &Fixture,
    tls: &ClientTls,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let socket = TcpStream::connect(server.address()).await?;
    TlsConnector::from(tls.config()).connect(tls.name_for("localhost").unwrap(), socket).await
}

#[tokio::test]
async fn tls_with_given_roots() {
    let authority = Authority::new("ours");
    let server = over_tls(server_tls(&authority.issue(&["localhost"]), None));
    assert!(server.handle.targets()[0].starts_with("https://127.0.0.1:"));
    let stream = dial(&server, &client_tls(&authority.pem, None, None)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = Client::over(stream).await;
    assert_eq!(client.unary(UNARY, &[5; 100_000]).await.messages, [[5; 100_000]]);
    assert_eq!(client.unary(FAIL, b"").await.code(), Code::NotFound);
}

#[tokio::test]
async fn a_bad_certificate_is_named() {
    let authority = Authority::new("ours");
    let good = over_tls(server_tls(&authority.issue(&["localhost"]), None));
    let said = async |server: &Fixture, tls: &ClientTls| explain(&dial(server, tls).await.unwrap_err());
    let stranger = client_tls(&Authority::new("stranger").pem, None, None);
    assert!(said(&good, &stranger).await.contains("unknown issuer"));
    let namesake = client_tls(&Authority::new("ours").pem, None, None);
    assert!(said(&good, &namesake).await.contains("bad signature"));
    let named = client_tls(&authority.pem, None, Some("other.example"));
    let text = said(&good, &named).await;
    assert!(text.contains("wanted other.example, it is for localhost"), "{text}");
    let expired = over_tls(server_tls(&authority.expired("localhost"), None));
    let text = said(&expired, &client_tls(&authority.pem, None, None)).await;
    assert!(text.contains("has expired: it was valid until 2020-01-31"), "{text}");
    eventually(|| good.handle.counts().tls_failed == 3).await;
}

#[tokio::test]
async fn mutual_tls_wants_a_certificate_of_the_right_issuer() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("theirs"));
    let server = over_tls(server_tls(&ours.issue(&["localhost"]), Some(&clients.pem)));
    let known = client_tls(&ours.pem, Some(&clients.issue(&["localhost"])), None);
    let mut client = Client::over(dial(&server, &known).await.unwrap()).await;
    assert_eq!(client.unary(UNARY, b"x").await.messages, [b"x"]);
    for (identity, why) in
        [(None, "requires a client certificate"), (Some(ours.issue(&["localhost"])), "does not")]
    {
        let tls = client_tls(&ours.pem, identity.as_ref(), None);
        let error = match dial(&server, &tls).await {
            Err(error) => error,
            Ok(mut stream) => stream.read_u8().await.unwrap_err(),
        };
        assert!(explain(&error).contains(why), "{}", explain(&error));
    }
    eventually(|| server.handle.counts().tls_failed == 2).await;
}

#[tokio::test]
async fn without_h2_by_alpn_there_is_no_connection() {
    let authority = Authority::new("ours");
    let server = over_tls(server_tls(&authority.issue(&["localhost"]), None));
    let tls = client_tls(&authority.pem, None, None);
    for alpn in [vec![], vec![b"http/1.1".to_vec()]] {
        let mut config = (*tls.config()).clone();
        config.alpn_protocols = alpn;
        let socket = TcpStream::connect(server.address()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        match connector.connect(tls.name_for("localhost").unwrap(), socket).await {
            Err(error) => assert!(explain(&error).contains("\"h2\""), "{}", explain(&error)),
            Ok(mut stream) => assert!(matches!(stream.read(&mut [0; 10]).await, Ok(0) | Err(_))),
        }
    }
    // Plaintext to a TLS port, and TLS to a plaintext one.
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let _ = socket.read_to_end(&mut Vec::new()).await;
    eventually(|| server.handle.counts().tls_failed == 3).await;
    let plain = Fixture::echo(ServerConfig::default());
    let text = explain(&dial(&plain, &tls).await.unwrap_err());
    assert!(text.contains("speak TLS"), "{text}");
}

#[tokio::test]
async fn unix_sockets() {
    let path = std::env::temp_dir().join(format!("viaduct-server-{}.sock", std::process::id()));
    let address = format!("unix:{}", path.display());
    let listener = Listener::bind(&address, None).unwrap();
    let server = Fixture::with(ServerConfig::default(), listener, None);
    let mut client = Client::over(UnixStream::connect(&path).await.unwrap()).await;
    let asking = tokio::spawn(async move { client.unary(UNARY, b"x").await });
    let (call, _) = popped(&server).await;
    assert_eq!(call.peer(), "unix:");
    call.reply(plain(b"y"), http::HeaderMap::new()).unwrap();
    assert_eq!(asking.await.unwrap().messages, [b"y"]);
    server.handle.abort();
    server.handle.drained().await;
    assert!(!path.exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn abstract_unix_sockets() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("viaduct-server-{}", std::process::id());
    let listener = Listener::bind(&format!("unix-abstract:{name}"), None).unwrap();
    let server = Fixture::with(ServerConfig::default(), listener, Some(echo));
    assert_eq!(server.handle.targets(), [format!("unix-abstract:{name}")]);
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut client = Client::over(UnixStream::from_std(socket).unwrap()).await;
    assert_eq!(client.unary(UNARY, b"x").await.messages, [b"x"]);
}

#[tokio::test]
async fn garbage_and_silence_are_closed_and_counted() {
    let config = ServerConfig { handshake_timeout: Duration::from_millis(100), ..ServerConfig::default() };
    let server = Fixture::echo(config);
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b""] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(garbage).await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    }
    eventually(|| server.handle.counts().handshakes_failed == 3).await;
    // A frame that is none, after a good preface.
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    socket.write_all(&[0, 0, 1, 0, 0, 0, 0, 0, 0, 1]).await.unwrap();
    let _ = socket.read_to_end(&mut Vec::new()).await;
    eventually(|| server.handle.counts().protocol_errors == 1).await;
    assert_eq!(server.client().await.unary(UNARY, b"x").await.messages, [b"x"]);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let server = Fixture::echo(ServerConfig { max_connections: 1, ..ServerConfig::default() });
    let mut client = server.client().await;
    let mut second = TcpStream::connect(server.address()).await.unwrap();
    assert!(matches!(second.read(&mut [0; 10]).await, Ok(0) | Err(_)));
    assert_eq!(client.unary(UNARY, b"x").await.messages, [b"x"]);
    let counts = server.handle.counts();
    assert_eq!((counts.connections, counts.connections_refused, counts.connections_open), (2, 1, 1));
}

#[tokio::test]
async fn a_dead_peer_is_found_by_ping_and_a_quiet_one_stays() {
    let config = ServerConfig {
        keepalive: Some(Duration::from_millis(50)),
        keepalive_timeout: Duration::from_millis(100),
        ..ServerConfig::default()
    };
    let server = Fixture::echo(config);
    let mut quiet = server.client().await;
    // This one reads and never answers.
    let mut dead = TcpStream::connect(server.address()).await.unwrap();
    dead.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut seen = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), dead.read_to_end(&mut seen)).await.unwrap();
    // A PING of ours: length 8, type 6, no flags.
    assert!(seen.windows(5).any(|w| w == [0, 0, 8, 6, 0]));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.handle.counts().keepalive_timeouts, 1);
    assert_eq!(quiet.unary(UNARY, b"x").await.messages, [b"x"]);
}

#[test]
fn a_server_is_started_inside_a_runtime() {
    let listener = Listener::bind("http://127.0.0.1:0", None).unwrap();
    let start = |listeners| {
        Server::start(ServerConfig::default(), Router::new(), listeners, Inbox::new(1))
            .unwrap_err()
            .to_string()
    };
    assert!(start(vec![listener]).contains("inside a runtime"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    assert!(start(vec![]).contains("at least one listener"));
}
