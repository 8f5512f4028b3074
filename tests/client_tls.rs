//! Channels over TLS: what is trusted, what is resumed, and what is said where it does not work.

mod client_kit;
mod server_kit;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client_kit::{hello, is_hello, over_tls};
use rustls::HandshakeKind::{self, Full, Resumed};
use rustls::server::WebPkiClientVerifier;
use rustls::{ProtocolVersion, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use server_kit::{Fixture, UNARY, echo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use viaduct::client::{Channel, ChannelOptions, Method};
use viaduct::server::{Listener, ServerConfig};
use viaduct::tls::{ClientTls, ServerTls};
use viaduct::{Code, Status};
use viaduct_testkit::certificates::{Authority, Pair};
use viaduct_testkit::openssl::OpenSsl;

fn serve(pair: &Pair, client_ca: Option<&str>) -> Fixture {
    let tls = ServerTls::new(pair.cert.as_bytes(), pair.key.as_bytes(), client_ca.map(str::as_bytes));
    let listener = Listener::bind("https://127.0.0.1:0", Some(tls.unwrap())).unwrap();
    Fixture::with(ServerConfig::default(), listener, Some(echo))
}

fn trusting(ca: &str, identity: Option<&Pair>, name: Option<&str>) -> ClientTls {
    let identity = identity.map(|pair| (pair.cert.as_bytes(), pair.key.as_bytes()));
    ClientTls::new(Some(ca.as_bytes()), identity, name).unwrap()
}

async fn ask(channel: &Channel) -> Result<(), Status> {
    let method = Method::parse(UNARY).unwrap();
    let outcome = channel.unary(method, client_kit::framed(b"hello"), client_kit::within(20.0)).await;
    if is_hello(&outcome) { Ok(()) } else { Err(outcome.status) }
}

fn port(server: &Fixture) -> u16 {
    server.address().parse::<SocketAddr>().unwrap().port()
}

async fn call(port: u16, host: &str, tls: ClientTls) -> Result<(), Status> {
    ask(&over_tls(&format!("https://{host}:{port}"), Some(tls), ChannelOptions::default())).await
}

async fn refusal(port: u16, host: &str, tls: ClientTls) -> String {
    let status = call(port, host, tls).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with(&format!("cannot connect to https://{host}:")), "{status:?}");
    status.message().to_owned()
}

/// TLS of any kind in front of a plaintext server.
struct Front {
    _behind: Fixture,
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<(ProtocolVersion, HandshakeKind)>>>,
    running: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Front {
    async fn start(config: rustls::ServerConfig) -> Self {
        let behind = Fixture::echo(ServerConfig::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, running) = (Arc::default(), Arc::default());
        let front = Self { _behind: behind, addr, seen: Arc::clone(&seen), running: Arc::clone(&running) };
        let to = front._behind.address();
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, seen, to) = (acceptor.clone(), Arc::clone(&seen), to.clone());
                let task = tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let tls = stream.get_ref().1;
                    let what = (tls.protocol_version().unwrap(), tls.handshake_kind().unwrap());
                    seen.lock().unwrap().push(what);
                    let mut behind = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
                running.lock().unwrap().push(task.abort_handle());
            }
        });
        front
    }

    fn target(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    /// Cuts all connections.
    fn cut(&self) {
        self.running.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    fn kinds(&self) -> Vec<HandshakeKind> {
        self.seen.lock().unwrap().iter().map(|(_, kind)| *kind).collect()
    }
}

/// A configuration of rustls' own, for one version of TLS.
fn front(
    pair: &Pair,
    version: &'static rustls::SupportedProtocolVersion,
    clients: Option<&str>,
) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

#[tokio::test]
async fn trusted_servers_are_called() {
    let ours = Authority::new("ours");
    let server = serve(&ours.issue(&["localhost"]), None);
    call(port(&server), "localhost", trusting(&ours.pem, None, None)).await.unwrap();
    // By address, where the certificate has it, and under another name, where it is asked for.
    call(port(&server), "127.0.0.1", trusting(&ours.pem, None, Some("localhost"))).await.unwrap();
    let by_address = serve(&ours.issue(&["127.0.0.1"]), None);
    call(port(&by_address), "127.0.0.1", trusting(&ours.pem, None, None)).await.unwrap();
    // Several roots in one text, the right one last.
    let both = Authority::new("other").pem + &ours.pem;
    call(port(&server), "localhost", trusting(&both, None, None)).await.unwrap();
}

#[tokio::test]
async fn distrust_is_explained() {
    let ours = Authority::new("ours");
    let trusting_ours = || trusting(&ours.pem, None, None);
    let server = serve(&ours.issue(&["localhost"]), None);
    let text = refusal(port(&server), "127.0.0.1", trusting_ours()).await;
    assert!(text.contains("another name: wanted 127.0.0.1, it is for localhost"), "{text}");
    let text =
        refusal(port(&server), "localhost", trusting(&Authority::new("strange").pem, None, None)).await;
    assert!(text.contains("unknown issuer, \"CN=ours\": "), "{text}");
    let old = serve(&ours.expired("localhost"), None);
    let text = refusal(port(&old), "localhost", trusting_ours()).await;
    assert!(text.contains("has expired: it was valid until 2020-01-31"), "{text}");
    let early = serve(&ours.early("localhost"), None);
    let text = refusal(port(&early), "localhost", trusting_ours()).await;
    assert!(text.contains("not valid yet: it begins on 2090-12-01"), "{text}");
    // Names and addresses together, none of them the wanted one.
    let many = serve(&ours.issue(&["a.test", "*.b.test", "10.0.0.1"]), None);
    let text = refusal(port(&many), "localhost", trusting_ours()).await;
    assert!(text.contains("wanted localhost, it is for a.test, *.b.test, 10.0.0.1"), "{text}");
    // An intermediate that the server does not send.
    let below = ours.under("below").issue(&["localhost"]);
    let text = refusal(port(&serve(&below, None)), "localhost", trusting_ours()).await;
    assert!(text.contains("unknown issuer, \"CN=below\": ") && text.contains("intermediate"), "{text}");
    let by_itself = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pair = Pair {
        cert: by_itself.cert.pem(),
        key: by_itself.signing_key.serialize_pem(),
        der: by_itself.cert.der().to_vec(),
    };
    let text = refusal(port(&serve(&pair, None)), "localhost", trusting_ours()).await;
    assert!(text.contains("unknown issuer: it is signed by itself"), "{text}");
}

#[tokio::test]
async fn client_certificates_are_shown_and_missed() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let server = serve(&ours.issue(&["localhost"]), Some(&clients.pem));
    let known = clients.issue(&["client"]);
    call(port(&server), "localhost", trusting(&ours.pem, Some(&known), None)).await.unwrap();
    let cases = [
        (None, "requires a client certificate"),
        (Some(ours.issue(&["x"])), "our certificate"),
        (Some(clients.expired("x")), "our certificate has expired"),
    ];
    for (identity, part) in cases {
        let tls = trusting(&ours.pem, identity.as_ref(), None);
        let status = call(port(&server), "localhost", tls).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains(part), "{status:?}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_by_equal_credentials() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
        let known = clients.issue(&["client"]);
        let server = Front::start(front(&ours.issue(&["localhost"]), version, Some(&clients.pem))).await;
        let open = |tls| over_tls(&server.target(), Some(tls), ChannelOptions::default());
        let first = open(trusting(&ours.pem, Some(&known), None));
        ask(&first).await.unwrap();
        // The same channel, after its connection was cut; another one with clones of the credentials
        // is the same to TLS as one with credentials that are made anew.
        server.cut();
        client_kit::eventually(|| first.state(false) != viaduct::client::Connectivity::Ready).await;
        ask(&first).await.unwrap();
        ask(&open(trusting(&ours.pem, Some(&known), None))).await.unwrap();
        assert_eq!(server.kinds(), [Full, Resumed, Resumed], "{version:?}");
        // Other credentials begin anew: another key, and other roots.
        ask(&open(trusting(&ours.pem, Some(&clients.issue(&["client"])), None))).await.unwrap();
        let both = Authority::new("other").pem + &ours.pem;
        ask(&open(trusting(&both, Some(&known), None))).await.unwrap();
        assert_eq!(server.kinds()[3..], [Full, Full], "{version:?}");
        let wanted = version.version;
        assert!(server.seen.lock().unwrap().iter().all(|(version, _)| *version == wanted));
    }
}

#[tokio::test]
async fn without_http2_by_alpn_there_is_no_connection() {
    let ours = Authority::new("ours");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for alpn in [vec![], vec![b"http/1.1".to_vec()]] {
            let mut config = front(&ours.issue(&["localhost"]), version, None);
            config.alpn_protocols = alpn;
            let server = Front::start(config).await;
            let text = refusal(server.addr.port(), "localhost", trusting(&ours.pem, None, None)).await;
            assert!(text.contains("HTTP/2 (ALPN \"h2\")"), "{text}");
        }
    }
}

#[tokio::test]
async fn plaintext_peers_are_told_apart() {
    let plain = viaduct_testkit::WrongServer::start(viaduct_testkit::Behaviour::Echo).unwrap();
    let tls = trusting(&Authority::new("ours").pem, None, None);
    let channel = over_tls(&format!("https://{}", plain.addr), Some(tls), ChannelOptions::default());
    let status = hello(&channel).await.status;
    assert!(status.message().contains("does not speak TLS"), "{status:?}");
    // And the other way round.
    let ours = Authority::new("ours");
    let server = serve(&ours.issue(&["localhost"]), None);
    let channel = client_kit::channel(&format!("http://{}", server.address()), ChannelOptions::default());
    let status = hello(&channel).await.status;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("the peer speaks TLS on this port, and this side plaintext"),
        "{status:?}"
    );
}

#[tokio::test]
async fn openssl_is_understood() {
    let ours = Authority::new("ours");
    let good = ours.issue(&["localhost"]);
    let trusting_ours = || trusting(&ours.pem, None, None);
    let h2 = ["-alpn", "h2"];
    let with = |more: &[&'static str]| [&h2[..], more].concat();
    let cases = [
        (ours.issue(&["other.test"]), with(&[]), "wanted localhost, it is for other.test"),
        (ours.expired("localhost"), with(&["-tls1_2"]), "it was valid until 2020-01-31"),
        (ours.early("localhost"), with(&[]), "it begins on 2090-12-01"),
        (Authority::new("strange").issue(&["localhost"]), with(&[]), "unknown issuer, \"CN=strange\""),
        (good.clone(), vec![], "HTTP/2 (ALPN \"h2\")"),
        (good.clone(), vec!["-alpn", "http/1.1"], "HTTP/2 (ALPN \"h2\")"),
        (good.clone(), with(&["-tls1_2", "-Verify", "1"]), "client certificate"),
        (good.clone(), with(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]), "TLS 1.2"),
    ];
    for (pair, more, part) in cases {
        let (_server, addr) = OpenSsl::server(&pair, &more);
        let text = refusal(addr.port(), "localhost", trusting_ours()).await;
        assert!(text.contains(part), "{more:?}: {text}");
    }
    // With TLS 1.3 the handshake is over when the server complains.
    let (_server, addr) = OpenSsl::server(&good, &with(&["-tls1_3", "-Verify", "1"]));
    let status = call(addr.port(), "localhost", trusting_ours()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("requires a client certificate"), "{status:?}");
}

// While this thread looks at what s_server says, another one drives the connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn openssl_sees_sessions_resumed() {
    let ours = Authority::new("ours");
    let good = ours.issue(&["localhost"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let (mut server, addr) = OpenSsl::server(&good, &["-alpn", "h2", version]);
        let target = format!("https://localhost:{}", addr.port());
        let mut connections = 0;
        // s_server knows no HTTP/2, so nothing tells when its tickets have come: another connection tells.
        while !server.has_said("Reused session-id") {
            assert!(connections < 100, "{}", server.seen());
            let tls = trusting(&ours.pem, None, None);
            // s_server serves one connection after the other, and this one is given up soon.
            let soon =
                ChannelOptions { connect_timeout: Duration::from_secs(1), ..ChannelOptions::default() };
            let channel = over_tls(&target, Some(tls), soon);
            // It is never ready, as s_server says nothing of HTTP/2.
            let trying = tokio::spawn(async move { channel.wait_for_ready().await });
            server.until("enegotiation");
            tokio::time::sleep(Duration::from_millis(10)).await;
            trying.abort();
            connections += 1;
        }
        assert!(connections > 1, "the first cannot resume anything");
    }
}
