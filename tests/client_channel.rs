//! Channels: states, backoff, addresses, keepalive, idle timeout, closing.

mod client_kit;

use std::time::{Duration, Instant};

use client_kit::*;
use tokio::io::AsyncReadExt as _;
use viaduct::Code;
use viaduct::client::{CallOptions, ChannelOptions, Connectivity};
use viaduct_testkit::{Behaviour, WrongServer};

#[tokio::test]
async fn a_channel_goes_through_its_states() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let addr = server.addr;
    let channel = channel(&format!("http://{addr}"), impatient());
    assert_eq!(channel.state(false), Connectivity::Idle);
    assert_eq!(server.stats().connections, 0);
    channel.state(true);
    assert_eq!(channel.state(false), Connectivity::Connecting);
    eventually(|| channel.state(false) == Connectivity::Ready).await;
    assert!(is_hello(&hello(&channel).await));
    drop(server);
    eventually(|| channel.state(false) == Connectivity::Idle).await;
    let outcome = hello(&channel).await;
    assert_eq!(outcome.status.code(), Code::Unavailable);
    let text = outcome.status.message();
    assert!(text.contains(&addr.to_string()) && text.contains("refused"), "{text}");
    assert_eq!(channel.state(false), Connectivity::TransientFailure);
    let server = WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap();
    eventually_hello(&channel).await;
    assert_eq!((channel.state(false), server.stats().connections), (Connectivity::Ready, 1));
    channel.close();
    assert_eq!(channel.state(true), Connectivity::Shutdown);
    assert_eq!(hello(&channel).await.status.code(), Code::Unavailable);
    assert!(channel.wait_for_ready().await.is_err());
    eventually(|| server.stats().open == 0).await;
}

async fn eventually_hello(channel: &viaduct::client::Channel) {
    for _ in 0..200 {
        if is_hello(&hello(channel).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server that came back was not found");
}

#[tokio::test]
async fn pauses_grow_and_calls_within_one_fail_at_once() {
    let addr = nobody();
    let options = ChannelOptions { initial_backoff: Duration::from_millis(400), ..impatient() };
    let options = ChannelOptions { max_backoff: Duration::from_secs(100), ..options };
    let channel = channel(&format!("http://{addr}"), options);
    let started = Instant::now();
    let first = hello(&channel).await.status;
    // The pause is at least 320 ms: until then a server that came is not noticed.
    let server = WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap();
    let mut failed = 0;
    while started.elapsed() < Duration::from_millis(250) {
        let again = hello(&channel).await.status;
        if started.elapsed() < Duration::from_millis(310) {
            assert_eq!(again.code(), first.code());
            let said = format!("{}; no attempt was made: the last failed 0.", first.message());
            assert!(again.message().starts_with(&said), "{again:?}");
        }
        failed += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(failed > 0 && server.stats().connections == 0);
    eventually_hello(&channel).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(310) && took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_change_of_state_is_waited_for() {
    let addr = nobody();
    let channel = channel(&format!("http://{addr}"), impatient());
    assert_eq!(channel.changed(Connectivity::Ready).await, Connectivity::Idle);
    channel.state(true);
    assert_eq!(channel.changed(Connectivity::Connecting).await, Connectivity::TransientFailure);
    // Who waits for the end of a failure lets the next attempt begin, as who asks for a connection does.
    assert_eq!(channel.changed(Connectivity::TransientFailure).await, Connectivity::Connecting);
    assert_eq!(channel.changed(Connectivity::Connecting).await, Connectivity::TransientFailure);
    let server = WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap();
    eventually(|| channel.state(true) == Connectivity::Ready).await;
    drop(server);
    assert_eq!(channel.changed(Connectivity::Ready).await, Connectivity::Idle);
    let other = channel.clone();
    let closed = tokio::spawn(async move { other.changed(Connectivity::Idle).await });
    tokio::task::yield_now().await;
    channel.close();
    assert_eq!(closed.await.unwrap(), Connectivity::Shutdown);
}

#[tokio::test]
async fn waiting_for_ready_outlasts_failures() {
    let addr = nobody();
    let channel = channel(&format!("http://{addr}"), impatient());
    let call = tokio::spawn({
        let channel = channel.clone();
        async move { channel.unary(method(), framed(b"hello"), waiting(30.0)).await }
    });
    let ready = tokio::spawn({
        let channel = channel.clone();
        async move { channel.wait_for_ready().await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!call.is_finished() && !ready.is_finished());
    let server = WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap();
    assert!(is_hello(&call.await.unwrap()));
    assert!(ready.await.unwrap().is_ok());
    assert_eq!(server.stats().connections, 1);
}

/// A server that ends still has connections in its queue that it never looks at: no call may go there.
#[tokio::test]
async fn a_connection_is_ready_when_the_server_has_spoken() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // Keeps what it accepts until it is told, and then closes it without a word.
    let (close, told) = std::sync::mpsc::channel::<()>();
    let ending = std::thread::spawn(move || {
        let silent = listener.accept().unwrap();
        told.recv().unwrap();
        drop((silent, listener));
    });
    let plain = channel(&format!("http://{addr}"), impatient());
    let patient = channel(&format!("http://{addr}"), impatient());
    let spawn = |channel: &viaduct::client::Channel, options| {
        let channel = channel.clone();
        tokio::spawn(async move { channel.unary(method(), framed(b"hello"), options).await })
    };
    let (one, other) = (spawn(&plain, within(30.0)), spawn(&patient, waiting(30.0)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(plain.state(false), Connectivity::Connecting);
    close.send(()).unwrap();
    ending.join().unwrap();
    let failed = one.await.unwrap().status;
    assert_eq!(failed.code(), Code::Unavailable);
    let text = failed.message();
    assert!(text.contains(&format!("cannot connect to http://{addr}")), "{text}");
    assert!(!other.is_finished());
    let _server = WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap();
    assert!(is_hello(&other.await.unwrap()));
}

/// Neither keepalive nor the idle timeout is about a connection that is still being made.
#[tokio::test]
async fn a_server_that_speaks_late_is_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut socket, _) = listener.accept().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        // An empty SETTINGS frame.
        socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
        // Until the client closes it, as nothing more comes.
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let options = ChannelOptions {
        idle_timeout: Some(Duration::from_millis(50)),
        keepalive: Some(Duration::from_millis(50)),
        keepalive_timeout: Duration::from_millis(50),
        keepalive_without_calls: true,
        ..impatient()
    };
    let channel = channel(&format!("http://{addr}"), options);
    // The server takes one connection only: an attempt that is given up leaves no other.
    tokio::time::timeout(Duration::from_secs(10), channel.wait_for_ready()).await.unwrap().unwrap();
    drop(channel);
    tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_first_address_that_answers_is_taken() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let (dead, alive) = (nobody(), server.addr);
    for list in [format!("{dead},{alive}"), format!("{alive},{dead}"), format!("{dead},{dead},{alive}")] {
        let channel = channel(&format!("ipv4:{list}"), ChannelOptions::default());
        let outcome = hello(&channel).await;
        assert!(is_hello(&outcome), "{:?}", outcome.status);
        assert_eq!(&*outcome.peer, format!("ipv4:{alive}"));
    }
    let other = nobody();
    let status = hello(&channel(&format!("ipv4:{dead},{other}"), ChannelOptions::default())).await.status;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains(&dead.to_string()) && status.message().contains(&other.to_string()));
}

#[tokio::test]
async fn a_deadline_while_connecting_names_the_last_failure() {
    let channel = channel(&format!("http://{}", nobody()), impatient());
    let started = Instant::now();
    let status = channel.unary(method(), framed(b"x"), waiting(0.3)).await.status;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("before there was a connection: cannot connect to"), "{status:?}");
    assert!(status.message().contains("refused"), "{status:?}");
    let call = channel.call(method(), None, waiting(0.3)).await;
    assert_eq!(call.wait_end().await.0.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() >= Duration::from_millis(590) && started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn keepalive_ends_the_connection_of_a_silent_peer() {
    let keepalive = ChannelOptions {
        keepalive: Some(Duration::from_millis(200)),
        keepalive_timeout: Duration::from_millis(200),
        ..ChannelOptions::default()
    };
    // This one answers no PING.
    let dead = WrongServer::start(Behaviour::SilenceNoAck).unwrap();
    let channel_to_dead = channel(&format!("http://{}", dead.addr), keepalive.clone());
    let started = Instant::now();
    let status = channel_to_dead.unary(method(), framed(b"x"), within(20.0)).await.status;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("keepalive"), "{status:?}");
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(390) && took < Duration::from_secs(5), "{took:?}");
    assert!(dead.stats().pings_received >= 1);
    // This one does, and the call goes on.
    let silent = WrongServer::start(Behaviour::Silence).unwrap();
    let channel = channel(&format!("http://{}", silent.addr), keepalive);
    let status = channel.unary(method(), framed(b"x"), within(1.5)).await.status;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let stats = silent.stats();
    assert!(stats.pings_received >= 2 && stats.open == 1, "{stats}");
    // No calls, no PINGs.
    let before = silent.stats().pings_received;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(silent.stats().pings_received <= before + 1);
}

#[tokio::test]
async fn pings_without_data_are_limited() {
    let server = WrongServer::start(Behaviour::Silence).unwrap();
    let options = ChannelOptions {
        keepalive: Some(Duration::from_millis(40)),
        keepalive_timeout: Duration::from_secs(60),
        ..ChannelOptions::default()
    };
    let listens = channel(&format!("http://{}", server.addr), options.clone());
    let call = listens.call(method(), None, CallOptions::default()).await;
    eventually(|| server.stats().pings_received == 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.stats().pings_received, 2);
    // A message of ours makes room for two more.
    call.send(framed(&[7; 20_000])).await.unwrap();
    eventually(|| server.stats().pings_received == 4).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.stats().pings_received, 4);
    listens.close();
    let unlimited = ChannelOptions { max_pings_without_data: 0, ..options };
    let unlimited = channel(&format!("http://{}", server.addr), unlimited);
    let _call = unlimited.call(method(), None, CallOptions::default()).await;
    eventually(|| server.stats().pings_received > 8).await;
}

#[tokio::test]
async fn headers_are_taken_up_to_the_limit() {
    // A field of 1 MiB in the trailers.
    let server = WrongServer::start(Behaviour::HugeHeader).unwrap();
    let status = hello(&to(server.addr)).await.status;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let options = ChannelOptions { max_header_list: 4 << 20, ..ChannelOptions::default() };
    let outcome = hello(&channel(&format!("http://{}", server.addr), options)).await;
    assert!(is_hello(&outcome), "{:?}", outcome.status);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_made_again() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let idle = ChannelOptions { idle_timeout: Some(Duration::from_millis(200)), ..impatient() };
    let channel = channel(&format!("http://{}", server.addr), idle);
    // A call that runs keeps it.
    let call = channel.call(method(), None, CallOptions::default()).await;
    call.send(framed(b"a")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(server.stats().open, 1);
    assert_eq!(&call.recv().await.unwrap().into_bytes()[..], b"a");
    call.half_close();
    assert_eq!(call.wait_end().await.0.code(), Code::Ok);
    eventually(|| server.stats().open == 0 && channel.state(false) == Connectivity::Idle).await;
    assert!(is_hello(&hello(&channel).await));
    assert_eq!(server.stats().connections, 2);
}

#[tokio::test]
async fn closing_ends_calls_cancelled() {
    let server = WrongServer::start(Behaviour::Silence).unwrap();
    let channel = to(server.addr);
    let unary = tokio::spawn({
        let channel = channel.clone();
        async move { hello(&channel).await }
    });
    let stream = channel.call(method(), None, CallOptions::default()).await;
    let late = to(nobody());
    let connecting = tokio::spawn({
        let late = late.clone();
        async move { late.unary(method(), framed(b"x"), waiting(20.0)).await }
    });
    eventually(|| server.stats().streams == 2).await;
    channel.close();
    late.close();
    assert_eq!(unary.await.unwrap().status.code(), Code::Cancelled);
    assert_eq!(stream.wait_end().await.0.code(), Code::Cancelled);
    assert!(stream.send(framed(b"x")).await.is_err());
    assert_eq!(connecting.await.unwrap().status.code(), Code::Unavailable);
    eventually(|| server.stats().open == 0).await;
}

#[tokio::test]
async fn a_peer_that_goes_away_ends_calls_unavailable() {
    let server = WrongServer::start(Behaviour::SilenceAfterMessage).unwrap();
    let channel = to(server.addr);
    let call = channel.call(method(), Some(framed(b"x")), CallOptions::default()).await;
    assert!(call.recv().await.is_some());
    server.drop_connections();
    let (status, _) = call.wait_end().await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    eventually(|| channel.state(false) == Connectivity::Idle).await;
}

/// Nobody waits for a connection any more, so that its making ends, too: not at the timeout.
#[tokio::test]
async fn an_attempt_ends_with_its_channel() {
    for close in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = ChannelOptions { connect_timeout: Duration::from_secs(3600), ..impatient() };
        let channel = channel(&format!("http://{}", listener.local_addr().unwrap()), options);
        channel.state(true);
        // A server that takes the connection and never speaks.
        let (mut socket, _) = listener.accept().await.unwrap();
        assert_eq!(channel.state(false), Connectivity::Connecting);
        let kept = close.then(|| channel.clone());
        if close {
            channel.close();
        }
        drop(channel);
        let mut said = Vec::new();
        tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut said)).await.unwrap().unwrap();
        assert!(said.starts_with(b"PRI * HTTP/2.0"));
        drop(kept);
    }
}

/// GOAWAY while a call runs: the channel is idle from then on, and who waits for that is told.
#[tokio::test]
async fn a_connection_that_takes_no_more_calls_is_not_ready() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = channel(&format!("http://{}", listener.local_addr().unwrap()), impatient());
    let (answer, answers) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut http2 = h2::server::handshake(socket).await.unwrap();
        let (_, mut respond) = http2.accept().await.unwrap().unwrap();
        http2.graceful_shutdown();
        let driving = tokio::spawn(async move { while http2.accept().await.is_some() {} });
        answers.await.unwrap();
        let head = http::Response::builder().header("content-type", "application/grpc");
        let head = head.header("grpc-status", "0").body(()).unwrap();
        respond.send_response(head, true).unwrap();
        driving.await.unwrap();
    });
    let call = channel.call(method(), Some(framed(b"x")), within(60.0)).await;
    assert_eq!(channel.state(false), Connectivity::Ready);
    let told = tokio::time::timeout(Duration::from_secs(30), channel.changed(Connectivity::Ready)).await;
    assert_eq!(told.unwrap(), Connectivity::Idle);
    answer.send(()).unwrap();
    assert_eq!(call.wait_end().await.0.code(), Code::Ok);
    server.await.unwrap();
}
