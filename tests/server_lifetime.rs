//! Connections that are idle or old are told to go away, and their calls go on.

mod server_kit;

use std::time::{Duration, Instant};

use server_kit::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use viaduct::server::ServerConfig;
use viaduct::{Code, Status};

const LONG: Duration = Duration::from_secs(30);

fn idle(millis: u64) -> ServerConfig {
    ServerConfig { max_connection_idle: Some(Duration::from_millis(millis)), ..ServerConfig::default() }
}

fn aged(millis: u64, grace: Option<u64>) -> ServerConfig {
    ServerConfig {
        max_connection_age: Some(Duration::from_millis(millis)),
        max_connection_age_grace: grace.map(Duration::from_millis),
        ..ServerConfig::default()
    }
}

#[tokio::test]
async fn an_idle_connection_goes_and_a_busy_one_stays() {
    let server = Fixture::idle(idle(400));
    let began = Instant::now();
    let unused = server.client().await;
    let mut busy = server.client().await;
    let calling = tokio::spawn(async move { (busy.unary(UNARY, b"x").await, busy) });
    let (call, message) = popped(&server).await;
    eventually(|| server.handle.counts().connections_open == 1).await;
    assert!(began.elapsed() >= Duration::from_millis(400));
    // By GOAWAY and NO_ERROR.
    unused.connection.await.unwrap().unwrap();
    // Many idle times later: a call is under way, so it is not idle.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!((server.handle.counts().retired, server.handle.counts().connections_open), (1, 1));
    drop(message);
    let ended = Instant::now();
    call.finish(Status::ok(""), http::HeaderMap::new()).unwrap();
    let (answer, _kept) = calling.await.unwrap();
    assert_eq!(answer.code(), Code::Ok);
    // The call's object is still here: it is the end of the call that counts.
    eventually(|| server.handle.counts().connections_open == 0).await;
    assert!(ended.elapsed() >= Duration::from_millis(400));
    let counts = server.handle.counts();
    assert_eq!((counts.retired, counts.outlived), (2, 0));
    drop(call);
}

#[tokio::test]
async fn an_idle_peer_that_does_not_listen_is_cut() {
    let config = ServerConfig { keepalive_timeout: Duration::from_millis(100), ..idle(50) };
    let server = Fixture::idle(config);
    // This one reads and never answers.
    let mut deaf = TcpStream::connect(server.address()).await.unwrap();
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut seen = Vec::new();
    tokio::time::timeout(LONG, deaf.read_to_end(&mut seen)).await.unwrap().unwrap();
    // GOAWAY: type 7, no flags.
    assert!(seen.windows(5).any(|w| w == [0, 0, 8, 7, 0]));
    assert_eq!(server.handle.counts().outlived, 1);
}

#[tokio::test]
async fn an_old_connection_takes_no_new_call_and_finishes_what_runs() {
    let server = Fixture::idle(aged(400, None));
    let mut client = server.client().await;
    let began = Instant::now();
    let calling = tokio::spawn(async move { (client.unary(UNARY, b"x").await, client) });
    let (call, _) = popped(&server).await;
    eventually(|| server.handle.counts().retired == 1).await;
    // A tenth less, and the timer's own step.
    assert!(began.elapsed() >= Duration::from_millis(350));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!call.is_cancelled());
    call.finish(Status::ok(""), http::HeaderMap::new()).unwrap();
    let (answer, _kept) = calling.await.unwrap();
    assert_eq!(answer.code(), Code::Ok);
    eventually(|| server.handle.counts().connections_open == 0).await;
    assert_eq!(server.handle.counts().outlived, 0);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut() {
    let server = Fixture::idle(aged(300, Some(100)));
    let mut client = server.client().await;
    let (answer, mut request) = client.start(post(UNARY), false).await;
    request.send_data(plain(b"x"), true).unwrap();
    let (call, _) = popped(&server).await;
    let why = tokio::time::timeout(LONG, call.cancelled()).await.unwrap();
    assert_eq!(why.unwrap().code(), Code::Cancelled);
    assert!(answer.await.is_err());
    eventually(|| server.handle.counts().connections_open == 0).await;
    assert_eq!((server.handle.counts().retired, server.handle.counts().outlived), (1, 1));
}
