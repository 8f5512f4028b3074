//! Flow control of what is received: one stream that nobody reads stops no other, in clients and servers.

mod client_kit;
mod server_kit;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use server_kit::{CHAT, COLLECT, EXPAND, Fixture, UNARY, block, plain, popped, post, read};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use viaduct::client::{CallOptions, Channel, Method};
use viaduct::server::{Incoming, Listener, ServerConfig};
use viaduct::transport::connection::{Connection, Keep};
use viaduct::{Code, Status};
use viaduct_testkit::frame::{self, Frame, PREFACE, flag, kind, setting};
use viaduct_testkit::hpack;

/// The window of a stream that nobody reads.
const BASE: usize = 70_000;

const FLOW_CONTROL_ERROR: u32 = 3;

/// What an unread stream has to say.
const LONG: usize = 3_000_000;

/// Answers EXPAND with 3 MB in messages of as many bytes as the request says, and UNARY with an echo.
fn talk(incoming: Incoming) {
    let Incoming { method, call, message } = incoming;
    let raw = message.unwrap().into_bytes();
    if method == 0 {
        return drop(call.reply(plain(&raw), HeaderMap::new()));
    }
    let size = server_kit::number(&raw) as usize;
    for _ in 0..LONG / size {
        if block(call.send(plain(&vec![7; size]))).is_err() {
            return;
        }
    }
    let _ = call.finish(Status::ok(""), HeaderMap::new());
}

fn talking() -> Fixture {
    Fixture::with(ServerConfig::default(), Listener::bind("http://127.0.0.1:0", None).unwrap(), Some(talk))
}

fn channel(server: &Fixture) -> Channel {
    client_kit::to(server.address().parse().unwrap())
}

async fn expand(channel: &Channel, size: usize) -> viaduct::client::Call {
    let request = plain(size.to_string().as_bytes());
    channel.call(Method::parse(EXPAND).unwrap(), Some(request), CallOptions::default()).await
}

async fn echo(channel: &Channel, message: &[u8]) {
    let outcome =
        channel.unary(Method::parse(UNARY).unwrap(), plain(message), client_kit::within(10.0)).await;
    assert_eq!(outcome.status.code(), Code::Ok, "{}", outcome.status);
    assert_eq!(outcome.message.unwrap().into_bytes(), message);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_were_opened_together_are_read_one_after_the_other() {
    let server = talking();
    let channel = channel(&server);
    let mut calls = Vec::new();
    for n in 0..40 {
        calls.push(expand(&channel, if n % 2 == 0 { 1_000_000 } else { 1000 }).await);
    }
    for call in calls {
        let all = async {
            let mut bytes = 0;
            while let Some(message) = call.recv().await {
                bytes += message.len();
            }
            bytes
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(30), all).await, Ok(LONG));
        assert_eq!(call.end().unwrap().0.code(), Code::Ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_beside_a_hundred_unread_streams() {
    let server = talking();
    let channel = channel(&server);
    let mut unread = Vec::new();
    for _ in 0..100 {
        let call = expand(&channel, 1000).await;
        assert_eq!(call.recv().await.unwrap().len(), 1000);
        unread.push(call);
    }
    echo(&channel, b"small").await;
    echo(&channel, &vec![3; 2_000_000]).await;
    // Those that were left can be read.
    let mut bytes = 1000;
    while let Some(message) = unread[7].recv().await {
        bytes += message.len();
    }
    assert_eq!(bytes, LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_served_beside_forty_uploads_that_nobody_reads() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = server.client().await;
    let mut uploads = Vec::new();
    for _ in 0..40 {
        let (response, mut stream) = client.start(post(CHAT), false).await;
        let (call, _) = popped(&server).await;
        let sending = tokio::spawn(async move {
            let message = plain(&[1; 9995]);
            for _ in 0..LONG / 10_000 {
                send(&mut stream, message.clone()).await;
            }
            stream.send_data(Bytes::new(), true).unwrap();
        });
        uploads.push((response, call, sending));
    }
    let (response, mut stream) = client.start(post(UNARY), false).await;
    let upload = tokio::spawn(async move {
        send(&mut stream, plain(&vec![2; 2_000_000])).await;
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let (call, message) = popped(&server).await;
    assert_eq!(message.unwrap().len(), 2_000_000);
    call.reply(plain(b"served"), HeaderMap::new()).unwrap();
    assert_eq!(read(response.await.unwrap()).await.messages, [b"served"]);
    upload.await.unwrap();
    // Their handlers read after all, the last one first.
    for (response, call, sending) in uploads.into_iter().rev() {
        assert!(!sending.is_finished());
        let mut bytes = 0;
        while let Some(message) = call.recv().await.unwrap() {
            bytes += message.len() + 5;
        }
        assert_eq!(bytes, LONG);
        call.finish(Status::ok(""), HeaderMap::new()).unwrap();
        assert_eq!(read(response.await.unwrap()).await.code(), Code::Ok);
        sending.await.unwrap();
    }
}

/// Sends as the window opens.
async fn send(stream: &mut h2::SendStream<Bytes>, mut data: Bytes) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        stream.send_data(data.split_to(room.min(data.len())), false).unwrap();
    }
}

/// One end of a connection, written and read frame by frame.
struct Raw {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, buffer: Vec::new() }
    }

    /// A client whose SETTINGS and the server's are known.
    fn client(server: &Fixture) -> Self {
        let mut raw = Self::new(TcpStream::connect(server.address()).unwrap());
        raw.socket.write_all(PREFACE).unwrap();
        raw.send(&[Frame::settings(&[])]);
        let settings = raw.until(|frame| frame.kind == kind::SETTINGS);
        let window = settings.payload.chunks(6).find(|one| one[1] as u16 == setting::INITIAL_WINDOW_SIZE);
        assert_eq!(window.unwrap()[2..], u32::try_from(BASE).unwrap().to_be_bytes());
        raw.send(&[Frame::new(kind::SETTINGS, flag::ACK, 0, [])]);
        raw
    }

    fn send(&mut self, frames: &[Frame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.encode(&mut bytes);
        }
        self.socket.write_all(&bytes).unwrap();
    }

    fn next(&mut self) -> Frame {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return frame;
            }
            let n = self.socket.read(&mut chunk).unwrap();
            assert!(n > 0, "the connection ended");
            self.buffer.extend_from_slice(&chunk[..n]);
        }
    }

    fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next();
            if wanted(&frame) {
                return frame;
            }
        }
    }

    fn open(&mut self, stream: u32, path: &str) {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "x"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let mut bytes = Vec::new();
        frame::headers(stream, &hpack::block(&fields), false, &mut bytes);
        self.socket.write_all(&bytes).unwrap();
    }

    /// So many bytes of DATA.
    fn data(&mut self, stream: u32, mut bytes: usize) {
        while bytes > 0 {
            let n = bytes.min(16_384);
            self.send(&[Frame::new(kind::DATA, 0, stream, vec![0; n])]);
            bytes -= n;
        }
    }
}

#[test]
fn an_unread_stream_holds_its_first_window_and_a_byte_more_ends_the_connection() {
    let server = Fixture::idle(ServerConfig::default());
    let mut raw = Raw::client(&server);
    for n in 0..40 {
        raw.open(2 * n + 1, CHAT);
        raw.data(2 * n + 1, BASE);
    }
    // A stream of its own is served, and nothing was given to the others meanwhile.
    raw.open(81, UNARY);
    raw.send(&[Frame::new(kind::DATA, flag::END_STREAM, 81, frame::message(0, b"x"))]);
    let mut calls = Vec::new();
    let call = loop {
        let incoming = server.pop();
        if incoming.method == 0 {
            break incoming.call;
        }
        calls.push(incoming.call);
    };
    call.reply(plain(b"y"), HeaderMap::new()).unwrap();
    raw.until(|frame| {
        assert!(frame.kind != kind::WINDOW_UPDATE || frame.stream == 0, "{frame:?}");
        frame.stream == 81 && frame.has(flag::END_STREAM)
    });
    assert_eq!((calls.len(), server.handle.counts().protocol_errors), (40, 0));
    raw.data(1, 1);
    let end = raw.until(|frame| frame.kind == kind::GOAWAY);
    assert_eq!(end.words(), [81, FLOW_CONTROL_ERROR]);
    let from = Instant::now();
    while server.handle.counts().protocol_errors == 0 {
        assert!(from.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(block(calls[0].cancelled()).unwrap().code(), Code::Cancelled);
}

#[test]
fn padding_counts_and_is_given_back() {
    let server = Fixture::idle(ServerConfig::default());
    let mut raw = Raw::client(&server);
    raw.open(1, CHAT);
    // Each is 257 bytes: the padding's length, one byte, the padding.
    let padded: Vec<u8> = [vec![255, 0], vec![0; 255]].concat();
    for _ in 0..BASE / 257 {
        raw.send(&[Frame::new(kind::DATA, flag::PADDED, 1, padded.clone())]);
    }
    let given = raw.until(|frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == 1).words()[0] as usize;
    assert!((BASE / 2..BASE).contains(&given), "{given}");
    let call = server.pop().call;
    // 255 bytes are 51 empty messages.
    for _ in 0..BASE / 257 / 5 {
        assert!(block(call.recv()).unwrap().unwrap().is_empty());
    }
    assert_eq!(server.handle.counts().protocol_errors, 0);
}

#[test]
fn a_client_cuts_a_server_that_sends_more_than_its_windows() {
    for more in [0, 1] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let peer = std::thread::spawn(move || {
            let mut raw = Raw::new(listener.accept().unwrap().0);
            raw.socket.read_exact(&mut [0; 24]).unwrap();
            raw.send(&[Frame::settings(&[]), Frame::new(kind::SETTINGS, flag::ACK, 0, [])]);
            raw.until(|frame| frame.kind == kind::HEADERS);
            let mut head = Vec::new();
            let fields = [(":status", "200"), ("content-type", "application/grpc")];
            frame::headers(1, &hpack::block(&fields), false, &mut head);
            raw.socket.write_all(&head).unwrap();
            raw.data(1, BASE + more);
            let mut trailers = Vec::new();
            frame::headers(1, &hpack::block(&[("grpc-status", "0")]), true, &mut trailers);
            raw.socket.write_all(&trailers).unwrap();
            let end = (more > 0).then(|| raw.until(|frame| frame.kind == kind::GOAWAY).words());
            tell.send(end).unwrap();
            // The connection is open until the client ends it.
            let _ = raw.socket.read_to_end(&mut Vec::new());
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let channel = client_kit::to(address);
            let call = channel.call(client_kit::method(), Some(plain(b"x")), client_kit::within(10.0)).await;
            // Nobody reads it before the end.
            call.wait_headers().await;
            assert_eq!(told.await.unwrap(), (more > 0).then(|| vec![0, FLOW_CONTROL_ERROR]));
            let mut messages = 0;
            while call.recv().await.is_some() {
                messages += 1;
            }
            let status = call.end().unwrap().0.clone();
            if more == 0 {
                assert_eq!((messages, status.code()), (BASE / 5, Code::Ok), "{status}");
            } else {
                assert_eq!(status.code(), Code::Unavailable);
                assert!(status.message().contains("flow-control window"), "{status}");
            }
        });
        drop(runtime);
        peer.join().unwrap();
    }
}

/// Passes bytes on after a delay, and notes the frames.
struct Relay {
    address: SocketAddr,
    /// The types, flags and streams of the frames of clients and servers.
    seen: [Seen; 2],
}

type Seen = Arc<Mutex<Vec<(u8, u8, u32)>>>;

impl Relay {
    async fn new(server: &Fixture, delay: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, target) = (listener.local_addr().unwrap(), server.address());
        let seen: [Seen; 2] = Default::default();
        let notes = seen.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = tokio::net::TcpStream::connect(&target).await.unwrap();
                for socket in [&near, &far] {
                    socket.set_nodelay(true).unwrap();
                }
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(near_in, far_out, delay, PREFACE.len(), notes[0].clone()));
                tokio::spawn(pass(far_in, near_out, delay, 0, notes[1].clone()));
            }
        });
        Self { address, seen }
    }

    fn count(&self, side: usize, wanted: impl Fn(u8, u8, u32) -> bool) -> usize {
        self.seen[side].lock().unwrap().iter().filter(|(kind, flags, id)| wanted(*kind, *flags, *id)).count()
    }

    fn pings(&self, side: usize) -> usize {
        self.count(side, |kind, flags, _| kind == kind::PING && flags == 0)
    }

    fn updates(&self, side: usize) -> usize {
        self.count(side, |kind, _, stream| kind == kind::WINDOW_UPDATE && stream != 0)
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay: Duration,
    mut skip: usize,
    seen: Seen,
) {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, bytes)) = told.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let (mut chunk, mut buffer) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        if tell.send((tokio::time::Instant::now() + delay, chunk[..n].to_vec())).is_err() {
            return;
        }
        let skipped = skip.min(n);
        skip -= skipped;
        buffer.extend_from_slice(&chunk[skipped..n]);
        while let Some(frame) = Frame::take(&mut buffer) {
            seen.lock().unwrap().push((frame.kind, frame.flags, frame.stream));
        }
    }
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

#[tokio::test(flavor = "multi_thread")]
async fn the_window_of_a_reader_grows_to_what_the_delay_needs() {
    const MESSAGE: usize = 10_000;
    const ALL: usize = 30_000_000;
    let delay = Duration::from_millis(20);
    // With the first window only: one of them for each turn there and back.
    let slow = 2 * delay * u32::try_from(ALL / BASE).unwrap();
    // Down …
    let server = talking();
    let relay = Relay::new(&server, delay).await;
    let channel = client_kit::to(relay.address);
    let from = Instant::now();
    let mut bytes = 0;
    for _ in 0..ALL / LONG {
        let call = expand(&channel, MESSAGE).await;
        while let Some(message) = call.recv().await {
            bytes += message.len();
        }
    }
    let down = from.elapsed();
    assert_eq!(bytes, ALL);
    assert!(down < slow / 2, "{down:?} of {slow:?}");
    let pings = relay.pings(CLIENT);
    assert!((3..=60).contains(&pings), "{pings} PINGs");
    assert_eq!(relay.pings(SERVER), 0);
    // … and up.
    let server = Fixture::echo(ServerConfig::default());
    let relay = Relay::new(&server, delay).await;
    let channel = client_kit::to(relay.address);
    let from = Instant::now();
    let call = channel.call(Method::parse(COLLECT).unwrap(), None, CallOptions::default()).await;
    for _ in 0..ALL / MESSAGE {
        call.send(plain(&[1; MESSAGE])).await.unwrap();
    }
    let sum = call.response().await.message.unwrap().into_bytes();
    let up = from.elapsed();
    assert_eq!(sum, ALL.to_string());
    assert!(up < slow / 2, "{up:?} of {slow:?}");
    assert!((3..=60).contains(&relay.pings(SERVER)) && relay.pings(CLIENT) == 0);
    println!("down {down:?}, up {up:?}; with the first window {slow:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_gets_its_window_at_once() {
    let server = Fixture::echo(ServerConfig::default());
    let relay = Relay::new(&server, Duration::from_millis(10)).await;
    let channel = client_kit::to(relay.address);
    echo(&channel, b"first").await;
    echo(&channel, &vec![5; 4_000_000]).await;
    for side in [CLIENT, SERVER] {
        let updates = relay.updates(side);
        assert!((1..=4).contains(&updates), "{updates} updates");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_calls_and_idle_connections_are_neither_probed_nor_updated() {
    let server = Fixture::echo(ServerConfig::default());
    let relay = Relay::new(&server, Duration::ZERO).await;
    let channel = client_kit::to(relay.address);
    for _ in 0..1500 {
        echo(&channel, &[1; 100]).await;
    }
    // A stream that is open and idle, after some small messages.
    let chat = channel.call(Method::parse(CHAT).unwrap(), None, CallOptions::default()).await;
    for _ in 0..50 {
        chat.send(plain(b"hello")).await.unwrap();
        assert_eq!(chat.recv().await.unwrap().len(), 5);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for side in [CLIENT, SERVER] {
        assert_eq!((relay.pings(side), relay.updates(side)), (0, 0));
        assert!(relay.count(side, |kind, _, _| kind == kind::HEADERS) > 1500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_forgotten_however_they_end() {
    let server = Fixture::idle(ServerConfig::default());
    let socket = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let keep = Keep {
        keepalive: None,
        keepalive_timeout: Duration::from_secs(20),
        without_calls: false,
        max_pings: 2,
        idle: None,
        max_headers: 16 << 10,
    };
    let (connection, drive) = Connection::new(socket, "test".into(), keep).await.unwrap();
    let drive = tokio::spawn(drive);
    for n in 0..300 {
        let mut send = connection.sender().unwrap();
        let (response, mut stream) = send.send_request(post(CHAT), n % 3 == 0).unwrap();
        let (call, _) = popped(&server).await;
        assert_eq!(connection.flow().held(), (1, 0));
        // More than nobody takes …
        let answer = plain(&[1; 1000]);
        if n % 2 == 0 {
            while call.try_send(answer.clone()).unwrap().is_none() {}
        }
        match n % 6 {
            0 => drop((response, stream, call)),
            1 => drop((response, stream)),
            2 => {
                stream.send_reset(h2::Reason::CANCEL);
                drop(response);
            }
            3 => {
                let _ = call.finish(Status::not_found(""), HeaderMap::new());
                assert!(response.await.is_ok());
            }
            4 => {
                let body = response.await.unwrap();
                drop(body);
                drop(stream);
            }
            _ => {
                // The server's end of the stream comes after the client's reset.
                drop(response);
                let _ = call.reply(answer, HeaderMap::new());
                drop(stream);
            }
        }
        let from = Instant::now();
        while connection.flow().held() != (0, 0) {
            assert!(from.elapsed() < Duration::from_secs(5), "{n}: {:?}", connection.flow().held());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    connection.end(Status::cancelled(""));
    drive.await.unwrap();
}
