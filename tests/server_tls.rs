//! A server's certificates, its clients' certificates, and its sessions: seen by openssl and by rustls.

mod server_kit;

use rustls::HandshakeKind;
use server_kit::*;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use viaduct::server::{Listener, ServerConfig};
use viaduct::tls::{ClientAuth, ClientTls, Identity, ServerTls, explain};
use viaduct_testkit::certificates::{Authority, Pair};
use viaduct_testkit::openssl::{OpenSsl, Scratch, await_file};

fn identity(pair: &Pair) -> Identity {
    Identity::new(pair.cert.as_bytes(), pair.key.as_bytes()).unwrap()
}

fn trusting(ca: &str, id: Option<&Pair>) -> ClientTls {
    let id = id.map(|pair| (pair.cert.as_bytes(), pair.key.as_bytes()));
    ClientTls::new(Some(ca.as_bytes()), id, None).unwrap()
}

fn over(tls: ServerTls, consumer: Option<fn(viaduct::server::Incoming)>) -> Fixture {
    let listener = Listener::bind("https://127.0.0.1:0", Some(tls)).unwrap();
    Fixture::with(ServerConfig::default(), listener, consumer)
}

async fn dial(server: &Fixture, tls: &ClientTls, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(server.address()).await?;
    TlsConnector::from(tls.config()).connect(tls.name_for(name).unwrap(), socket).await
}

/// What `openssl s_client` says of a handshake.
fn ask(server: &Fixture, ca: &Authority, more: &[&str]) -> String {
    let scratch = Scratch::new();
    let ca = scratch.write("ca.pem", &ca.pem);
    let address = server.address();
    let words = ["s_client", "-connect", &address, "-showcerts", "-CAfile", ca.to_str().unwrap()];
    let mut client = OpenSsl::start(words.iter().chain(more));
    client.until("Verify return code");
    client.seen().to_owned()
}

/// The certificate as openssl shows it.
fn shows(text: &str, pair: &Pair) -> bool {
    text.replace('\r', "").contains(&pair.cert.replace('\r', ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let ours = Authority::new("ours");
    let names: [&[&str]; 3] = [&["default.test"], &["a.test", "b.test"], &["*.wild.test"]];
    let [default, ab, wild] = names.map(|names| ours.issue(names));
    let more = vec![identity(&ab), identity(&wild)];
    assert_eq!(more[0].names(), ["a.test", "b.test"]);
    let tls = ServerTls::with_identities(identity(&default), more, ClientAuth::None).unwrap();
    let server = over(tls, Some(echo));
    let cases = [
        ("a.test", &ab),
        ("B.test", &ab),
        ("x.wild.test", &wild),
        ("x.y.wild.test", &default),
        ("wild.test", &default),
        ("default.test", &default),
        ("unknown.test", &default),
    ];
    for (name, pair) in cases {
        let text = ask(&server, &ours, &["-servername", name, "-alpn", "h2"]);
        assert!(shows(&text, pair), "{name}: {text}");
        assert!(text.contains("ALPN protocol: h2") && text.contains("Verify return code: 0 (ok)"), "{text}");
    }
    assert!(shows(&ask(&server, &ours, &["-noservername", "-alpn", "h2"]), &default));
    assert!(shows(&ask(&server, &ours, &["-servername", "a.test", "-tls1_2", "-alpn", "h2"]), &ab));
    // A client that checks the name gets through under each.
    for name in ["a.test", "b.test", "x.wild.test", "default.test"] {
        let mut client = Client::over(dial(&server, &trusting(&ours.pem, None), name).await.unwrap()).await;
        assert_eq!(client.unary(UNARY, b"x").await.messages, [b"x"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_keys_the_one_that_the_client_can_check_is_shown() {
    let ours = Authority::new("ours");
    let ecdsa = ours.issue(&["a.test"]);
    let scratch = Scratch::new();
    let (key, cert) = (scratch.path("key.pem"), scratch.path("cert.pem"));
    viaduct_testkit::openssl::run(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=a.test",
        "-addext",
        "subjectAltName=DNS:a.test",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        cert.to_str().unwrap(),
    ]);
    let read = |path| std::fs::read_to_string(path).unwrap();
    let rsa = Pair { cert: read(cert), key: read(key), der: Vec::new() };
    let tls = ServerTls::with_identities(identity(&ecdsa), vec![identity(&rsa)], ClientAuth::None).unwrap();
    let server = over(tls, Some(echo));
    let with =
        |algorithms| ask(&server, &ours, &["-servername", "a.test", "-alpn", "h2", "-sigalgs", algorithms]);
    assert!(shows(&with("ecdsa_secp256r1_sha256"), &ecdsa));
    assert!(shows(&with("rsa_pss_rsae_sha256"), &rsa));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_asked_or_made_to_show_certificates() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let (here, known) = (ours.issue(&["localhost"]), clients.issue(&["client"]));
    let strange = ours.issue(&["client"]);
    for auth in [
        ClientAuth::None,
        ClientAuth::Optional(clients.pem.as_bytes()),
        ClientAuth::Required(clients.pem.as_bytes()),
    ] {
        let tls = ServerTls::with_identities(identity(&here), Vec::new(), auth).unwrap();
        assert_eq!(tls.is_mutual(), matches!(auth, ClientAuth::Required(_)));
        let server = over(tls, None);
        // What the handler sees; the second connection of the same client resumes the session.
        let seen = async |client: &ClientTls| {
            let stream = dial(&server, client, "localhost").await.map_err(|e| explain(&e))?;
            let kind = stream.get_ref().1.handshake_kind();
            let mut h2 = Client::over(stream).await;
            let asking = tokio::spawn(async move { h2.unary(UNARY, b"x").await });
            let (call, _) = popped(&server).await;
            let shown = call.peer_certificate().map(<[u8]>::to_vec);
            call.reply(plain(b"y"), http::HeaderMap::new()).unwrap();
            assert_eq!(asking.await.unwrap().messages, [b"y"]);
            Ok::<_, String>((shown, kind))
        };
        let asked = !matches!(auth, ClientAuth::None);
        let identified = trusting(&ours.pem, Some(&known));
        let wanted = asked.then(|| known.der.clone());
        assert_eq!(seen(&identified).await.unwrap(), (wanted.clone(), Some(HandshakeKind::Full)), "{auth:?}");
        assert_eq!(seen(&identified).await.unwrap(), (wanted, Some(HandshakeKind::Resumed)), "{auth:?}");
        let nobody = trusting(&ours.pem, None);
        match auth {
            ClientAuth::Required(_) => refused(&server, &nobody, "requires a client certificate").await,
            _ => assert_eq!(seen(&nobody).await.unwrap().0, None),
        }
        if asked {
            refused(&server, &trusting(&ours.pem, Some(&strange)), "does not know the issuer").await;
        }
    }
    let no_roots = ServerTls::with_identities(identity(&here), Vec::new(), ClientAuth::Optional(b"x"));
    assert!(no_roots.unwrap_err().to_string().contains("the clients' CA certificates holds no certificate"));
}

/// With TLS 1.3 a client learns after its handshake that it is not welcome.
async fn refused(server: &Fixture, client: &ClientTls, why: &str) {
    let error = match dial(server, client, "localhost").await {
        Err(error) => error,
        Ok(mut stream) => stream.read_u8().await.unwrap_err(),
    };
    assert!(explain(&error).contains(why), "{}", explain(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_resumes_its_sessions_by_ticket() {
    let ours = Authority::new("ours");
    let pair = ours.issue(&["localhost"]);
    let server = over(ServerTls::new(pair.cert.as_bytes(), pair.key.as_bytes(), None).unwrap(), Some(echo));
    let scratch = Scratch::new();
    let address = server.address();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = scratch.path(version);
        let connect = |option: &str| {
            let file = session.to_str().unwrap();
            let common =
                ["s_client", "-connect", &address, "-alpn", "h2", version, "-servername", "localhost"];
            OpenSsl::start(common.into_iter().chain([option, file]))
        };
        let mut first = connect("-sess_out");
        first.until("New, TLSv1.");
        await_file(&session);
        drop(first);
        connect("-sess_in").until("Reused, TLSv1.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_without_http2_is_refused() {
    let ours = Authority::new("ours");
    let pair = ours.issue(&["localhost"]);
    let server = over(ServerTls::new(pair.cert.as_bytes(), pair.key.as_bytes(), None).unwrap(), Some(echo));
    let address = server.address();
    let mut client = OpenSsl::start(["s_client", "-connect", &address, "-alpn", "http/1.1"]);
    client.until("no application protocol");
    // Without any ALPN the handshake is legal; the connection ends after it.
    let _client = OpenSsl::start(["s_client", "-connect", &address]);
    eventually(|| server.handle.counts().tls_failed == 2).await;
}
