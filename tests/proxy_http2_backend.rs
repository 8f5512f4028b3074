//! Backends that break the rules of HTTP/2, or use what few backends do: the proxy is the client (RFC 9113).

mod proxy_kit;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use proxy_kit::calls::message;
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, POST, Peer, joined, joined_by, shape};
use proxy_kit::wire::{
    ENABLE_PUSH, HEADER_TABLE_SIZE, Headers, PUSH_PROMISE, Watched, code, encoded, header_block,
};
use proxy_kit::{Running, eventually, settings};
use viaduct_testkit::frame::{self, Frame, PREFACE, flag, kind, setting};
use viaduct_testkit::hpack::{self, Field};

const INTERNAL: &str = "13";
const UNAVAILABLE: &str = "14";
const DEADLINE_EXCEEDED: &str = "4";

/// The status of a call that a client has begun on this stream: in its head, or in its trailers.
fn status(client: &mut Peer, headers: &mut Headers, stream: u32) -> String {
    let frames = client.stream(stream);
    let mut status = None;
    for frame in frames.iter().filter(|frame| frame.kind == kind::HEADERS) {
        let found = headers.value(std::slice::from_ref(frame), "grpc-status");
        status = found.or(status);
    }
    status.unwrap_or_else(|| panic!("there is no status in {:?}", shape(&frames)))
}

/// A call that waits for an answer no longer than this.
fn post_within(timeout: &'static str) -> Vec<Field<'static>> {
    let mut head = POST.to_vec();
    head.push(("grpc-timeout", timeout));
    head
}

/// A proxy with so many connections to its backend at most.
fn limited(connections: usize) -> (Backend, Watched) {
    let (listener, addr) = Backend::listen();
    let mut settings = settings(&[addr]);
    settings.groups[0].max_connections = connections;
    (listener, Watched::start(settings))
}

fn max_streams(most: u32) -> Frame {
    Frame::settings(&[(setting::MAX_CONCURRENT_STREAMS, most)])
}

#[test]
fn calls_wait_where_a_backend_takes_fewer_at_once_than_before() {
    let (listener, proxy) = limited(1);
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, true);
    let mut backend = listener.accept();
    let first = backend.next().unwrap().stream;
    client.headers(3, &POST, true);
    let second = backend.next().unwrap().stream;
    backend.send(&[max_streams(1)]);
    backend.settled();
    client.headers(5, &POST, true);
    client.settled();
    backend.answer(first);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "HEADERS end"]);
    assert_eq!(backend.said(), [], "one still runs (5.1.2)");
    backend.answer(second);
    let third = backend.next().unwrap().stream;
    assert!(third > second);
    backend.answer(third);
    for stream in [3, 5] {
        let said = client.stream(stream);
        assert_eq!(shape(&said), ["HEADERS", "HEADERS end"], "{stream}");
    }
}

#[test]
fn calls_wait_no_longer_than_they_may_where_a_backend_takes_none() {
    let (listener, proxy) = limited(1);
    let (mut client, mut headers) = (Peer::connect(proxy.addr()), Headers::new(4096));
    client.headers(1, &POST, true);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    backend.send(&[max_streams(0)]);
    backend.settled();
    backend.answer(there);
    assert_eq!(status(&mut client, &mut headers, 1), "0");
    client.headers(3, &post_within("200m"), true);
    assert_eq!(status(&mut client, &mut headers, 3), DEADLINE_EXCEEDED);
    assert_eq!(backend.said(), []);
    // One that waits, one that is given up meanwhile, and then there is room.
    client.headers(5, &POST, true);
    client.headers(7, &POST, true);
    client.settled();
    client.reset(5, 8);
    eventually(|| proxy.count("cancelled_total") == 1);
    backend.send(&[max_streams(10)]);
    let there = backend.next().unwrap().stream;
    backend.answer(there);
    assert_eq!(status(&mut client, &mut headers, 7), "0");
    assert_eq!(backend.said(), [], "what was given up was never begun");
    client.cut();
    proxy.settles();
}

#[test]
fn another_connection_is_used_where_one_is_full() {
    let (listener, proxy) = limited(2);
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, true);
    let mut first = listener.accept();
    let there = first.next().unwrap().stream;
    first.send(&[max_streams(0)]);
    first.settled();
    client.headers(3, &POST, true);
    let mut second = listener.accept();
    let other = second.next().unwrap().stream;
    second.answer(other);
    assert_eq!(shape(&client.stream(3)), ["HEADERS", "HEADERS end"]);
    first.answer(there);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "HEADERS end"]);
}

#[test]
fn calls_above_the_last_of_a_goaway_are_sent_again_and_the_others_finish() {
    let (listener, proxy) = limited(4);
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, true);
    let mut old = listener.accept();
    let first = old.next().unwrap().stream;
    client.headers(3, &POST, true);
    let second = old.next().unwrap().stream;
    old.headers(first, &OK_HEAD, false);
    // RFC 9113, section 6.8.
    old.send(&[Frame::goaway(first, code::NO_ERROR, "moving house")]);
    let mut new = listener.accept();
    let again = new.next().unwrap().stream;
    new.answer(again);
    assert_eq!(shape(&client.stream(3)), ["HEADERS", "HEADERS end"]);
    // What it says of the other one is for nobody any more.
    old.headers(second, &OK_HEAD, false);
    old.data(first, &message(b"rest"), false);
    old.headers(first, &OK_TRAILERS, true);
    assert_eq!(shape(&client.stream(1)).last().unwrap(), "HEADERS end");
    // The old connection ends with its last call.
    assert_eq!(old.next(), None);
    assert_eq!(proxy.count("retries_total"), 1);
}

#[test]
fn a_goaway_twice_and_then_the_rest_of_an_answer() {
    let mut j = joined(true);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.send(&[Frame::goaway((1 << 31) - 1, 0, ""), Frame::goaway(j.there, 0, "")]);
    j.backend.data(j.there, &message(b"rest"), false);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS", "DATA 9", "HEADERS end"]);
    assert_eq!(j.backend.next(), None);
}

#[test]
fn a_call_that_cannot_be_sent_again_is_unavailable() {
    let (mut j, mut headers) = (joined(false), Headers::new(4096));
    // More than is kept.
    for _ in 0..5 {
        j.client.data(1, &[0; 16 << 10], false);
    }
    let mut sent = 0;
    while sent < 80 << 10 {
        sent += j.backend.next().unwrap().payload.len();
    }
    j.backend.send(&[Frame::goaway(0, 0, "")]);
    assert_eq!(status(&mut j.client, &mut headers, 1), UNAVAILABLE);
}

#[test]
fn nothing_begins_behind_a_goaway() {
    let (listener, proxy) = limited(1);
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, true);
    let mut old = listener.accept();
    old.next().unwrap();
    old.send(&[max_streams(1)]);
    old.settled();
    // It waits.
    client.headers(3, &POST, true);
    client.settled();
    old.send(&[Frame::goaway(0, code::NO_ERROR, "")]);
    // Both are sent again elsewhere.
    let mut new = listener.accept();
    for _ in 0..2 {
        let there = new.next().unwrap().stream;
        new.answer(there);
    }
    client.headers(5, &POST, true);
    let there = new.next().unwrap().stream;
    new.answer(there);
    // RFC 9113, section 6.8: no stream is opened on a connection that goes.
    assert_eq!(old.next(), None, "a stream begins behind GOAWAY");
}

/// What a backend does that is an error of its connection, before it has answered.
#[test]
fn what_no_server_may_do_ends_the_connection() {
    let head = |stream| Frame::new(kind::HEADERS, flag::END_HEADERS, stream, hpack::block(&OK_HEAD));
    let mut push = 2_u32.to_be_bytes().to_vec();
    push.extend(hpack::block(&POST));
    let cases = [
        ("an answer on a stream that was never begun (5.1)", vec![head(9)], code::PROTOCOL),
        ("one on a stream of an even number (5.1)", vec![head(2)], code::PROTOCOL),
        (
            "DATA on a stream that was never begun (5.1)",
            vec![Frame::new(kind::DATA, 0, 9, [])],
            code::PROTOCOL,
        ),
        ("RST_STREAM on one (5.1)", vec![Frame::rst_stream(9, 8)], code::PROTOCOL),
        ("WINDOW_UPDATE on one (5.1)", vec![Frame::window_update(9, 1)], code::PROTOCOL),
        ("PUSH_PROMISE (8.4)", vec![Frame::new(PUSH_PROMISE, flag::END_HEADERS, 1, push)], code::PROTOCOL),
        (
            "a table that is broken (RFC 7541, 2.3.3)",
            vec![Frame::new(kind::HEADERS, 4, 1, [0xff, 0x7f])],
            code::COMPRESSION,
        ),
        ("a step by nothing (6.9)", vec![Frame::window_update(0, 0)], code::PROTOCOL),
        ("a window of 2^31 (6.5.2)", vec![Frame::settings(&[(4, 1 << 31)])], code::FLOW_CONTROL),
        ("CONTINUATION of nothing (6.10)", vec![Frame::new(kind::CONTINUATION, 4, 1, [])], code::PROTOCOL),
        (
            "too long a frame (4.2)",
            vec![Frame::new(kind::DATA, 0, 1, vec![0; (64 << 10) + 1])],
            code::FRAME_SIZE,
        ),
    ];
    for (case, frames, expected) in &cases {
        let (mut j, mut headers) = (joined(true), Headers::new(4096));
        j.backend.send(frames);
        assert_eq!(j.backend.ends(), Some(*expected), "{case}");
        assert_eq!(status(&mut j.client, &mut headers, 1), UNAVAILABLE, "{case}");
    }
}

#[test]
fn a_server_may_not_ask_for_pushes() {
    let mut j = joined(true);
    // RFC 9113, section 6.5.2.
    j.backend.send(&[Frame::settings(&[(ENABLE_PUSH, 1)])]);
    j.backend.answer(j.there);
    assert_eq!(j.backend.ends(), Some(code::PROTOCOL));
}

#[test]
fn answers_that_are_malformed_are_reset_and_the_connection_stays() {
    let head = |fields: &[Field<'_>], flags| {
        Frame::new(kind::HEADERS, flags | flag::END_HEADERS, 1, hpack::block(fields))
    };
    let (ok, end) = (head(&OK_HEAD, 0), flag::END_STREAM);
    let data = |flags, length| Frame::new(kind::DATA, flags, 1, vec![0; length]);
    let with = |field: Field<'static>, flags| head(&[OK_HEAD[0], OK_HEAD[1], field], flags);
    let long = with(("content-length", "10"), 0);
    let cases = [
        ("an interim answer that ends (8.1)", vec![head(&[(":status", "103")], end)]),
        ("101 (8.6)", vec![head(&[(":status", "101")], 0)]),
        ("two heads (8.1)", vec![ok.clone(), ok.clone()]),
        ("a second head that ends (8.1)", vec![ok.clone(), head(&OK_HEAD, end)]),
        ("DATA before a head (8.1)", vec![data(0, 5)]),
        ("DATA behind an interim one only (8.1)", vec![head(&[(":status", "103")], 0), data(0, 5)]),
        ("trailers that do not end (8.1)", vec![ok.clone(), head(&OK_TRAILERS, 0)]),
        (
            "trailers with a pseudo-header (8.1)",
            vec![ok.clone(), head(&[OK_TRAILERS[0], (":status", "200")], end)],
        ),
        ("no :status (8.3.2)", vec![head(&OK_HEAD[1..], 0)]),
        (":status twice (8.3.2)", vec![head(&[OK_HEAD[0], OK_HEAD[0]], 0)]),
        (":status that is none (8.3.2)", vec![head(&[(":status", "2x0")], 0)]),
        (":path (8.3)", vec![head(&[OK_HEAD[0], (":path", "/")], 0)]),
        ("an upper-case name (8.2.1)", vec![with(("X-Upper", "1"), 0)]),
        ("connection (8.2.2)", vec![with(("connection", "close"), 0)]),
        ("more than the length (8.1.1)", vec![long.clone(), data(0, 11)]),
        ("less than the length (8.1.1)", vec![long.clone(), data(end, 9)]),
        ("less, before trailers (8.1.1)", vec![long, data(0, 9), head(&OK_TRAILERS, end)]),
        ("a length and nothing (8.1.1)", vec![with(("content-length", "1"), end)]),
    ];
    for (case, frames) in cases {
        let (mut j, mut headers) = (joined(true), Headers::new(4096));
        let there = j.there;
        let frames: Vec<_> = frames.into_iter().map(|frame| Frame { stream: there, ..frame }).collect();
        j.backend.send(&frames);
        assert_eq!(shape(&j.backend.stream(there)), ["RST 1"], "{case}");
        assert_eq!(status(&mut j.client, &mut headers, 1), INTERNAL, "{case}");
        j.client.headers(3, &POST, true);
        let there = j.backend.next().unwrap().stream;
        j.backend.answer(there);
        assert_eq!(status(&mut j.client, &mut headers, 3), "0", "{case}");
    }
}

#[test]
fn what_is_not_known_is_passed_by() {
    let mut j = joined(true);
    let unknown = |stream| Frame::new(0xbe, 0xff, stream, *b"an extension");
    j.backend.send(&[unknown(0), unknown(j.there), unknown(9)]);
    j.backend.send(&[Frame::settings(&[(0xbeef, 1), (ENABLE_PUSH, 0)])]);
    j.backend.send(&[Frame::new(kind::PRIORITY, 0, 9, [0; 5])]);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.send(&[unknown(j.there)]);
    // Padded, by more than there is data.
    let padded = [&[250][..], &message(b"x"), &[0; 250]].concat();
    j.backend.send(&[Frame::new(kind::DATA, flag::PADDED | 0x70, j.there, padded)]);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    let frames = j.client.stream(1);
    assert_eq!(shape(&frames), ["HEADERS", "DATA 6", "HEADERS end"]);
    assert_eq!(frames[1].payload, message(b"x"));
}

#[test]
fn a_backend_without_a_table_gets_headers_that_it_can_read() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &POST, true);
    let mut backend = listener.accept_with(&[(HEADER_TABLE_SIZE, 0)], 0);
    let mut headers = Headers::new(4096);
    for stream in (1..21).step_by(2) {
        if stream > 1 {
            client.headers(stream, &[&POST[..], &[("x-same", "same")]].concat(), true);
        }
        let head = backend.next().unwrap();
        let fields = headers.read(&head.payload);
        assert!(fields.iter().any(|(_, value)| value == "front.example"), "{fields:?}");
        assert!(stream == 1 || fields.contains(&("x-same".to_owned(), "same".to_owned())), "{fields:?}");
        backend.answer(head.stream);
        client.stream(stream);
    }
    assert_eq!(headers.sizes, [0], "told once (RFC 7541, section 4.2)");
}

#[test]
fn long_heads_are_sent_in_frames_of_16_kib() {
    let long = "h".repeat(40 << 10);
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &[&POST[..], &[("x-long", &long)]].concat(), true);
    let mut backend = listener.accept();
    let frames: Vec<_> = (0..3).map(|_| backend.any_of_streams()).collect();
    assert_eq!(frames.iter().map(|f| f.kind).collect::<Vec<_>>(), [1, 9, 9]);
    assert_eq!(frames.iter().map(|f| f.flags).collect::<Vec<_>>(), [flag::END_STREAM, 0, flag::END_HEADERS]);
    assert!(frames.iter().all(|frame| frame.payload.len() <= frame::MAX_PAYLOAD));
    let fields = Headers::new(4096).read(&header_block(&frames));
    assert!(fields.contains(&("x-long".to_owned(), long)));
}

#[test]
fn a_request_waits_for_the_backends_window() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &POST, false);
    client.data(1, &message(&[7; 30_000]), true);
    let mut backend = listener.accept_with(&[(setting::INITIAL_WINDOW_SIZE, 0)], 0);
    let there = backend.next().unwrap().stream;
    assert_eq!(backend.said(), []);
    backend.send(&[Frame::window_update(there, 5)]);
    assert_eq!(shape(&[backend.next().unwrap()]), ["DATA 5"]);
    backend.send(&[Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 100)])]);
    assert_eq!(shape(&[backend.next().unwrap()]), ["DATA 100"]);
    backend.send(&[Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)])]);
    let rest: usize = backend.stream(there).iter().map(|frame| frame.payload.len()).sum();
    assert_eq!(rest, 30_005 - 105);
    backend.answer(there);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "HEADERS end"]);
}

#[test]
fn an_answer_stays_whole_where_the_rest_of_the_request_is_not_wanted() {
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/upload"), (":authority", "a")];
    for fields in [&POST[..], &post] {
        let mut j = joined_by(fields, false);
        j.backend.headers(j.there, &OK_HEAD, false);
        j.backend.data(j.there, &message(b"whole"), false);
        j.backend.headers(j.there, &OK_TRAILERS, true);
        // RFC 9113, section 8.1.
        j.backend.reset(j.there, code::NO_ERROR);
        assert_eq!(shape(&j.client.stream(1)), ["HEADERS", "DATA 10", "HEADERS end"]);
        assert_eq!(shape(&[j.client.next().unwrap()]), ["RST 0"]);
    }
}

#[test]
fn a_connection_that_ends_behind_a_whole_answer_loses_nothing_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Running::before(&[listener.local_addr().unwrap()]);
    let (mut client, mut headers) = (Peer::connect(proxy.addr), Headers::new(4096));
    for stream in (1..21).step_by(2) {
        client.headers(stream, &POST, stream % 4 == 1);
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.read_exact(&mut [0; PREFACE.len()]).unwrap();
        socket.write_all(&encoded(&[Frame::settings(&[])])).unwrap();
        // Until the head has come.
        let mut seen = Vec::new();
        loop {
            let mut chunk = [0; 1000];
            let length = socket.read(&mut chunk).unwrap();
            seen.extend_from_slice(&chunk[..length]);
            if std::iter::from_fn(|| Frame::take(&mut seen)).any(|frame| frame.kind == kind::HEADERS) {
                break;
            }
        }
        let mut answer = Vec::new();
        frame::headers(1, &hpack::block(&OK_HEAD), false, &mut answer);
        Frame::new(kind::DATA, 0, 1, message(&[1; 10_000])).encode(&mut answer);
        frame::headers(1, &hpack::block(&OK_TRAILERS), true, &mut answer);
        socket.write_all(&answer).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(status(&mut client, &mut headers, stream), "0", "{stream}");
        // The proxy ends it, too.
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).unwrap();
    }
}

#[test]
fn interim_answers_without_end_are_not_gathered() {
    let (mut j, mut headers) = (joined(true), Headers::new(4096));
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        frame::headers(j.there, &hpack::block(&[(":status", "103")]), false, &mut bytes);
    }
    j.backend.write(&bytes);
    j.backend.answer(j.there);
    assert_eq!(status(&mut j.client, &mut headers, 1), "0");
}
