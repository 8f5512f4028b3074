//! Clients that break the rules of HTTP/2's frames, or use what few clients do (RFC 9113, sections 3 to 6).

mod proxy_kit;

use proxy_kit::calls::message;
use proxy_kit::raw::{POST, Peer, shape};
use proxy_kit::wire::{
    ENABLE_PUSH, HEADER_TABLE_SIZE, MAX_FRAME_SIZE, PRIORITY, PUSH_PROMISE, Watched, code, encoded, goaway,
    told,
};
use viaduct_testkit::frame::{self, Frame, flag, kind, setting};
use viaduct_testkit::{Behaviour, WrongServer, hpack};

/// A proxy before a backend that answers.
fn echoing() -> (WrongServer, Watched) {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    (server, proxy)
}

fn post() -> Frame {
    Frame::new(kind::HEADERS, flag::END_HEADERS, 1, hpack::block(&POST))
}

/// Each of these ends its connection with the code, and no other one.
fn each_ends_its_connection(cases: &[(&str, Vec<Frame>, u32)]) {
    let (_server, proxy) = echoing();
    for (case, frames, code) in cases {
        let mut all = vec![Frame::settings(&[])];
        all.extend_from_slice(frames);
        let frames = told(proxy.addr(), &encoded(&all), false);
        assert_eq!(goaway(&frames), Some(*code), "{case}: {frames:?}");
    }
    proxy.serves();
    proxy.counts("protocol_errors_total", cases.len() as u64);
    proxy.settles();
}

#[test]
fn frames_of_streams_that_name_none_end_the_connection() {
    let on_zero = |kind, payload: &[u8]| vec![Frame::new(kind, flag::END_HEADERS, 0, payload)];
    each_ends_its_connection(&[
        ("DATA (6.1)", on_zero(kind::DATA, b"x"), code::PROTOCOL),
        ("HEADERS (6.2)", on_zero(kind::HEADERS, &hpack::block(&POST)), code::PROTOCOL),
        ("PRIORITY (6.3)", on_zero(kind::PRIORITY, &[0; 5]), code::PROTOCOL),
        ("RST_STREAM (6.4)", on_zero(kind::RST_STREAM, &[0; 4]), code::PROTOCOL),
        ("CONTINUATION (6.10)", on_zero(kind::CONTINUATION, b""), code::PROTOCOL),
    ]);
}

#[test]
fn frames_of_the_connection_that_name_a_stream_end_it() {
    let on_one = |kind, payload: &[u8]| vec![post(), Frame::new(kind, 0, 1, payload)];
    each_ends_its_connection(&[
        ("SETTINGS (6.5)", on_one(kind::SETTINGS, b""), code::PROTOCOL),
        ("PING (6.7)", on_one(kind::PING, &[0; 8]), code::PROTOCOL),
        ("GOAWAY (6.8)", on_one(kind::GOAWAY, &[0; 8]), code::PROTOCOL),
    ]);
}

#[test]
fn frames_of_a_wrong_length_end_the_connection() {
    let one = |kind, flags, stream, length| vec![post(), Frame::new(kind, flags, stream, vec![0; length])];
    each_ends_its_connection(&[
        ("over-long DATA (4.2)", one(kind::DATA, 0, 1, (64 << 10) + 1), code::FRAME_SIZE),
        ("over-long, of no known type (4.2)", one(0xbe, 0, 1, (64 << 10) + 1), code::FRAME_SIZE),
        ("SETTINGS of 5 (6.5)", one(kind::SETTINGS, 0, 0, 5), code::FRAME_SIZE),
        ("SETTINGS of 7 (6.5)", one(kind::SETTINGS, 0, 0, 7), code::FRAME_SIZE),
        ("an ACK of SETTINGS with some (6.5)", one(kind::SETTINGS, flag::ACK, 0, 6), code::FRAME_SIZE),
        ("PING of 7 (6.7)", one(kind::PING, 0, 0, 7), code::FRAME_SIZE),
        ("PING of 9 (6.7)", one(kind::PING, flag::ACK, 0, 9), code::FRAME_SIZE),
        ("RST_STREAM of 3 (6.4)", one(kind::RST_STREAM, 0, 1, 3), code::FRAME_SIZE),
        ("RST_STREAM of 5 (6.4)", one(kind::RST_STREAM, 0, 1, 5), code::FRAME_SIZE),
        ("WINDOW_UPDATE of 3 (6.9)", one(kind::WINDOW_UPDATE, 0, 0, 3), code::FRAME_SIZE),
        ("WINDOW_UPDATE of 5 (6.9)", one(kind::WINDOW_UPDATE, 0, 1, 5), code::FRAME_SIZE),
        ("PRIORITY of 4 (6.3)", one(kind::PRIORITY, 0, 1, 4), code::FRAME_SIZE),
        ("PRIORITY of 6 (6.3)", one(kind::PRIORITY, 0, 3, 6), code::FRAME_SIZE),
        ("GOAWAY of 7 (6.8)", one(kind::GOAWAY, 0, 0, 7), code::FRAME_SIZE),
        (
            "HEADERS too short for their priority (6.2)",
            one(kind::HEADERS, PRIORITY | 4, 3, 4),
            code::FRAME_SIZE,
        ),
    ]);
}

#[test]
fn padding_that_is_longer_than_its_frame_ends_the_connection() {
    let padded = |kind, stream, payload: &[u8]| {
        vec![post(), Frame::new(kind, flag::PADDED | flag::END_HEADERS, stream, payload)]
    };
    each_ends_its_connection(&[
        ("DATA (6.1)", padded(kind::DATA, 1, b"\x04abc"), code::PROTOCOL),
        ("DATA, by far (6.1)", padded(kind::DATA, 1, b"\xff"), code::PROTOCOL),
        ("DATA without its length (6.1)", padded(kind::DATA, 1, b""), code::PROTOCOL),
        ("HEADERS (6.2)", padded(kind::HEADERS, 3, b"\x04\x82\x86\x84"), code::PROTOCOL),
        ("HEADERS without its length (6.2)", padded(kind::HEADERS, 3, b""), code::PROTOCOL),
    ]);
}

#[test]
fn settings_out_of_range_end_the_connection() {
    let one = |id, value| vec![Frame::settings(&[(id, value)])];
    each_ends_its_connection(&[
        ("ENABLE_PUSH of 2 (6.5.2)", one(ENABLE_PUSH, 2), code::PROTOCOL),
        ("a window of 2^31 (6.5.2)", one(setting::INITIAL_WINDOW_SIZE, 1 << 31), code::FLOW_CONTROL),
        ("frames of 1 (6.5.2)", one(MAX_FRAME_SIZE, 1), code::PROTOCOL),
        ("frames of 2^14 - 1 (6.5.2)", one(MAX_FRAME_SIZE, (1 << 14) - 1), code::PROTOCOL),
        ("frames of 2^24 (6.5.2)", one(MAX_FRAME_SIZE, 1 << 24), code::PROTOCOL),
    ]);
}

#[test]
fn settings_at_their_limits_are_taken() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect_with(
        proxy.addr(),
        &[
            (HEADER_TABLE_SIZE, u32::MAX),
            (ENABLE_PUSH, 1),
            (setting::MAX_CONCURRENT_STREAMS, 0),
            (setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1),
            (MAX_FRAME_SIZE, (1 << 24) - 1),
            // Unknown ones mean nothing (6.5.2).
            (0xbeef, u32::MAX),
        ],
        (1 << 31) - 65_536,
    );
    client.headers(1, &POST, false);
    client.data(1, &message(b"x"), true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "DATA 6", "HEADERS end"]);
}

#[test]
fn a_connection_that_does_not_begin_with_settings_ends() {
    let (_server, proxy) = echoing();
    let firsts = [
        post(),
        Frame::new(kind::PING, 0, 0, [0; 8]),
        Frame::window_update(0, 1),
        Frame::new(kind::SETTINGS, flag::ACK, 0, []),
        Frame::new(0xbe, 0, 0, []),
    ];
    for first in &firsts {
        // RFC 9113, section 3.4.
        let frames = told(proxy.addr(), &encoded(std::slice::from_ref(first)), false);
        assert_eq!(goaway(&frames), Some(code::PROTOCOL), "{first:?}");
    }
    proxy.serves();
    proxy.counts("protocol_errors_total", firsts.len() as u64);
}

#[test]
fn a_client_may_not_push() {
    let mut payload = 2_u32.to_be_bytes().to_vec();
    payload.extend(hpack::block(&POST));
    // RFC 9113, section 8.4.
    let push = Frame::new(PUSH_PROMISE, flag::END_HEADERS, 1, payload);
    each_ends_its_connection(&[("a push", vec![post(), push], code::PROTOCOL)]);
}

#[test]
fn settings_are_acknowledged_and_pings_answered() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    let acks = |frames: &[Frame]| {
        frames.iter().filter(|f| f.kind == kind::SETTINGS && f.has(flag::ACK) && f.payload.is_empty()).count()
    };
    let greeting = client.settled();
    assert_eq!((greeting[0].kind, greeting[0].flags), (kind::SETTINGS, 0), "what a server says first (3.4)");
    assert_eq!(acks(&greeting), 1);
    client.send(&[Frame::settings(&[]), Frame::settings(&[(MAX_FRAME_SIZE, 20_000)])]);
    assert_eq!(acks(&client.settled()), 2);
    for payload in [*b"12345678", [0; 8], [0xff; 8]] {
        client.send(&[Frame::new(kind::PING, 0, 0, payload)]);
        // RFC 9113, section 6.7.
        assert_eq!(client.any().unwrap(), Frame::new(kind::PING, flag::ACK, 0, payload));
    }
    // Nobody has asked for this one.
    client.send(&[Frame::new(kind::PING, flag::ACK, 0, *b"lastcall")]);
    assert_eq!(client.settled(), []);
}

#[test]
fn what_is_not_known_is_passed_by() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    let unknown = |stream| Frame::new(0xbe, 0xff, stream, *b"an extension");
    let mut head = post();
    // Flags that HEADERS and DATA do not have (4.1).
    head.flags |= 0x40 | 0x80 | 0x10 | 0x2;
    client.send(&[unknown(0), unknown(1), unknown(4), head, unknown(1)]);
    client.send(&[Frame::new(kind::DATA, 0xf6, 1, message(b"one"))]);
    client.send(&[Frame::new(kind::PRIORITY, 0xff, 1, [0; 5]), Frame::new(kind::PRIORITY, 0, 8, [1; 5])]);
    client.send(&[Frame::new(kind::GOAWAY, 0xff, 0, [0; 8])]);
    // The first bit of a stream's number, and of a step, means nothing (4.1, 6.9).
    client.send(&[Frame::window_update((1 << 31) | 1, (1 << 31) | 5)]);
    client.send(&[Frame::new(kind::DATA, flag::END_STREAM, (1 << 31) | 1, message(b"two"))]);
    let frames = client.stream(1);
    assert_eq!(shape(&frames), ["HEADERS", "DATA 8", "DATA 8", "HEADERS end"]);
    assert_eq!(frames[1].payload, message(b"one"));
    assert_eq!(proxy.count("protocol_errors_total"), 0);
}

#[test]
fn padding_and_priority_are_taken_off() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    let padded = |front: &[u8], inner: &[u8]| {
        let mut payload = vec![200];
        payload.extend_from_slice(front);
        payload.extend_from_slice(inner);
        payload.extend_from_slice(&[0; 200]);
        payload
    };
    let flags = flag::PADDED | PRIORITY | flag::END_HEADERS;
    client.send(&[
        Frame::new(kind::HEADERS, flags, 1, padded(&[0x80, 0, 0, 3, 255], &hpack::block(&POST))),
        Frame::new(kind::DATA, flag::PADDED, 1, padded(&[], &message(b"hello"))),
        // Nothing but padding, and the end.
        Frame::new(kind::DATA, flag::PADDED | flag::END_STREAM, 1, padded(&[], &[])),
    ]);
    let frames = client.stream(1);
    assert_eq!(shape(&frames), ["HEADERS", "DATA 10", "HEADERS end"]);
    assert_eq!(frames[1].payload, message(b"hello"));
}

#[test]
fn padding_is_given_back_to_the_windows() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    client.send(&[post()]);
    let padding = Frame::new(kind::DATA, flag::PADDED, 1, [&[255][..], &[0; 255]].concat());
    let (mut stream, mut connection) = (512_i64 << 10, 16_i64 << 20);
    // A window of the connection's, and more than thirty of the stream's.
    for _ in 0..(17 << 20) / 256 {
        while stream < 256 || connection < 256 {
            let frame = client.any().unwrap();
            if frame.kind == kind::WINDOW_UPDATE {
                let by = i64::from(frame.words()[0]);
                *if frame.stream == 0 { &mut connection } else { &mut stream } += by;
            }
        }
        client.send(std::slice::from_ref(&padding));
        stream -= 256;
        connection -= 256;
    }
    client.data(1, &message(b"x"), true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "DATA 6", "HEADERS end"]);
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect_with(proxy.addr(), &[], 0);
    let mut bytes = Vec::new();
    frame::headers(1, &hpack::block(&POST), false, &mut bytes);
    Frame::new(kind::DATA, flag::END_STREAM, 1, message(b"slow")).encode(&mut bytes);
    for byte in bytes {
        client.write(&[byte]);
    }
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "DATA 9", "HEADERS end"]);
}
