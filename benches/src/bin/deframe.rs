//! Messages out of DATA frames: `deframe ours|tonic MESSAGES SIZE`, one JSON line.
//!
//! The frames are those of a server that fills them: 16 KiB each, messages cut wherever they end.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use tonic::codec::Streaming;
use viaduct::codec::{Deframer, Encoding, frame};
use viaduct_bench::codec::Raw;

const FRAME: usize = 16 * 1024;

/// DATA frames as a body.
struct Frames(std::vec::IntoIter<Bytes>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|data| Ok(Frame::data(data))))
    }
}

fn ours(frames: Vec<Bytes>) -> usize {
    let mut deframer = Deframer::new(Encoding::Identity, usize::MAX);
    let mut bytes = 0;
    for data in frames {
        deframer.push(data);
        while let Ok(Some(message)) = deframer.next() {
            bytes += message.len();
        }
    }
    bytes
}

fn tonic(frames: Vec<Bytes>) -> usize {
    let body = Frames(frames.into_iter());
    let mut stream = pin!(Streaming::new_response(Raw, body, StatusCode::OK, None, Some(usize::MAX)));
    let mut bytes = 0;
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(message))) =
        tonic::codegen::tokio_stream::Stream::poll_next(stream.as_mut(), &mut cx)
    {
        bytes += message.len();
    }
    bytes
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, which, messages, size] = &arguments[..] else {
        eprintln!("deframe ours|tonic MESSAGES SIZE");
        std::process::exit(2);
    };
    let messages: usize = messages.parse().expect("MESSAGES is a number");
    let size: usize = size.parse().expect("SIZE is a number");
    let one = frame(&vec![b'x'; size], Encoding::Identity).expect("the message is short enough");
    let wire = Bytes::from(one.repeat(messages));
    // Each frame is memory of its own, as h2 gives them.
    let frames: Vec<Bytes> = wire.chunks(FRAME).map(Bytes::copy_from_slice).collect();
    let start = Instant::now();
    let bytes = match which.as_str() {
        "ours" => ours(frames),
        _ => tonic(frames),
    };
    let took = start.elapsed();
    assert_eq!(bytes, messages * size, "every message came out");
    println!("{{\"ns_per_message\": {:.1}}}", took.as_secs_f64() * 1e9 / messages as f64);
}
