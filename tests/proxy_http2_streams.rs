//! Clients whose streams go wrong, or many at once (RFC 9113, section 5), and header blocks (section 4.3).

mod proxy_kit;

use proxy_kit::calls::message;
use proxy_kit::raw::{Backend, POST, Peer, joined, shape};
use proxy_kit::wire::{Watched, backend_of, code, encoded, goaway, told};
use proxy_kit::{eventually, settings};
use viaduct_testkit::frame::{Frame, flag, kind};
use viaduct_testkit::{Behaviour, WrongServer, hpack};

fn echoing() -> (WrongServer, Watched) {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    (server, proxy)
}

fn head(stream: u32, flags: u8) -> Frame {
    Frame::new(kind::HEADERS, flags, stream, hpack::block(&POST))
}

const WHOLE: u8 = flag::END_HEADERS;
const LAST: u8 = flag::END_HEADERS | flag::END_STREAM;

#[test]
fn what_no_stream_may_do_ends_the_connection() {
    let (_server, proxy) = echoing();
    let cases = [
        ("a stream of an even number (5.1.1)", vec![head(2, LAST)]),
        ("DATA on an idle stream (5.1)", vec![Frame::new(kind::DATA, 0, 5, *b"x")]),
        (
            "DATA on an idle stream of the server's (5.1)",
            vec![head(3, WHOLE), Frame::new(kind::DATA, 0, 2, *b"x")],
        ),
        ("RST_STREAM on an idle stream (6.4)", vec![Frame::rst_stream(5, 8)]),
        ("WINDOW_UPDATE on an idle stream (6.9)", vec![Frame::window_update(5, 1)]),
        ("CONTINUATION without HEADERS (6.10)", vec![Frame::new(kind::CONTINUATION, WHOLE, 1, [])]),
        (
            "CONTINUATION behind a whole block (6.10)",
            vec![head(1, WHOLE), Frame::new(kind::CONTINUATION, WHOLE, 1, [])],
        ),
        (
            "CONTINUATION of another stream (6.10)",
            vec![head(1, 0), Frame::new(kind::CONTINUATION, WHOLE, 3, [])],
        ),
        ("DATA within a header block (6.10)", vec![head(1, 0), Frame::new(kind::DATA, 0, 1, *b"x")]),
        ("PING within a header block (6.10)", vec![head(1, 0), Frame::new(kind::PING, 0, 0, [0; 8])]),
        ("HEADERS within a header block (6.10)", vec![head(1, 0), head(3, LAST)]),
        ("what is not known within a header block (5.5)", vec![head(1, 0), Frame::new(0xbe, 0, 0, [])]),
    ];
    for (case, frames) in &cases {
        let mut all = vec![Frame::settings(&[])];
        all.extend_from_slice(frames);
        let frames = told(proxy.addr(), &encoded(&all), false);
        assert_eq!(goaway(&frames), Some(code::PROTOCOL), "{case}: {frames:?}");
    }
    proxy.serves();
    proxy.counts("protocol_errors_total", cases.len() as u64);
    proxy.settles();
}

#[test]
fn a_number_that_goes_back_begins_nothing() {
    let (server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    client.send(&[head(5, LAST)]);
    assert_eq!(shape(&client.stream(5)), ["HEADERS", "HEADERS end"]);
    // It was closed when 5 began (5.1.1); frames for it are passed by, as for each stream that is over.
    client.send(&[head(3, LAST), Frame::window_update(3, 1)]);
    client.send(&[head(5, LAST), Frame::rst_stream(5, 8)]);
    assert_eq!(client.said(), []);
    client.send(&[head(7, LAST)]);
    assert_eq!(shape(&client.stream(7)), ["HEADERS", "HEADERS end"]);
    assert_eq!(server.stats().streams, 2);
}

#[test]
fn data_may_come_for_streams_that_are_over_but_not_for_ever() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, false);
    client.reset(1, 8);
    // What its window allowed may have been on its way: 512 KiB.
    let piece = Frame::new(kind::DATA, 0, 1, vec![0; 16 << 10]);
    client.send(&vec![piece.clone(); 32]);
    client.headers(3, &POST, true);
    assert_eq!(shape(&client.stream(3)).last().unwrap(), "HEADERS end");
    client.send(&[piece]);
    assert_eq!(client.ends(), Some(code::STREAM_CLOSED));
    proxy.counts("protocol_errors_total", 1);
}

#[test]
fn what_comes_behind_the_end_of_a_stream_is_stream_closed() {
    for late in [Frame::new(kind::DATA, 0, 1, *b"late"), head(1, LAST), head(1, WHOLE)] {
        let mut j = joined(true);
        j.client.send(std::slice::from_ref(&late));
        // RFC 9113, section 5.1: half-closed (remote).
        assert_eq!(shape(&j.client.stream(1)), ["RST 5"], "{late:?}");
        assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
        j.client.headers(3, &POST, true);
        assert_eq!(shape(&[j.backend.next().unwrap()]), ["HEADERS end"]);
    }
}

#[test]
fn a_second_head_that_does_not_end_is_malformed() {
    let mut j = joined(false);
    // RFC 9113, section 8.1.
    j.client.headers(1, &[("x-sum", "1")], false);
    assert_eq!(shape(&j.client.stream(1)), ["RST 1"]);
    assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
}

#[test]
fn a_header_block_may_come_in_many_frames() {
    let (server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    let long = "v".repeat(10_000);
    let mut fields = POST.to_vec();
    fields.push(("x-long", &long));
    let block = hpack::block(&fields);
    let parts: Vec<_> = block.chunks(100).collect();
    let mut frames = vec![Frame::new(kind::HEADERS, flag::END_STREAM, 1, parts[0])];
    // Empty ones among them.
    frames.push(Frame::new(kind::CONTINUATION, 0, 1, []));
    frames.extend(parts[1..].iter().map(|part| Frame::new(kind::CONTINUATION, 0, 1, *part)));
    frames.push(Frame::new(kind::CONTINUATION, flag::END_HEADERS, 1, []));
    client.send(&frames);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "HEADERS end"]);
    assert_eq!(server.stats().streams, 1);
}

#[test]
fn a_header_block_without_end_is_not_waited_for() {
    let (server, proxy) = echoing();
    let ends = |first: Frame, next: &Frame| {
        let mut client = Peer::connect(proxy.addr());
        client.send(&[first]);
        for _ in 0..1000 {
            client.send(std::slice::from_ref(next));
        }
        // It may be lost, as what the client sends behind it is read no more.
        assert!(client.ends().is_none_or(|code| code == code::CALM));
    };
    ends(head(1, 0), &Frame::new(kind::CONTINUATION, 0, 1, []));
    ends(head(1, 0), &Frame::new(kind::CONTINUATION, 0, 1, [0; 16_384]));
    proxy.counts("protocol_errors_total", 2);
    proxy.serves();
    assert_eq!(server.stats().streams, 1);
}

#[test]
fn streams_over_the_limit_are_refused_and_the_others_go_on() {
    let (listener, addr) = Backend::listen();
    let mut settings = settings(&[addr]);
    settings.listeners[0].max_streams = 2;
    let proxy = Watched::start(settings);
    let mut client = Peer::connect(proxy.addr());
    let mut connected = None;
    let mut there = Vec::new();
    for stream in [1, 3] {
        client.headers(stream, &POST, true);
        there.push(backend_of(&listener, &mut connected));
    }
    client.headers(5, &POST, false);
    assert_eq!(shape(&client.stream(5)), ["RST 7"], "REFUSED_STREAM (5.1.2)");
    proxy.counts("streams_refused_total", 1);
    let mut backend = connected.unwrap();
    for (stream, there) in [1, 3].into_iter().zip(there) {
        backend.answer(there);
        assert_eq!(shape(&client.stream(stream)), ["HEADERS", "HEADERS end"]);
    }
    // There is room again; DATA of what was refused is passed by.
    client.data(5, b"x", true);
    client.headers(7, &POST, true);
    let there = backend.next().unwrap().stream;
    backend.answer(there);
    assert_eq!(shape(&client.stream(7)), ["HEADERS", "HEADERS end"]);
    client.cut();
    proxy.settles();
}

#[test]
fn a_storm_of_streams_that_end_at_once_leaves_nothing() {
    // By the client's reset, and by what makes the proxy reset them.
    let ends: [fn(u32) -> Frame; 3] = [
        |stream| Frame::rst_stream(stream, 8),
        |stream| Frame::window_update(stream, 0),
        |stream| head(stream, WHOLE),
    ];
    let (_server, proxy) = echoing();
    for end in ends {
        let addr = proxy.addr();
        let storm = std::thread::spawn(move || {
            let mut bytes = encoded(&[Frame::settings(&[])]);
            for stream in (1..40_000).step_by(2) {
                head(stream, WHOLE).encode(&mut bytes);
                end(stream).encode(&mut bytes);
            }
            goaway(&told(addr, &bytes, true))
        });
        while !storm.is_finished() {
            proxy.serves();
        }
        // Served, or sent away.
        let ended = storm.join().unwrap();
        assert!(ended.is_none_or(|code| code == code::CALM), "{ended:?}");
        proxy.serves();
    }
    proxy.settles();
}

#[test]
fn a_stream_that_is_reset_in_the_same_breath_is_cancelled() {
    let (_server, proxy) = echoing();
    let mut client = Peer::connect(proxy.addr());
    for stream in (1..201).step_by(2) {
        client.send(&[head(stream, WHOLE), Frame::rst_stream(stream, 8)]);
    }
    assert!(client.said().iter().all(|frame| frame.kind != kind::RST_STREAM));
    proxy.counts("cancelled_total", 100);
    eventually(|| proxy.count("requests_open") == 0);
    client.headers(201, &POST, false);
    client.data(201, &message(b"x"), true);
    assert_eq!(shape(&client.stream(201)), ["HEADERS", "DATA 6", "HEADERS end"]);
}

#[test]
fn a_stream_that_is_reset_after_its_end_is_over() {
    let mut j = joined(true);
    j.client.reset(1, 0);
    assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
    // What is not DATA is passed by from here on; there can be none behind the end.
    j.client.send(&[head(1, LAST), Frame::rst_stream(1, 8), Frame::window_update(1, 1)]);
    assert_eq!(j.client.said(), []);
    j.client.send(&[Frame::new(kind::DATA, flag::END_STREAM, 1, *b"x")]);
    assert_eq!(j.client.ends(), Some(code::STREAM_CLOSED));
}
