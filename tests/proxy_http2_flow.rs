//! Windows and frames' lengths (RFC 9113, sections 4.2 and 5.2), and how a proxy goes (section 6.8).

mod proxy_kit;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use proxy_kit::calls::message;
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, POST, Peer, joined, shape};
use proxy_kit::wire::{
    Headers, MAX_FRAME_SIZE, Random, Watched, backend_of, code, encoded, goaway, header_block, told,
};
use proxy_kit::{Running, settings};
use viaduct::proxy::settings::Drain;
use viaduct_testkit::frame::{Frame, PREFACE, flag, kind, setting};
use viaduct_testkit::{Behaviour, WrongServer, hpack};

/// The widest window that there is.
const WIDEST: u32 = (1 << 31) - 1;

/// A call whose backend has begun to answer.
struct Answering {
    _proxy: Running,
    client: Peer,
    backend: Peer,
    there: u32,
}

/// One whose client has these windows.
fn answering(window: u32, connection: u32) -> Answering {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect_with(proxy.addr, &[(setting::INITIAL_WINDOW_SIZE, window)], connection);
    client.headers(1, &POST, true);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    backend.headers(there, &OK_HEAD, false);
    assert_eq!(shape(&[client.next().unwrap()]), ["HEADERS"]);
    Answering { _proxy: proxy, client, backend, there }
}

/// Takes exactly so many bytes of DATA.
fn take(client: &mut Peer, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let frame = client.next().expect("the connection stays");
        assert_eq!(frame.kind, kind::DATA, "{frame:?}");
        all.extend_from_slice(&frame.payload);
    }
    assert_eq!(all.len(), length);
    all
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[test]
fn a_stream_may_not_send_more_than_its_window() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &POST, false);
    let mut backend = listener.accept_with(&[(setting::INITIAL_WINDOW_SIZE, 0)], 0);
    let there = backend.next().unwrap().stream;
    // 512 KiB, and what the proxy keeps for sending it again, which weighs nothing.
    for _ in 0..10 {
        client.data(1, &[0; 64 << 10], false);
    }
    assert_eq!(shape(&client.stream(1)), ["RST 3"]);
    assert_eq!(shape(&backend.stream(there)), ["RST 8"]);
    // The connection stays.
    client.headers(3, &POST, true);
    let there = backend.next().unwrap().stream;
    backend.answer(there);
    assert_eq!(shape(&client.stream(3)), ["HEADERS", "HEADERS end"]);
}

#[test]
fn a_connection_may_not_send_more_than_its_window() {
    let (listener, addr) = Backend::listen();
    let proxy = Watched::before(&[addr]);
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, false);
    let mut backend = listener.accept_with(&[(setting::INITIAL_WINDOW_SIZE, 0)], 0);
    backend.next().unwrap();
    for stream in (3..67).step_by(2) {
        client.headers(stream, &POST, false);
        backend.next().unwrap();
    }
    // 32 windows of 512 KiB are that of the connection.
    for stream in (1..65).step_by(2) {
        for _ in 0..8 {
            client.data(stream, &[0; 64 << 10], false);
        }
    }
    assert_eq!(client.said(), []);
    client.data(65, b"x", false);
    assert_eq!(client.ends(), Some(code::FLOW_CONTROL));
    proxy.counts("protocol_errors_total", 1);
    proxy.settles();
}

#[test]
fn steps_that_cannot_be_end_the_connection() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let head = Frame::new(kind::HEADERS, flag::END_HEADERS, 1, hpack::block(&POST));
    let wide = |window| Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, window)]);
    let cases = [
        ("by nothing (6.9)", vec![Frame::window_update(0, 0)], code::PROTOCOL),
        ("beyond 2^31 - 1 (6.9.1)", vec![Frame::window_update(0, WIDEST - 65_534)], code::FLOW_CONTROL),
        // RFC 9113, section 6.9.2.
        ("a stream's, by SETTINGS", vec![head, Frame::window_update(1, 1), wide(WIDEST)], code::FLOW_CONTROL),
    ];
    for (case, frames, code) in &cases {
        let mut all = vec![Frame::settings(&[])];
        all.extend_from_slice(frames);
        assert_eq!(goaway(&told(proxy.addr(), &encoded(&all), false)), Some(*code), "{case}");
    }
    proxy.counts("protocol_errors_total", cases.len() as u64);
    proxy.serves();
}

#[test]
fn steps_of_a_stream_that_cannot_be_reset_it() {
    for (by, reset) in [(0, "RST 1"), (WIDEST, "RST 3")] {
        let mut j = joined(false);
        j.client.send(&[Frame::window_update(1, by)]);
        assert_eq!(shape(&j.client.stream(1)), [reset], "{by} (6.9)");
        assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
        j.client.headers(3, &POST, true);
        let there = j.backend.next().unwrap().stream;
        j.backend.answer(there);
        assert_eq!(shape(&j.client.stream(3)), ["HEADERS", "HEADERS end"]);
    }
}

#[test]
fn a_window_may_become_negative_and_open_again() {
    let mut j = answering(1000, 1 << 30);
    let body = pattern(100_000);
    for piece in body.chunks(10_000) {
        j.backend.data(j.there, piece, false);
    }
    let resize = |client: &mut Peer, window| {
        client.send(&[Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, window)])]);
    };
    let mut got = take(&mut j.client, 1000);
    // RFC 9113, section 6.9.2: down to -500, up to -100, and by 1,500 to 1,400.
    resize(&mut j.client, 500);
    assert_eq!(j.client.said(), []);
    j.client.send(&[Frame::window_update(1, 400)]);
    assert_eq!(j.client.said(), []);
    resize(&mut j.client, 2000);
    got.extend(take(&mut j.client, 1400));
    assert_eq!(j.client.said(), []);
    resize(&mut j.client, 0);
    j.client.send(&[Frame::window_update(1, 2000 + 1)]);
    got.extend(take(&mut j.client, 1));
    assert_eq!(j.client.said(), []);
    resize(&mut j.client, 1 << 20);
    got.extend(take(&mut j.client, body.len() - got.len()));
    assert!(got == body);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS end"]);
}

#[test]
fn no_window_holds_up_what_is_not_data() {
    let mut j = answering(0, 0);
    j.backend.data(j.there, &[0; 100], false);
    assert_eq!(j.client.said(), []);
    // Others on the connection begin and end.
    j.client.headers(3, &POST, true);
    let there = j.backend.next().unwrap().stream;
    j.backend.answer(there);
    assert_eq!(shape(&j.client.stream(3)), ["HEADERS", "HEADERS end"]);
    j.client.send(&[Frame::window_update(1, 100)]);
    assert_eq!(take(&mut j.client, 100), [0; 100]);
}

#[test]
fn many_streams_share_a_small_window_of_their_connection() {
    const BODY: usize = 100_000;
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect_with(proxy.addr, &[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], 0);
    let streams: Vec<u32> = (1..17).step_by(2).collect();
    let mut connected = None;
    for stream in &streams {
        client.headers(*stream, &POST, true);
        let there = backend_of(&listener, &mut connected);
        let backend = connected.as_mut().unwrap();
        backend.headers(there, &OK_HEAD, false);
        for piece in pattern(BODY).chunks(10_000) {
            backend.data(there, piece, false);
        }
        backend.headers(there, &OK_TRAILERS, true);
    }
    connected.as_mut().unwrap().settled();
    let (mut bodies, mut ended, mut unopened) = (HashMap::<u32, Vec<u8>>::new(), Vec::new(), 0);
    while ended.len() < streams.len() {
        let frame = client.next().expect("the connection stays");
        if frame.kind == kind::DATA {
            unopened += frame.payload.len();
            bodies.entry(frame.stream).or_default().extend_from_slice(&frame.payload);
        } else if frame.has(flag::END_STREAM) {
            if ended.is_empty() {
                let least = streams.iter().map(|id| bodies.get(id).map_or(0, Vec::len)).min().unwrap();
                // One had the whole window before the others came.
                assert!(least > BODY / 10, "the first has all, and another one {least} bytes");
            }
            ended.push(frame.stream);
        }
        if unopened >= 16 << 10 {
            client.send(&[Frame::window_update(0, 16 << 10)]);
            unopened -= 16 << 10;
        }
    }
    assert!(bodies.values().all(|body| *body == pattern(BODY)));
}

#[test]
fn what_is_echoed_in_random_steps_is_exact() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::before(&[server.addr]);
    let mut client = Peer::connect_with(proxy.addr, &[], 0);
    let mut random = Random::new(7);
    let sent: Vec<u8> = (0..100).flat_map(|_| message(&random.bytes(100_000))).collect();
    client.headers(1, &POST, false);
    let (mut rest, mut back) = (&sent[..], Vec::new());
    let (mut stream, mut connection) = (512_i64 << 10, 16_i64 << 20);
    let mut unopened = [0; 2];
    loop {
        while !rest.is_empty() && stream > 0 && connection > 0 {
            let most = (1 + random.below(16_384)).min(stream as u64).min(connection as u64) as usize;
            let (now, later) = rest.split_at(most.min(rest.len()));
            client.data(1, now, later.is_empty());
            (rest, stream, connection) = (later, stream - now.len() as i64, connection - now.len() as i64);
        }
        let frame = client.any().expect("the connection stays");
        match frame.kind {
            kind::WINDOW_UPDATE if frame.stream == 0 => connection += i64::from(frame.words()[0]),
            kind::WINDOW_UPDATE => stream += i64::from(frame.words()[0]),
            kind::DATA => {
                unopened = unopened.map(|bytes| bytes + frame.payload.len() as u64);
                back.extend_from_slice(&frame.payload);
                for (id, bytes) in (0..).zip(&mut unopened) {
                    // A part of it, or all that would be missing to go on.
                    let by = if *bytes > 60_000 { *bytes } else { random.below(*bytes + 1) };
                    if by > 0 {
                        client.send(&[Frame::window_update(id, by as u32)]);
                        *bytes -= by;
                    }
                }
            }
            kind::HEADERS if frame.has(flag::END_STREAM) => break,
            kind::RST_STREAM | kind::GOAWAY => panic!("{frame:?}"),
            _ => {}
        }
    }
    assert!(back == sent, "{} bytes of {}", back.len(), sent.len());
}

#[test]
fn frames_are_no_longer_than_the_client_takes() {
    for longest in [16_384, 20_000, 1 << 20] {
        let mut j = answering(1 << 30, 1 << 30);
        j.client.send(&[Frame::settings(&[(MAX_FRAME_SIZE, longest)])]);
        j.client.settled();
        // The proxy takes frames of 64 KiB.
        for _ in 0..15 {
            j.backend.data(j.there, &[0; 64 << 10], false);
        }
        j.backend.headers(j.there, &OK_TRAILERS, true);
        let frames = j.client.stream(1);
        assert!(frames.iter().all(|frame| frame.payload.len() <= longest as usize), "{longest} (4.2)");
        let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
        assert_eq!(data.map(|frame| frame.payload.len()).sum::<usize>(), 15 << 16);
    }
}

#[test]
fn long_headers_go_on_in_further_frames() {
    let mut j = joined(true);
    let (long, short) = ("l".repeat(40_000), "s".repeat(3000));
    let [status, kind] = OK_HEAD;
    j.backend.headers(j.there, &[status, kind, ("x-long", &long), ("x-short", &short)], false);
    j.backend.headers(j.there, &[("grpc-status", "0"), ("x-long", &long)], true);
    let mut headers = Headers::new(4096);
    for (frames, ends) in [(3, false), (3, true)] {
        let frames: Vec<_> = (0..frames).map(|_| j.client.any_of_streams()).collect();
        let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [kind::HEADERS, kind::CONTINUATION, kind::CONTINUATION], "(6.10)");
        assert_eq!(frames[0].has(flag::END_STREAM), ends);
        assert!(!frames[0].has(flag::END_HEADERS) && frames[2].flags == flag::END_HEADERS);
        assert!(frames.iter().all(|frame| frame.payload.len() <= 16_384));
        let fields = headers.read(&header_block(&frames));
        assert!(fields.contains(&("x-long".to_owned(), long.clone())));
    }
}

#[test]
fn a_client_that_does_not_read_is_not_listened_to_until_it_does() {
    const PINGS: u64 = 1_500_000;
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let mut socket = TcpStream::connect(proxy.addr()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let writing = std::thread::spawn(move || {
        writer.write_all(PREFACE).unwrap();
        writer.write_all(&encoded(&[Frame::settings(&[])])).unwrap();
        for from in (0..PINGS).step_by(1000) {
            let pings = (from..from + 1000).map(|n| Frame::new(kind::PING, 0, 0, n.to_be_bytes()));
            writer.write_all(&encoded(&pings.collect::<Vec<_>>())).unwrap();
            tell.send(from).unwrap();
        }
    });
    // Until nothing is taken any more.
    while told.recv_timeout(Duration::from_millis(500)).is_ok() {}
    assert!(!writing.is_finished(), "all of it is taken");
    proxy.serves();
    let (mut next, mut buffer) = (0, Vec::new());
    while next < PINGS {
        let mut chunk = [0; 64 << 10];
        let length = socket.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "the connection stays");
        buffer.extend_from_slice(&chunk[..length]);
        let mut whole = 0;
        while let Some(head) = buffer.get(whole..whole + 9) {
            let end = whole + 9 + usize::from(head[2]);
            let Some(payload) = buffer.get(whole + 9..end) else { break };
            if head[3] == kind::PING {
                assert_eq!(payload, next.to_be_bytes());
                next += 1;
            }
            whole = end;
        }
        buffer.drain(..whole);
    }
    writing.join().unwrap();
}

/// A proxy that goes at once when it is told to, before a backend by hand.
fn draining() -> (Running, Backend) {
    let (listener, addr) = Backend::listen();
    let mut settings = settings(&[addr]);
    settings.drain = Drain { notice: Duration::ZERO, grace: Duration::from_secs(20) };
    (Running::start(settings), listener)
}

#[test]
fn a_proxy_that_goes_says_so_twice_and_serves_what_comes_between() {
    let (proxy, listener) = draining();
    let mut client = Peer::connect(proxy.addr);
    let mut connected = None;
    client.headers(1, &POST, true);
    let first = backend_of(&listener, &mut connected);
    let mut backend = connected.unwrap();
    assert!(proxy.proxy.drain());
    let goodbye = std::iter::from_fn(|| client.any()).find(|frame| frame.kind == kind::GOAWAY).unwrap();
    // RFC 9113, section 6.8.
    assert_eq!(goodbye.words()[..2], [WIDEST, code::NO_ERROR]);
    let ping = client.any().unwrap();
    assert_eq!((ping.kind, ping.flags), (kind::PING, 0));
    // It has not heard of it when it sends this.
    client.headers(3, &POST, true);
    let second = backend.next().unwrap().stream;
    client.send(&[Frame::new(kind::PING, flag::ACK, 0, ping.payload)]);
    let last = client.any().unwrap();
    assert_eq!((last.kind, &last.words()[..2]), (kind::GOAWAY, &[3, code::NO_ERROR][..]));
    // What comes now is not served.
    client.headers(5, &POST, true);
    assert_eq!(client.said(), []);
    for (stream, there) in [(1, first), (3, second)] {
        backend.answer(there);
        assert_eq!(shape(&client.stream(stream)), ["HEADERS", "HEADERS end"]);
    }
    assert_eq!(client.any(), None, "it ends with its last call");
    assert!(proxy.proxy.wait_for(Duration::from_secs(10)));
}

#[test]
fn an_idle_connection_ends_as_soon_as_the_client_has_heard() {
    let (proxy, _listener) = draining();
    let mut client = Peer::connect(proxy.addr);
    client.settled();
    assert!(proxy.proxy.drain());
    let mut frames = Vec::new();
    while let Some(frame) = client.any() {
        if frame.kind == kind::PING {
            client.send(&[Frame::new(kind::PING, flag::ACK, 0, frame.payload.clone())]);
        }
        frames.push(frame);
    }
    frames.retain(|frame| frame.kind == kind::GOAWAY);
    let lasts: Vec<_> = frames.iter().map(|frame| frame.words()[..2].to_vec()).collect();
    assert_eq!(lasts, [[WIDEST, 0], [0, 0]]);
    assert!(proxy.proxy.wait_for(Duration::from_secs(10)));
}

#[test]
fn a_proxy_that_is_cut_says_what_it_has_served() {
    let mut j = joined(true);
    j.proxy.proxy.abort();
    let frames: Vec<_> = std::iter::from_fn(|| j.client.any()).collect();
    let last = frames.iter().rfind(|frame| frame.kind == kind::GOAWAY).unwrap();
    assert_eq!(last.words()[..2], [1, code::NO_ERROR]);
}
