//! The server's calls: kinds, statuses, headers, frames.

mod server_kit;

use bytes::Bytes;
use server_kit::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use viaduct::Code;
use viaduct::codec::{Encoding, frame};
use viaduct::server::ServerConfig;

#[tokio::test]
async fn a_unary_call_is_answered_with_headers_message_and_trailers() {
    let server = Fixture::echo(ServerConfig::default());
    let mut client = server.client().await;
    let asked = with(with(post(UNARY), "x-echo", "abc"), "grpc-accept-encoding", "identity");
    let answer = client.call(asked, plain(b"hello")).await;
    assert_eq!((answer.http, answer.code()), (200, Code::Ok));
    assert_eq!(answer.messages, [b"hello"]);
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert_eq!(answer.headers["grpc-accept-encoding"], "identity,gzip,deflate");
    assert!(!answer.headers.contains_key("grpc-status") && !answer.headers.contains_key("grpc-encoding"));
    assert_eq!(answer.trailers["x-echo"], "abc");
    let brief = client.unary(UNARY, b"").await;
    assert_eq!(brief.messages, [b""]);
    assert!(!brief.headers.contains_key("grpc-accept-encoding"), "who asks for no encoding hears of none");
    assert_eq!(client.unary(UNARY, &[7; 3_000_000]).await.messages[0].len(), 3_000_000);
    let counts = server.handle.counts();
    assert_eq!((counts.requests, counts.answered, counts.calls_open), (3, 3, 0));
}

#[tokio::test]
async fn a_message_may_come_in_any_number_of_frames() {
    let server = Fixture::echo(ServerConfig::default());
    let mut client = server.client().await;
    let (response, mut stream) = client.start(post(UNARY), false).await;
    for byte in plain(b"slow") {
        stream.send_data(Bytes::copy_from_slice(&[byte]), false).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert_eq!(read(response.await.unwrap()).await.messages, [b"slow"]);
    // More requests that wait for their message than the connection gathers itself.
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(client.start(post(UNARY), false).await);
    }
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    for (response, mut stream) in open.into_iter().rev() {
        stream.send_data(plain(b"late"), true).unwrap();
        assert_eq!(read(response.await.unwrap()).await.messages, [b"late"]);
    }
}

#[tokio::test]
async fn streams_go_both_ways() {
    let server = Fixture::echo(ServerConfig::default());
    let mut client = server.client().await;
    let expanded = client.unary(EXPAND, b"1000").await;
    assert_eq!((expanded.code(), expanded.messages.len()), (Code::Ok, 1000));
    assert_eq!(expanded.messages[999], b"999");
    assert_eq!(client.unary(EXPAND, b"0").await.messages.len(), 0);

    let three: Vec<u8> = [&b"a"[..], b"bb", b""].iter().flat_map(|m| plain(m).to_vec()).collect();
    let collected = client.call(post(COLLECT), three.into()).await;
    assert_eq!(collected.messages, [b"3"]);

    let (response, mut stream) = client.start(post(CHAT), false).await;
    let response = response.await.unwrap();
    let (_, mut body) = response.into_parts();
    for n in 0..50u8 {
        stream.send_data(plain(&[n]), false).unwrap();
        assert_eq!(body.data().await.unwrap().unwrap(), plain(&[n]));
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert!(body.data().await.is_none());
    assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn what_the_engine_refuses() {
    let server = Fixture::echo(ServerConfig { max_receive: 1000, ..ServerConfig::default() });
    let mut client = server.client().await;
    let said = |a: &Answer| (a.code(), a.message().to_owned());

    let unknown = client.unary("/t.Echo/Nope", b"").await;
    assert_eq!(said(&unknown), (Code::Unimplemented, "unknown method Nope of service t.Echo".into()));
    let unknown = client.unary("/x.Y/Z", b"").await;
    assert_eq!(said(&unknown), (Code::Unimplemented, "unknown service x.Y".into()));

    let timeout = client.call(with(post(UNARY), "grpc-timeout", "soon"), plain(b"")).await;
    assert_eq!(timeout.code(), Code::Internal);
    assert!(timeout.message().contains("\"soon\""));
    let encoding = client.call(with(post(UNARY), "grpc-encoding", "br"), plain(b"")).await;
    assert_eq!(encoding.code(), Code::Unimplemented);
    assert_eq!(encoding.headers["grpc-accept-encoding"], "identity,gzip,deflate");

    let json = client.call(with(post(UNARY), "content-type", "application/json"), plain(b"")).await;
    assert_eq!((json.http, json.status.is_none()), (415, true));
    let mut get = post(UNARY);
    *get.method_mut() = http::Method::GET;
    assert_eq!(client.call(get, plain(b"")).await.http, 405);

    let long = client.unary(UNARY, &[0; 1001]).await;
    assert_eq!(long.code(), Code::ResourceExhausted);
    assert!(long.message().contains("1001 bytes") && long.message().contains("1000"));
    assert_eq!(client.unary(COLLECT, &[0; 1001]).await.code(), Code::ResourceExhausted);
    for path in [UNARY, COLLECT] {
        let html = client.call(post(path), Bytes::from_static(b"<html></html>")).await;
        assert_eq!(html.code(), Code::Internal, "{path}");
        let cut = client.call(post(path), Bytes::from_static(&[0, 0, 0, 0, 9, 1])).await;
        assert_eq!(cut.code(), Code::Internal, "{path}");
        assert!(cut.message().contains("1 of 9 bytes"), "{path}: {}", cut.message());
    }
    let none = client.call(post(UNARY), Bytes::new()).await;
    assert_eq!(none.code(), Code::Unimplemented);
    let two = client.call(post(UNARY), [plain(b"a"), plain(b"b")].concat().into()).await;
    assert_eq!(two.code(), Code::Unimplemented);
    assert!(two.message().contains("expected one message"));
    // The connection has outlived all this.
    assert_eq!(client.unary(UNARY, b"x").await.messages, [b"x"]);
    let counts = server.handle.counts();
    assert_eq!((counts.unknown_methods, counts.bad_requests, counts.bad_messages), (2, 4, 8));
}

#[tokio::test]
async fn a_forgotten_call_and_a_long_answer_are_answered() {
    let server = Fixture::echo(ServerConfig { max_send: Some(10), ..ServerConfig::default() });
    let mut client = server.client().await;
    let left = client.unary(LEAVE, b"").await;
    assert_eq!((left.code(), left.message()), (Code::Internal, "the handler ended without an answer"));
    let long = client.unary(UNARY, &[0; 11]).await;
    assert_eq!(long.code(), Code::ResourceExhausted);
    assert_eq!(client.unary(UNARY, &[0; 10]).await.code(), Code::Ok);
}

#[tokio::test]
async fn answers_after_the_end_are_refused() {
    use viaduct::server::Refused;
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let asking = tokio::spawn(async move { client.unary(UNARY, b"x").await });
    let (call, message) = popped(&server).await;
    assert_eq!(message.unwrap().into_bytes(), "x");
    assert_eq!((call.path(), call.authority()), (UNARY, "test.example"));
    assert!(call.peer().starts_with("ipv4:127.0.0.1:"));
    assert!(call.deadline().is_none() && !call.is_cancelled());
    let none = http::HeaderMap::new;
    call.send_headers(none()).unwrap();
    assert_eq!(call.send_headers(none()), Err(Refused::HeadersSent));
    call.reply(plain(b"y"), none()).unwrap();
    assert_eq!(call.reply(plain(b"y"), none()), Err(Refused::Ended));
    assert_eq!(call.try_send(plain(b"y")), Err(Refused::Ended));
    assert_eq!(call.finish(viaduct::Status::ok(""), none()), Err(Refused::Ended));
    assert_eq!(call.send_headers(none()), Err(Refused::Ended));
    assert!(call.cancelled().await.is_none());
    assert!(call.recv().await.unwrap().is_none());
    assert_eq!(asking.await.unwrap().messages, [b"y"]);
}

#[tokio::test]
async fn both_sides_compress() {
    let server = Fixture::echo(ServerConfig { encoding: Encoding::Gzip, ..ServerConfig::default() });
    let mut client = server.client().await;
    let body = frame(&[b'z'; 5000], Encoding::Deflate).unwrap();
    let asked = with(with(post(UNARY), "grpc-encoding", "deflate"), "grpc-accept-encoding", "identity, gzip");
    let answer = client.call(asked, body.clone()).await;
    assert_eq!(answer.headers["grpc-encoding"], "gzip");
    assert_eq!(answer.messages, [[b'z'; 5000]]);
    let plainly = client.call(with(post(UNARY), "grpc-encoding", "deflate"), body).await;
    assert!(!plainly.headers.contains_key("grpc-encoding"));
    assert_eq!(plainly.messages, [[b'z'; 5000]]);
}

/// Reads the frames of the one stream, without h2: type, flags, length.
async fn frames(server: &Fixture, path: &str) -> Vec<(u8, u8, usize)> {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    wire.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(":path", path), (":authority", "x"), ("content-type", "application/grpc")] {
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    wire.extend([0, 0, block.len() as u8, 1, 4, 0, 0, 0, 1]);
    wire.extend(block);
    let message = plain(b"hello");
    wire.extend([0, 0, message.len() as u8, 0, 1, 0, 0, 0, 1]);
    wire.extend(message);
    socket.write_all(&wire).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        socket.read_exact(&mut vec![0; length]).await.unwrap();
        if head[5..9] == [0, 0, 0, 1] {
            seen.push((head[3], head[4], length));
            // END_STREAM on HEADERS or DATA.
            if head[3] <= 1 && head[4] & 1 == 1 {
                break;
            }
        }
    }
    // Nothing follows: no reset, no empty frame.
    let mut more = [0; 64];
    let silent =
        tokio::time::timeout(std::time::Duration::from_millis(50), socket.read(&mut more)).await.is_err();
    assert!(silent, "more came after the end: {more:?}");
    seen
}

#[tokio::test]
async fn an_error_is_one_frame_and_a_reply_is_three() {
    let server = Fixture::echo(ServerConfig::default());
    for path in [FAIL, "/x.Y/Z"] {
        let seen = frames(&server, path).await;
        assert!(matches!(seen[..], [(1, 5, _)]), "{path}: {seen:?}");
    }
    let seen = frames(&server, UNARY).await;
    assert!(matches!(seen[..], [(1, 4, _), (0, 0, 10), (1, 5, _)]), "{seen:?}");
    let mut client = server.client().await;
    assert_eq!(client.unary(FAIL, b"").await.message(), "no such thing: ☺");
}
