//! Channels over TLS: what is trusted, and what is said where it is not.

mod client_kit;
mod server_kit;

use client_kit::{hello, is_hello, over_tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use server_kit::{Fixture, UNARY, echo};
use viaduct::client::{ChannelOptions, Method};
use viaduct::server::{Listener, ServerConfig};
use viaduct::tls::{ClientTls, ServerTls};
use viaduct::{Code, Status};

type Pair = (String, String);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn serve((cert, key): &Pair, client_ca: Option<&str>) -> Fixture {
    let tls = ServerTls::new(cert.as_bytes(), key.as_bytes(), client_ca.map(str::as_bytes)).unwrap();
    Fixture::with(
        ServerConfig::default(),
        Listener::bind("https://127.0.0.1:0", Some(tls)).unwrap(),
        Some(echo),
    )
}

fn trusting(ca: &str, identity: Option<&Pair>, name: Option<&str>) -> ClientTls {
    let identity = identity.map(|(cert, key)| (cert.as_bytes(), key.as_bytes()));
    ClientTls::new(Some(ca.as_bytes()), identity, name).unwrap()
}

async fn call(server: &Fixture, host: &str, tls: ClientTls) -> Result<(), Status> {
    let port = server.address().rsplit_once(':').unwrap().1.to_owned();
    let channel = over_tls(&format!("https://{host}:{port}"), Some(tls), ChannelOptions::default());
    let method = Method::parse(UNARY).unwrap();
    let outcome = channel.unary(method, client_kit::framed(b"hello"), client_kit::within(20.0)).await;
    if is_hello(&outcome) { Ok(()) } else { Err(outcome.status) }
}

async fn refusal(server: &Fixture, host: &str, tls: ClientTls) -> String {
    let status = call(server, host, tls).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with(&format!("cannot connect to https://{host}:")), "{status:?}");
    status.message().to_owned()
}

#[tokio::test]
async fn trusted_servers_are_called() {
    let ours = Authority::new("ours");
    let server = serve(&ours.issue("localhost", |_| {}), None);
    call(&server, "localhost", trusting(&ours.pem, None, None)).await.unwrap();
    // By address, where the certificate has it, and under another name, where it is asked for.
    call(&server, "127.0.0.1", trusting(&ours.pem, None, Some("localhost"))).await.unwrap();
    let by_address = serve(&ours.issue("127.0.0.1", |_| {}), None);
    call(&by_address, "127.0.0.1", trusting(&ours.pem, None, None)).await.unwrap();
}

#[tokio::test]
async fn distrust_is_explained() {
    let ours = Authority::new("ours");
    let server = serve(&ours.issue("localhost", |_| {}), None);
    let text = refusal(&server, "127.0.0.1", trusting(&ours.pem, None, None)).await;
    assert!(text.contains("another name: wanted 127.0.0.1, it is for localhost"), "{text}");
    let text = refusal(&server, "localhost", trusting(&Authority::new("strange").pem, None, None)).await;
    assert!(text.contains("unknown issuer"), "{text}");
    let old = ours.issue("localhost", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 31));
    let text = refusal(&serve(&old, None), "localhost", trusting(&ours.pem, None, None)).await;
    assert!(text.contains("has expired: it was valid until 2020-01-31"), "{text}");
}

#[tokio::test]
async fn client_certificates_are_shown_and_missed() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let server = serve(&ours.issue("localhost", |_| {}), Some(&clients.pem));
    let known = clients.issue("client", |_| {});
    call(&server, "localhost", trusting(&ours.pem, Some(&known), None)).await.unwrap();
    for (identity, part) in
        [(None, "requires a client certificate"), (Some(ours.issue("x", |_| {})), "our certificate")]
    {
        let status =
            call(&server, "localhost", trusting(&ours.pem, identity.as_ref(), None)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains(part), "{status:?}");
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
    let server = serve(&ours.issue("localhost", |_| {}), None);
    let channel = client_kit::channel(&format!("http://{}", server.address()), ChannelOptions::default());
    assert_eq!(hello(&channel).await.status.code(), Code::Unavailable);
}
