//! Clients and backends that send anything: whatever it is, the proxy goes on, and nothing stays open.

mod proxy_kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proxy_kit::calls::{Client, block};
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, POST, Peer};
use proxy_kit::settings;
use proxy_kit::wire::{Random, Watched, any_frame, encoded, goaway, told};
use viaduct::Code;
use viaduct_testkit::frame::{Frame, flag, kind};
use viaduct_testkit::{Behaviour, WrongServer, hpack};

/// How many connections there are at once.
const THREADS: usize = 4;

#[test]
fn clients_that_send_anything_leave_nothing() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let addr = proxy.addr();
    let get =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"), ("te", "trailers")];
    let web = [POST[0], POST[1], POST[2], POST[3], ("content-type", "application/grpc-web")];
    let long = [POST[0], POST[1], POST[2], POST[3], ("content-length", "100"), ("x", "1")];
    let blocks = Arc::new([&POST[..], &get, &web, &long, &[("x-sum", "1")]].map(hpack::block).to_vec());
    let faults = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS as u64)
        .map(|thread| {
            let (blocks, faults) = (Arc::clone(&blocks), Arc::clone(&faults));
            std::thread::spawn(move || {
                for seed in (thread..300).step_by(THREADS) {
                    let mut random = Random::new(seed);
                    let mut frames = vec![Frame::settings(&[])];
                    let count = 50 + random.below(150);
                    // Some do at first nothing that ends the connection, and some never do.
                    let calm = random.below(3) * count / 2;
                    let mut last = 1;
                    frames.push(Frame::new(kind::HEADERS, flag::END_HEADERS, 1, blocks[0].clone()));
                    while (frames.len() as u64) < count {
                        let frame = any_frame(&mut random, last + 2, &blocks);
                        if frames.len() as u64 >= calm || is_harmless(&frame, last, last + 2, &blocks) {
                            last +=
                                if frame.kind == kind::HEADERS && frame.stream == last + 2 { 2 } else { 0 };
                            frames.push(frame);
                        }
                    }
                    let said = told(addr, &encoded(&frames), true);
                    faults.fetch_add(usize::from(goaway(&said).is_some()), Ordering::SeqCst);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let ended = faults.load(Ordering::SeqCst);
    assert!((100..250).contains(&ended), "{ended} connections were ended for what they did");
    proxy.serves();
    proxy.settles();
}

/// Whether a frame ends no connection where the streams up to `last` have begun, and HEADERS may name `next`.
fn is_harmless(frame: &Frame, last: u32, next: u32, blocks: &[Vec<u8>]) -> bool {
    let (on_stream, length) = (frame.stream % 2 == 1 && frame.stream <= last, frame.payload.len());
    match frame.kind {
        kind::DATA => on_stream && !frame.has(flag::PADDED),
        kind::HEADERS => {
            (on_stream || frame.stream == next)
                && frame.flags & !1 == flag::END_HEADERS
                && blocks.contains(&frame.payload)
        }
        kind::PRIORITY => frame.stream != 0 && length == 5,
        kind::RST_STREAM => on_stream && length == 4,
        // Neither ENABLE_PUSH nor what is out of range.
        kind::SETTINGS if frame.has(flag::ACK) => frame.stream == 0 && length == 0,
        kind::SETTINGS => {
            frame.stream == 0
                && (length == 0 || length == 6 && frame.payload[4] == 0x40 && frame.payload[1] != 2)
        }
        kind::PING => frame.stream == 0 && length == 8,
        kind::WINDOW_UPDATE => {
            (on_stream || frame.stream == 0) && length == 4 && matches!(frame.words()[0], 1..0x1_0000)
        }
        kind => kind > 9,
    }
}

/// A backend that waits for the first request of a connection, and sends anything then. Once it is told to be
/// good, it answers.
fn serve(peer: &mut Peer, seed: u64, good: &AtomicBool) {
    let mut random = Random::new(seed);
    let blocks = [
        &OK_HEAD[..],
        &OK_TRAILERS,
        &[OK_HEAD[0], OK_HEAD[1], OK_TRAILERS[0]],
        &[(":status", "103")],
        &[(":status", "500")],
    ]
    .map(hpack::block);
    let last = loop {
        match peer.next() {
            Some(frame) if frame.kind != kind::HEADERS => {}
            Some(frame) if good.load(Ordering::SeqCst) => peer.answer(frame.stream),
            Some(frame) => break frame.stream,
            None => return,
        }
    };
    let count = 50 + random.below(150);
    let calm = random.below(3) * count / 2;
    let mut frames = Vec::new();
    while (frames.len() as u64) < count {
        let frame = any_frame(&mut random, last, &blocks);
        if frames.len() as u64 >= calm || is_harmless(&frame, last, last, &blocks) {
            frames.push(frame);
        }
    }
    let sudden = random.below(2) == 0;
    // What it sends in one piece is seen whole; else each frame may meet another state.
    if sudden {
        peer.send(&frames);
    } else {
        frames.iter().for_each(|frame| peer.send(std::slice::from_ref(frame)));
    }
    // Some say nothing more, until the calls are given up.
    if random.below(10) == 0 {
        while peer.next().is_some_and(|frame| frame.kind != kind::RST_STREAM) {}
    }
}

#[test]
fn backends_that_send_anything_leave_nothing() {
    let (listener, addr) = Backend::listen();
    let proxy = Watched::start(settings(&[addr]));
    let front = proxy.addr();
    let (good, connections) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let (is_good, count) = (Arc::clone(&good), Arc::clone(&connections));
    std::thread::spawn(move || {
        loop {
            let mut peer = listener.accept();
            let (is_good, seed) = (Arc::clone(&is_good), count.fetch_add(1, Ordering::SeqCst) as u64);
            std::thread::spawn(move || serve(&mut peer, seed, &is_good));
        }
    });
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let connections = Arc::clone(&connections);
            std::thread::spawn(move || {
                while connections.load(Ordering::SeqCst) < 100 {
                    let call = async {
                        Client::connect(front).await.call_with(b"x", &[("grpc-timeout", "2S")]).await
                    };
                    // However it ends, it does.
                    assert!(block(call).2.is_some(), "a call ended without a status");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    good.store(true, Ordering::SeqCst);
    proxy_kit::eventually(|| {
        let call =
            async { Client::connect(front).await.call_with(&[0; 10], &[("grpc-timeout", "2S")]).await };
        block(call).2.unwrap().code() == Code::Ok
    });
    proxy.settles();
}
