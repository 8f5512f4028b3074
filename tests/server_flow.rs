//! The server's calls over time: deadlines, cancellation, flow control, limits, drain.

mod server_kit;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use server_kit::*;
use viaduct::server::{Inbox, Listener, Refused, Router, Server, ServerConfig};
use viaduct::{Code, Status};

#[tokio::test]
async fn the_deadline_is_answered_while_the_consumer_sleeps() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let from = Instant::now();
    // Two deadlines, the later one first, and a call without any.
    let later = client.start(with(post(CHAT), "grpc-timeout", "150m"), true).await.0;
    let without = client.start(post(CHAT), true).await.0;
    let sooner = client.call(with(post(UNARY), "grpc-timeout", "50m"), plain(b"x")).await;
    assert_eq!(sooner.code(), Code::DeadlineExceeded);
    assert!((50..140).contains(&from.elapsed().as_millis()), "{:?}", from.elapsed());
    let later = read(later.await.unwrap()).await;
    assert_eq!(later.code(), Code::DeadlineExceeded);
    assert!((150..400).contains(&from.elapsed().as_millis()), "{:?}", from.elapsed());
    // Only the third is left for the consumer.
    let call = server.inbox.pop().unwrap().call;
    assert!(call.deadline().is_none());
    assert!(server.inbox.pop().is_none() && server.inbox.is_empty());
    call.finish(Status::ok(""), HeaderMap::new()).unwrap();
    assert_eq!(read(without.await.unwrap()).await.code(), Code::Ok);
    assert_eq!(server.handle.counts().deadlines, 2);
}

#[tokio::test]
async fn a_handler_hears_of_the_deadline_and_its_late_answer_is_refused() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let asking =
        tokio::spawn(async move { client.call(with(post(UNARY), "grpc-timeout", "50m"), plain(b"x")).await });
    let (call, _) = popped(&server).await;
    assert!(call.deadline().unwrap().remaining() <= Duration::from_millis(50));
    call.send_headers(HeaderMap::new()).unwrap();
    assert_eq!(call.cancelled().await.unwrap().code(), Code::DeadlineExceeded);
    assert!(call.is_cancelled());
    assert_eq!(call.reply(plain(b"late"), HeaderMap::new()), Err(Refused::Ended));
    assert_eq!(asking.await.unwrap().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn many_deadlines_are_swept_and_none_is_lost() {
    let server = Fixture::echo(ServerConfig::default());
    let mut client = server.client().await;
    for _ in 0..1000 {
        let answer = client.call(with(post(UNARY), "grpc-timeout", "10S"), plain(b"x")).await;
        assert_eq!(answer.code(), Code::Ok);
    }
    assert_eq!(server.handle.counts().deadlines, 0);
    let mut open = Vec::new();
    for n in 0..200 {
        let span = format!("{}m", 20 + (n * 7) % 100);
        open.push(client.start(with(post(CHAT), "grpc-timeout", &span), false).await);
    }
    for (response, _stream) in open {
        assert_eq!(read(response.await.unwrap()).await.code(), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn a_reset_is_heard_by_who_waits_and_skipped_by_pop() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    // While its handler waits, for the cancellation and for a message.
    let (_response, mut stream) = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    let (watching, receiving) = (call.clone(), call.clone());
    let watching = tokio::spawn(async move { watching.cancelled().await });
    let receiving = tokio::spawn(async move { receiving.recv().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!call.is_cancelled());
    stream.send_reset(h2::Reason::CANCEL);
    assert_eq!(watching.await.unwrap().unwrap().code(), Code::Cancelled);
    assert_eq!(receiving.await.unwrap().unwrap_err().code(), Code::Cancelled);
    assert!(call.is_cancelled());
    assert_eq!(call.finish(Status::ok(""), HeaderMap::new()), Err(Refused::Ended));
    // While it is queued.
    let (_response, mut stream) = client.start(post(UNARY), false).await;
    stream.send_data(plain(b"x"), true).unwrap();
    eventually(|| server.inbox.len() == 1).await;
    stream.send_reset(h2::Reason::CANCEL);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(server.inbox.pop().is_none());
    eventually(|| server.handle.counts().cancelled == 2).await;
    assert_eq!(server.handle.counts().calls_open, 0);
}

#[tokio::test]
async fn a_lost_connection_cancels_its_calls() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let _open = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    client.connection.abort();
    assert_eq!(call.cancelled().await.unwrap().code(), Code::Cancelled);
    eventually(|| server.handle.counts().connections_open == 0).await;
}

#[tokio::test]
async fn all_calls_of_a_client_may_be_cancelled_at_once() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    for _ in 0..300 {
        let (_response, mut stream) = client.start(post(CHAT), false).await;
        stream.send_reset(h2::Reason::CANCEL);
    }
    let (response, _stream) = client.start(post("/x.Y/Z"), false).await;
    assert_eq!(read(response.await.unwrap()).await.code(), Code::Unimplemented);
    assert_eq!(server.handle.counts().protocol_errors, 0);
}

#[tokio::test]
async fn a_stopped_reader_makes_send_wait() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let (response, _stream) = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    let message = plain(&[1; 10_000]);
    let mut sent = 0;
    while call.try_send(message.clone()).unwrap().is_none() {
        sent += 1;
        assert!(sent < 100, "nothing makes the sender wait");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The client's window of 64 KiB, and one message beyond.
    assert!((6..=8).contains(&sent), "{sent}");
    let more = call.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..100 {
            more.send(message.clone()).await.unwrap();
        }
        more.finish(Status::ok(""), HeaderMap::new()).unwrap();
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sending.is_finished());
    let answer = read(response.await.unwrap()).await;
    assert_eq!((answer.messages.len(), answer.code()), (sent + 100, Code::Ok));
    sending.await.unwrap();
}

#[tokio::test]
async fn a_wide_open_window_still_leaves_little_unsent() {
    let server = Fixture::idle(ServerConfig::default());
    let socket = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
    let (h2, mut connection) = builder.handshake::<_, Bytes>(socket).await.unwrap();
    let (_response, _stream) = h2.ready().await.unwrap().send_request(post(CHAT), false).unwrap();
    // The connection is driven until the call is there, and then never again.
    let mut call = None;
    let from = Instant::now();
    while call.is_none() && from.elapsed() < Duration::from_secs(5) {
        let _ = tokio::time::timeout(Duration::from_millis(20), &mut connection).await;
        call = server.inbox.pop().map(|i| i.call);
    }
    let call = call.unwrap();
    let (mut sent, mut full) = (0usize, 0);
    while full < 20 {
        match call.try_send(plain(&[1; 60_000])).unwrap() {
            None => (sent, full) = (sent + 60_000, 0),
            Some(_) => {
                full += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert!(sent < 64 << 20, "nothing makes the sender wait");
    }
    // What the kernel's buffers took, and 256 KiB.
    assert!(sent > 256 << 10, "{sent}");
}

#[tokio::test]
async fn a_stopped_consumer_stops_the_client() {
    let server = Fixture::idle(ServerConfig { stream_window: 1 << 20, ..ServerConfig::default() });
    let mut client = server.client().await;
    let (_response, mut stream) = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    let message = plain(&[1; 1019]);
    let mut sent = 0usize;
    let mut send = async |stream: &mut h2::SendStream<Bytes>| loop {
        stream.reserve_capacity(1024);
        let wait = std::future::poll_fn(|cx| stream.poll_capacity(cx));
        match tokio::time::timeout(Duration::from_secs(1), wait).await {
            Ok(Some(Ok(room))) if room >= 1024 => {
                stream.send_data(message.clone(), false).unwrap();
                sent += 1;
            }
            Ok(_) => {}
            Err(_) => return sent,
        }
    };
    assert_eq!(send(&mut stream).await, 1024, "the window is 1 MiB");
    for _ in 0..600 {
        assert_eq!(call.recv().await.unwrap().unwrap().len(), 1019);
    }
    let now = send(&mut stream).await;
    // What was taken is given back once it is half of the window: of the 600, 512.
    assert_eq!(now, 1024 + 512);
    // What is buffered is here without the runtime.
    for _ in 0..500 {
        let std::task::Poll::Ready(Ok(Some(_))) = call.try_recv() else { panic!("it is not here") };
    }
}

#[tokio::test]
async fn a_million_small_messages_to_a_slow_handler_are_not_cut() {
    const MESSAGES: u64 = 1_000_000;
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let (response, mut stream) = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    let handler = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        let mut seen = 0;
        while block(call.recv()).unwrap().is_some() {
            seen += 1;
            if seen % 200_000 == 0 {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        call.reply(plain(seen.to_string().as_bytes()), HeaderMap::new()).unwrap();
    });
    // Each message in a DATA frame of its own, and the least there can be.
    let message = plain(b"");
    for _ in 0..MESSAGES {
        stream.reserve_capacity(5);
        while stream.capacity() < 5 {
            std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        }
        stream.send_data(message.clone(), false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
    let answer = read(response.await.unwrap()).await;
    assert_eq!(answer.messages, [MESSAGES.to_string().as_bytes()]);
    handler.join().unwrap();
}

#[tokio::test]
async fn a_message_longer_than_the_window_arrives() {
    let server = Fixture::echo(ServerConfig { max_receive: 8 << 20, ..ServerConfig::default() });
    let mut client = server.client().await;
    assert_eq!(client.unary(COLLECT, &vec![1; 6 << 20]).await.messages, [b"6291456"]);
    assert_eq!(client.unary(UNARY, &vec![1; 6 << 20]).await.messages[0].len(), 6 << 20);
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let server = Fixture::idle(ServerConfig { max_queued: 2, ..ServerConfig::default() });
    let mut client = server.client().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(client.start(post(CHAT), true).await);
    }
    for path in [UNARY, CHAT] {
        let refused = client.unary(path, b"x").await;
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("2 calls waiting"));
    }
    let counts = server.handle.counts();
    assert_eq!((counts.queue_full, counts.answered, counts.calls_open), (2, 0, 2));
    assert!(server.inbox.pop().is_some());
}

#[tokio::test]
async fn calls_wait_only_where_no_handler_is_free() {
    let inbox = Inbox::with_handlers(3, 2);
    let config = ServerConfig { max_queued: 3, ..ServerConfig::default() };
    let listener = Listener::bind("http://127.0.0.1:0", None).unwrap();
    let mut router = Router::new();
    router.add(CHAT, viaduct::server::RequestShape::Many).unwrap();
    let handle = Server::start(config, router, vec![listener], inbox.clone()).unwrap();
    let address = handle.targets()[0].strip_prefix("http://").unwrap();
    let mut client = Client::over(tokio::net::TcpStream::connect(address).await.unwrap()).await;
    let burst = async |client: &mut Client, count: u64, refused: u64| {
        let (before, mut open) = (handle.counts(), Vec::new());
        for _ in 0..count {
            open.push(client.start(post(CHAT), true).await);
        }
        eventually(|| handle.counts().requests == before.requests + count).await;
        assert_eq!(handle.counts().queue_full - before.queue_full, refused);
        open
    };
    // Two handlers are free and three calls may wait, in one turn.
    let first = burst(&mut client, 10, 5).await;
    let (one, place) = inbox.take().unwrap();
    let (_two, _place) = inbox.take().unwrap();
    assert_eq!(inbox.len(), 3);
    // They run now: nobody is free, and as many wait as may.
    let _second = burst(&mut client, 1, 1).await;
    one.call.finish(Status::ok(""), HeaderMap::new()).unwrap();
    drop(place);
    let _third = burst(&mut client, 2, 1).await;
    // Those whose client has gone make room.
    drop(first);
    // Their resets came before this one.
    let _refused = burst(&mut client, 1, 1).await;
    assert!(inbox.take().is_some() && inbox.take().is_none());
    let _fourth = burst(&mut client, 5, 1).await;
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_no_more() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let idle = server.client().await;
    let (response, mut stream) = client.start(post(UNARY), false).await;
    stream.send_data(plain(b"x"), true).unwrap();
    let (call, _) = popped(&server).await;
    server.handle.drain();
    assert!(server.handle.is_draining());
    // The idle connection is closed at once, the other one when its call is answered.
    idle.connection.await.unwrap().unwrap();
    let closed = tokio::time::timeout(Duration::from_millis(100), server.handle.drained()).await;
    assert!(closed.is_err(), "a call is running");
    assert!(tokio::net::TcpStream::connect(server.address()).await.is_err(), "nobody accepts");
    call.reply(plain(b"done"), HeaderMap::new()).unwrap();
    assert_eq!(read(response.await.unwrap()).await.messages, [b"done"]);
    tokio::time::timeout(Duration::from_secs(5), server.handle.drained()).await.unwrap();
    client.connection.await.unwrap().unwrap();
    assert_eq!(server.handle.counts().connections_open, 0);
}

#[tokio::test]
async fn clients_that_are_connected_when_a_drain_begins_are_told() {
    let server = Fixture::idle(ServerConfig::default());
    // Accepted, and nothing said yet.
    let socket = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    eventually(|| server.handle.counts().connections == 1).await;
    server.handle.drain();
    let closed = tokio::time::timeout(Duration::from_millis(100), server.handle.drained()).await;
    assert!(closed.is_err(), "a handshake is running");
    let client = Client::over(socket).await;
    client.connection.await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(5), server.handle.drained()).await.unwrap();
    assert_eq!(server.handle.counts().handshakes_failed, 0);
}

#[tokio::test]
async fn clients_that_wait_to_be_accepted_when_a_drain_begins_are_told() {
    // The test's own thread drives the server: it accepts only where the test waits.
    let listener = Listener::bind("http://127.0.0.1:0", None).unwrap();
    let config = ServerConfig::default();
    let inbox = Inbox::new(config.max_queued);
    let handle = Server::start(config, Router::new(), vec![listener], inbox).unwrap();
    let address = handle.targets()[0].strip_prefix("http://").unwrap();
    let waiting: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    handle.drain();
    assert_eq!(handle.counts().connections, 0);
    for socket in waiting {
        socket.set_nonblocking(true).unwrap();
        let client = Client::over(tokio::net::TcpStream::from_std(socket).unwrap()).await;
        client.connection.await.unwrap().unwrap();
    }
    tokio::time::timeout(Duration::from_secs(5), handle.drained()).await.unwrap();
    assert_eq!(handle.counts().connections, 20);
}

#[tokio::test]
async fn a_handshake_holds_a_drain_up_no_longer_than_it_may_take() {
    let config = ServerConfig { handshake_timeout: Duration::from_millis(300), ..ServerConfig::default() };
    let server = Fixture::idle(config);
    let _silent = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    eventually(|| server.handle.counts().connections == 1).await;
    server.handle.drain();
    tokio::time::timeout(Duration::from_secs(5), server.handle.drained()).await.unwrap();

    let config = ServerConfig { drain_timeout: Duration::from_millis(300), ..ServerConfig::default() };
    let server = Fixture::idle(config);
    let _silent = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    eventually(|| server.handle.counts().connections == 1).await;
    server.handle.drain();
    tokio::time::timeout(Duration::from_secs(5), server.handle.drained()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_drain_in_time_is_cut() {
    let config = ServerConfig { drain_timeout: Duration::from_millis(100), ..ServerConfig::default() };
    let server = Fixture::idle(config);
    let mut client = server.client().await;
    let (response, _stream) = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    server.handle.drain();
    tokio::time::timeout(Duration::from_secs(5), server.handle.drained()).await.unwrap();
    assert!(response.await.is_err());
    assert_eq!(call.cancelled().await.unwrap().code(), Code::Cancelled);
}

#[tokio::test]
async fn a_passed_deadline_is_seen_before_the_runtime_has_a_turn() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let (response, _stream) = client.start(with(post(CHAT), "grpc-timeout", "20m"), false).await;
    eventually(|| !server.inbox.is_empty()).await;
    std::thread::sleep(Duration::from_millis(30));
    assert!(server.inbox.pop().is_none());
    assert_eq!(read(response.await.unwrap()).await.code(), Code::DeadlineExceeded);
    assert_eq!(server.handle.counts().deadlines, 1);
}

#[tokio::test]
async fn a_sender_that_waits_hears_of_a_reset_and_of_the_deadline() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let fill = async |call: &viaduct::server::ServerCall| loop {
        if let Err(refused) = call.send(plain(&[1; 10_000])).await {
            return refused;
        }
    };
    let (_response, mut stream) = client.start(post(CHAT), false).await;
    let (call, _) = popped(&server).await;
    let reset = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.send_reset(h2::Reason::CANCEL);
    };
    assert_eq!(tokio::join!(fill(&call), reset).0, Refused::Ended);
    assert_eq!(call.cancelled().await.unwrap().code(), Code::Cancelled);

    let _open = client.start(with(post(CHAT), "grpc-timeout", "100m"), false).await;
    let (call, _) = popped(&server).await;
    assert_eq!(fill(&call).await, Refused::Ended);
    assert_eq!(call.cancelled().await.unwrap().code(), Code::DeadlineExceeded);
    assert_eq!(server.handle.counts().calls_open, 0);
}
