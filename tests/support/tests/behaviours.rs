//! What an h2 client sees of each behaviour.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use viaduct_testkit::frame::{self, ERROR_CODES};
use viaduct_testkit::{Behaviour, WrongServer};

type Failure = Box<dyn Error + Send + Sync>;

/// How a call went, as far as it went.
#[derive(Debug, Default)]
struct Seen {
    status: Option<StatusCode>,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    error: Option<h2::Error>,
    timed_out: bool,
}

impl Seen {
    fn reason(&self) -> Option<Reason> {
        self.error.as_ref()?.reason()
    }

    fn grpc_status(&self) -> Option<&str> {
        self.trailers.as_ref()?.get("grpc-status")?.to_str().ok()
    }

    fn is_echo(&self) -> bool {
        self.body == frame::message(0, b"hello") && self.grpc_status() == Some("0")
    }
}

async fn connect(server: &WrongServer) -> Result<SendRequest<Bytes>, Failure> {
    let socket = TcpStream::connect(server.addr).await?;
    let (send, connection) = h2::client::handshake(socket).await?;
    tokio::spawn(async move { connection.await.ok() });
    Ok(send)
}

async fn read(mut body: RecvStream, seen: &mut Seen) -> Result<(), h2::Error> {
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        seen.body.extend_from_slice(&chunk);
    }
    seen.trailers = body.trailers().await?;
    Ok(())
}

async fn exchange(send: SendRequest<Bytes>, message: Vec<u8>, seen: &mut Seen) -> Result<(), h2::Error> {
    let request = Request::post("http://test/test.Echo/Unary").header("te", "trailers").body(());
    let (response, mut body) = send.ready().await?.send_request(request.unwrap(), false)?;
    body.send_data(message.into(), true)?;
    let (head, body) = response.await?.into_parts();
    (seen.status, seen.headers) = (Some(head.status), head.headers);
    read(body, seen).await
}

async fn call_with(send: &SendRequest<Bytes>, payload: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let message = frame::message(0, payload);
    match timeout(Duration::from_millis(700), exchange(send.clone(), message, &mut seen)).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => seen.error = Some(error),
        Err(_) => seen.timed_out = true,
    }
    seen
}

/// One call to a peer of its own.
async fn call(behaviour: Behaviour) -> Seen {
    let server = WrongServer::start(behaviour).unwrap();
    call_with(&connect(&server).await.unwrap(), b"hello").await
}

#[tokio::test]
async fn right_answers() {
    for behaviour in Behaviour::all().into_iter().filter(|behaviour| behaviour.is_right()) {
        let server = WrongServer::start(behaviour).unwrap();
        let send = connect(&server).await.unwrap();
        // The settings must be here, or the first body goes out under the default window.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let seen = call_with(&send, b"hello").await;
        assert_eq!(seen.is_echo(), behaviour != Behaviour::WindowZero, "{behaviour}: {seen:?}");
    }
}

#[tokio::test]
async fn large_echo_within_the_windows() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let payload = vec![7; 1 << 20];
    let seen = call_with(&connect(&server).await.unwrap(), &payload).await;
    assert!(seen.body == frame::message(0, &payload), "{} bytes", seen.body.len());
    let frames = server.frames();
    assert_eq!((frames.len(), frames[0].headers, frames[0].half_closed), (1, 1, true));
    assert_eq!(frames[0].data_bytes, (1 << 20) + 5);
    assert!(frames[0].data >= 64);
}

#[tokio::test]
async fn error_pages() {
    for status in [200, 401, 403, 404, 429, 502, 503] {
        let seen = call(Behaviour::Html(status)).await;
        assert_eq!(seen.status.unwrap().as_u16(), status);
        assert_eq!(seen.headers["content-type"], "text/html; charset=utf-8");
        assert!(seen.trailers.is_none());
        let page = String::from_utf8(seen.body).unwrap();
        assert!(!page.is_char_boundary(128) || !page.is_char_boundary(127), "{page}");
    }
}

#[tokio::test]
async fn resets() {
    for code in 0..ERROR_CODES.len() as u32 {
        let seen = call(Behaviour::Rst(code)).await;
        assert_eq!((seen.reason(), seen.status), (Some(code.into()), None));
        let seen = call(Behaviour::RstAfterMessage(code)).await;
        assert_eq!(seen.status, Some(StatusCode::OK));
        // h2 takes NO_ERROR after the headers for the end of the body.
        assert!(seen.reason() == Some(code.into()) || code == 0, "{seen:?}");
    }
}

#[tokio::test]
async fn statuses() {
    let seen = call(Behaviour::TrailersOnly(5)).await;
    assert_eq!((seen.headers["grpc-status"].as_bytes(), seen.body.len()), (&b"5"[..], 0));
    let seen = call(Behaviour::NoTrailers).await;
    assert!(seen.error.is_none() && seen.trailers.is_none() && seen.body.len() == 10, "{seen:?}");
    let seen = call(Behaviour::HeadersOnly).await;
    assert!(seen.error.is_none() && seen.trailers.is_none() && seen.body.is_empty(), "{seen:?}");
    let seen = call(Behaviour::NoStatus).await;
    assert!(seen.trailers.is_some() && seen.grpc_status().is_none());
    assert_eq!(call(Behaviour::BadStatus).await.grpc_status(), Some("abc"));
    let seen = call(Behaviour::HugeHeader).await;
    assert_eq!(seen.trailers.unwrap()["x-huge"].len(), 1 << 20);
    assert_eq!(call(Behaviour::WrongContentType).await.headers["content-type"], "text/plain");
    assert!(call(Behaviour::NoContentType).await.headers.is_empty());
}

#[tokio::test]
async fn messages() {
    let seen = call(Behaviour::LyingLength).await;
    assert_eq!(
        (&seen.body[..5], seen.body.len(), seen.grpc_status()),
        (&[0, 0, 0, 0, 105][..], 10, Some("0"))
    );
    assert_eq!(call(Behaviour::OverLimit).await.body.len(), (5 << 20) + 6);
    let seen = call(Behaviour::OverLimitPrefix).await;
    assert_eq!((seen.timed_out, seen.body.len()), (true, 15));
    assert_eq!(call(Behaviour::BadFlag).await.body[0], 2);
    assert_eq!(call(Behaviour::FlagWithoutEncoding).await.body[0], 1);
    assert_eq!(call(Behaviour::UnknownEncoding).await.headers["grpc-encoding"], "lzma");
    assert_eq!(call(Behaviour::BadGzip).await.headers["grpc-encoding"], "gzip");
}

#[tokio::test]
async fn cuts() {
    let seen = call(Behaviour::CutBeforeHeaders).await;
    assert!(seen.error.is_some() && seen.status.is_none(), "{seen:?}");
    let seen = call(Behaviour::CutMidMessage).await;
    assert!(seen.error.is_some() && seen.body.len() == 45, "{seen:?}");
    let seen = call(Behaviour::CutMidFrame).await;
    assert!(seen.error.is_some() && seen.status.is_some() && seen.body.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn goaway_then_a_right_answer() {
    let server = WrongServer::start(Behaviour::GoawayUnprocessed).unwrap();
    let send = connect(&server).await.unwrap();
    let seen = call_with(&send, b"hello").await;
    assert!(seen.error.as_ref().is_some_and(h2::Error::is_go_away), "{seen:?}");
    assert!(call_with(&send, b"hello").await.error.is_some());
    assert!(call_with(&connect(&server).await.unwrap(), b"hello").await.is_echo());
    assert_eq!(server.stats().connections, 2);

    let server = WrongServer::start(Behaviour::GoawayProcessed).unwrap();
    let send = connect(&server).await.unwrap();
    assert!(call_with(&send, b"hello").await.is_echo());
    assert!(call_with(&send, b"hello").await.error.is_some());
    assert!(call_with(&connect(&server).await.unwrap(), b"hello").await.is_echo());

    let server = WrongServer::start(Behaviour::GoawayAlways).unwrap();
    for _ in 0..3 {
        assert!(call_with(&connect(&server).await.unwrap(), b"hello").await.error.is_some());
    }
    assert_eq!(call(Behaviour::GoawayCalm).await.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn refused_once() {
    let server = WrongServer::start(Behaviour::RefusedOnce).unwrap();
    let send = connect(&server).await.unwrap();
    assert_eq!(call_with(&send, b"hello").await.reason(), Some(Reason::REFUSED_STREAM));
    assert!(call_with(&send, b"hello").await.is_echo());
}

#[tokio::test]
async fn silences() {
    use Behaviour::*;
    for (behaviour, status, bytes, acks) in [
        (Silence, None, 0, true),
        (SilenceAfterHeaders, Some(StatusCode::OK), 0, true),
        (SilenceAfterMessage, Some(StatusCode::OK), 10, true),
        (SilenceNoAck, None, 0, false),
        (Mute, None, 0, false),
    ] {
        let server = WrongServer::start(behaviour).unwrap();
        let socket = TcpStream::connect(server.addr).await.unwrap();
        let (send, mut connection) = h2::client::handshake(socket).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        tokio::spawn(async move { connection.await.ok() });
        let seen = call_with(&send, b"hello").await;
        assert_eq!((seen.timed_out, seen.status, seen.body.len()), (true, status, bytes), "{behaviour}");
        let pong = timeout(Duration::from_millis(200), pings.ping(h2::Ping::opaque())).await;
        assert_eq!(pong.is_ok(), acks, "{behaviour}");
    }
}

#[tokio::test]
async fn broken_frames() {
    use Behaviour::*;
    for behaviour in
        [Http1, Garbage, DataOnStreamZero, DataBeforeHeaders, BadHpack, FrameTooLong, ZeroWindowUpdate]
    {
        let seen = call(behaviour).await;
        assert!(seen.error.is_some(), "{behaviour}: {seen:?}");
    }
}

#[tokio::test]
async fn pings() {
    let server = WrongServer::start(Behaviour::PingOrDie).unwrap();
    let send = connect(&server).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2300)).await;
    assert!(call_with(&send, b"hello").await.is_echo());
    let stats = server.stats();
    assert_eq!((stats.connections, stats.pings, stats.pongs, stats.dropped), (1, 2, 2, 0));

    // A client whose connection nobody drives.
    let server = WrongServer::start(Behaviour::PingOrDie).unwrap();
    let socket = TcpStream::connect(server.addr).await.unwrap();
    let _idle = h2::client::handshake(socket).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2600)).await;
    let stats = server.stats();
    assert_eq!((stats.dropped, stats.pongs, stats.open), (1, 0, 0));
}

#[tokio::test]
async fn one_stream_at_a_time() {
    let server = WrongServer::start(Behaviour::MaxStreamsOne).unwrap();
    let send = connect(&server).await.unwrap();
    assert!(call_with(&send, b"hello").await.is_echo());
    let (a, b) = tokio::join!(call_with(&send, b"hello"), call_with(&send, b"hello"));
    assert!(a.is_echo() && b.is_echo(), "{a:?} {b:?}");
    assert_eq!((server.stats().most_streams, server.stats().streams), (1, 3));
}

#[tokio::test]
async fn a_stopped_peer_ends_its_connections_and_leaves_its_port() {
    let server = WrongServer::start(Behaviour::Silence).unwrap();
    let send = connect(&server).await.unwrap();
    let addr = server.addr;
    let (seen, ()) = tokio::join!(call_with(&send, b"hello"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(server);
    });
    assert!(seen.error.is_some(), "{seen:?}");
    let server = WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap();
    assert!(call_with(&connect(&server).await.unwrap(), b"hello").await.is_echo());
    server.drop_connections();
}
