//! Calls: frames, transparent retries, resets, windows, wrong answers, request heads.

mod client_kit;

use std::time::Duration;

use client_kit::*;
use viaduct::Code;
use viaduct::client::{CallOptions, ChannelOptions};
use viaduct_testkit::{Behaviour, WrongServer};

#[tokio::test]
async fn a_unary_call_is_headers_and_one_data_frame() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let channel = to(server.addr);
    for _ in 0..10 {
        assert!(is_hello(&hello(&channel).await));
    }
    let frames = server.frames();
    assert_eq!(frames.len(), 10);
    for stream in frames {
        assert_eq!(
            (stream.headers, stream.continuation, stream.data, stream.empty_data),
            (1, 0, 1, 0),
            "{stream}"
        );
        assert_eq!((stream.data_bytes, stream.rst_stream, stream.half_closed), (10, 0, true), "{stream}");
    }
    assert_eq!(server.stats().connections, 1);
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again() {
    for (behaviour, connections, streams) in [
        (Behaviour::RefusedOnce, 1, 2),
        (Behaviour::GoawayUnprocessed, 2, 2),
        (Behaviour::GoawayProcessed, 1, 1),
    ] {
        let server = WrongServer::start(behaviour).unwrap();
        let channel = to(server.addr);
        let outcome = hello(&channel).await;
        assert!(is_hello(&outcome), "{behaviour}: {:?}", outcome.status);
        let stats = server.stats();
        assert_eq!((stats.connections, stats.streams), (connections, streams), "{behaviour}");
        assert!(is_hello(&hello(&channel).await), "{behaviour}");
    }
    // Not for ever: once more.
    for behaviour in [Behaviour::Rst(7), Behaviour::GoawayAlways] {
        let server = WrongServer::start(behaviour).unwrap();
        assert_eq!(hello(&to(server.addr)).await.status.code(), Code::Unavailable);
        assert_eq!(server.stats().streams, 2, "{behaviour}");
    }
    // What may have been processed is not.
    for behaviour in
        [Behaviour::Rst(2), Behaviour::CutBeforeHeaders, Behaviour::GoawayCalm, Behaviour::Html(503)]
    {
        let server = WrongServer::start(behaviour).unwrap();
        assert_ne!(hello(&to(server.addr)).await.status.code(), Code::Ok);
        assert_eq!(server.stats().streams, 1, "{behaviour}");
    }
}

#[tokio::test]
async fn wrong_answers_have_their_status() {
    for (behaviour, code, part) in [
        (Behaviour::Html(404), Code::Unimplemented, "404 as asked"),
        (Behaviour::Http1, Code::Unavailable, "\"HTTP/1.1 400 Bad Request\""),
        (Behaviour::Rst(8), Code::Cancelled, "CANCEL"),
        (Behaviour::NoTrailers, Code::Unknown, "without trailers"),
        (Behaviour::LyingLength, Code::Internal, ""),
        (Behaviour::OverLimitPrefix, Code::ResourceExhausted, "5242881"),
        (Behaviour::CutMidMessage, Code::Unavailable, ""),
        (Behaviour::Garbage, Code::Unavailable, ""),
        (Behaviour::BadHpack, Code::Unavailable, ""),
    ] {
        let server = WrongServer::start(behaviour).unwrap();
        let status = hello(&to(server.addr)).await.status;
        assert_eq!(status.code(), code, "{behaviour}: {status:?}");
        assert!(status.message().contains(part), "{behaviour}: {status:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_is_reset() {
    let server = WrongServer::start(Behaviour::SilenceAfterMessage).unwrap();
    let channel = to(server.addr);
    let call = channel.call(method(), Some(framed(b"x")), CallOptions::default()).await;
    assert!(call.recv().await.is_some());
    drop(call);
    eventually(|| server.stats().resets == 1).await;
    let open = channel.call(method(), None, within(20.0)).await;
    open.send(framed(b"x")).await.unwrap();
    drop(open);
    eventually(|| server.stats().resets == 2).await;
    // The future of a unary call, given up.
    assert!(tokio::time::timeout(Duration::from_millis(100), hello(&channel)).await.is_err());
    eventually(|| server.stats().resets == 3).await;
    // A deadline resets, too; an end does not.
    assert_eq!(
        channel.unary(method(), framed(b"x"), within(0.1)).await.status.code(),
        Code::DeadlineExceeded
    );
    eventually(|| server.stats().resets == 4).await;
    assert!(server.frames().iter().all(|stream| stream.rst_stream == 1));
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let channel = to(echo.addr);
    assert!(is_hello(&hello(&channel).await) && is_hello(&hello(&channel).await));
    assert_eq!(echo.stats().resets, 0);
}

#[tokio::test]
async fn headers_come_before_the_first_message() {
    let server = WrongServer::start(Behaviour::SilenceAfterHeaders).unwrap();
    let call = to(server.addr).call(method(), Some(framed(b"x")), within(20.0)).await;
    let headers = tokio::time::timeout(Duration::from_secs(5), call.wait_headers()).await.unwrap();
    assert_eq!(headers["content-type"], "application/grpc");
    assert!(call.end().is_none());
    // Asking for them loses no message.
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let call = to(echo.addr).call(method(), Some(framed(b"kept")), within(20.0)).await;
    call.wait_headers().await;
    call.wait_headers().await;
    assert_eq!(&call.recv().await.unwrap().into_bytes()[..], b"kept");
    assert_eq!(call.wait_end().await.0.code(), Code::Ok);
}

#[tokio::test]
async fn an_unread_stream_is_bounded_by_its_window() {
    // It echoes: what we send comes back, and nobody reads it.
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let channel = to(server.addr);
    let unread = channel.call(method(), None, CallOptions::default()).await;
    let message = framed(&[7; 60_000]);
    let sending = async {
        // Far more than the window of 1 MiB; the peer takes it all and must keep it.
        for _ in 0..80 {
            unread.send(message.clone()).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sending).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let window_updates = server.frames()[0].window_update;
    assert_eq!(window_updates, 0, "the window was opened for a stream that nobody reads");
    // The connection goes on for others, and what was held back comes when it is read.
    assert!(is_hello(&hello(&channel).await));
    unread.half_close();
    let mut read = 0;
    while let Some(message) = unread.recv().await {
        assert_eq!(message.len(), 60_000);
        read += 1;
    }
    assert_eq!((read, unread.end().unwrap().0.code()), (80, Code::Ok));
    assert!(server.frames()[0].window_update > 0);
}

#[tokio::test]
async fn the_head_of_a_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let heads = tokio::spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let (request, mut respond) = connection.accept().await.unwrap().unwrap();
            heads.push(request.into_parts().0);
            let answer = http::Response::builder().header("content-type", "application/grpc");
            respond.send_response(answer.header("grpc-status", "5").body(()).unwrap(), true).unwrap();
            tokio::spawn(async move { while connection.accept().await.is_some() {} });
        }
        heads
    });
    let options = ChannelOptions {
        user_agent: Some("tester/1".into()),
        authority: Some("api.example:8443".into()),
        ..ChannelOptions::default()
    };
    let mut metadata = http::HeaderMap::new();
    viaduct::metadata::append(&mut metadata, "x-several", b"a").unwrap();
    viaduct::metadata::append(&mut metadata, "x-several", b"b").unwrap();
    viaduct::metadata::append(&mut metadata, "x-raw-bin", b"\0\xff").unwrap();
    let call = CallOptions { metadata, ..within(30.0) };
    let first = channel(&target, options).unary(method(), framed(b""), call).await;
    let second = channel(&target, ChannelOptions::default())
        .unary(method(), framed(b""), CallOptions::default())
        .await;
    assert_eq!((first.status.code(), second.status.code()), (Code::NotFound, Code::NotFound));
    let heads = heads.await.unwrap();
    let own = concat!("viaduct/", env!("CARGO_PKG_VERSION"));
    let full = &heads[0];
    assert_eq!(
        (full.method.as_str(), full.uri.path(), full.headers["te"].as_bytes()),
        ("POST", "/test.Echo/Unary", &b"trailers"[..])
    );
    assert_eq!(full.uri.authority().unwrap(), "api.example:8443");
    assert_eq!(full.headers["user-agent"], format!("tester/1 {own}").as_str());
    assert_eq!(full.headers.get_all("x-several").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(full.headers["x-raw-bin"], "AP8");
    let timeout = viaduct::deadline::parse_timeout(full.headers["grpc-timeout"].as_bytes()).unwrap();
    assert!(timeout > Duration::from_secs(20) && timeout <= Duration::from_secs(30), "{timeout:?}");
    let bare = &heads[1];
    assert_eq!(bare.headers["user-agent"], own);
    assert_eq!(bare.uri.authority().unwrap().as_str(), &target[7..]);
    assert!(!bare.headers.contains_key("grpc-timeout") && !bare.headers.contains_key("grpc-encoding"));
}

#[tokio::test]
async fn a_call_that_is_prepared_begins_when_it_is_told_to() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let channel = to(server.addr);
    let call = channel.prepare(method(), Some(framed(b"hello")), within(10.0));
    assert_eq!(call.connected_peer(), None);
    assert_eq!(server.stats().streams, 0);
    call.begin().await;
    assert!(call.end().is_none() && call.is_half_closed());
    assert_eq!(call.connected_peer().as_deref(), Some(&*format!("ipv4:{}", server.addr)));
    let message = call.in_time(call.recv()).await.flatten().unwrap();
    assert_eq!(&message.into_bytes()[..], b"hello");
    assert_eq!(call.in_time(call.wait_end()).await.unwrap().0.code(), Code::Ok);
    // As with all calls, head and request leave together.
    assert_eq!(server.frames().first().map(|stream| (stream.headers, stream.data)), Some((1, 1)));
}

#[tokio::test]
async fn a_prepared_call_ends_at_its_deadline_or_as_it_is_told() {
    let server = WrongServer::start(Behaviour::Silence).unwrap();
    let channel = to(server.addr);
    let late = channel.prepare(method(), Some(framed(b"hello")), within(0.2));
    late.begin().await;
    assert!(late.in_time(late.recv()).await.is_none());
    assert_eq!(late.end().unwrap().0.code(), Code::DeadlineExceeded);
    // One whose deadline has passed is not sent.
    let passed = channel.prepare(method(), None, within(0.0));
    passed.begin().await;
    assert_eq!(passed.end().unwrap().0.code(), Code::DeadlineExceeded);
    let ended = channel.prepare(method(), None, within(10.0));
    ended.end_with(viaduct::Status::aborted("told so"));
    ended.begin().await;
    assert!(ended.recv().await.is_none());
    assert_eq!(ended.end().unwrap().0.message(), "told so");
    assert_eq!(server.stats().streams, 1);
}

#[tokio::test]
async fn a_call_names_an_authority_of_its_own() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let channel = to(server.addr);
    assert_eq!(channel.authority(), server.addr.to_string());
    let authority = Some("other.example:1".parse().unwrap());
    let outcome = channel.unary(method(), framed(b"hello"), CallOptions { authority, ..within(10.0) }).await;
    assert!(is_hello(&outcome), "{:?}", outcome.status);
}
