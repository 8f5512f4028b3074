//! The wrong answers.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::behaviour::Behaviour;
use crate::connection::Connection;
use crate::frame::{self, Frame, MAX_PAYLOAD, REFUSED_STREAM, flag, kind};
use crate::hpack::{self, Field};

const OVER_LIMIT: usize = (5 << 20) + 1;
const ENHANCE_YOUR_CALM: u32 = 11;
const STATUS: Field<'_> = (":status", "200");
const GRPC: Field<'_> = ("content-type", "application/grpc");
const OK: Field<'_> = ("grpc-status", "0");

impl Connection {
    /// Gives the wrong answer to a call; `message` is the request with its prefix.
    pub(crate) fn act(&mut self, id: u32, message: Vec<u8>) {
        use Behaviour::*;
        match self.behaviour {
            Html(status) => self.html(id, status),
            WrongContentType => self.answer(id, &[STATUS, ("content-type", "text/plain")], message, &[OK]),
            NoContentType => self.answer(id, &[STATUS], message, &[OK]),

            Rst(code) => self.reset(id, code),
            RstAfterMessage(code) => {
                self.start(id, message);
                self.reset(id, code);
            }
            RefusedOnce if self.first() => self.reset(id, REFUSED_STREAM),

            TrailersOnly(status) => {
                let status = status.to_string();
                let said = ("grpc-message", "said on purpose: 100%25 na%C3%AFve");
                self.headers(id, &[STATUS, GRPC, ("grpc-status", &status), said], true);
            }
            NoTrailers => {
                self.headers(id, &[STATUS, GRPC], false);
                self.data(id, message, true);
            }
            HeadersOnly => self.headers(id, &[STATUS, GRPC], true),
            NoStatus => self.answer(id, &[STATUS, GRPC], message, &[("x-other", "1")]),
            BadStatus => self.answer(id, &[STATUS, GRPC], message, &[("grpc-status", "abc")]),
            HugeHeader => {
                self.answer(id, &[STATUS, GRPC], message, &[OK, ("x-huge", &"h".repeat(1 << 20))]);
            }

            LyingLength => {
                let mut lie = frame::message_prefix(0, message.len() - 5 + 100);
                lie.extend_from_slice(&message[5..]);
                self.answer(id, &[STATUS, GRPC], lie, &[OK]);
            }
            OverLimit => self.answer(id, &[STATUS, GRPC], frame::message(0, &vec![b'x'; OVER_LIMIT]), &[OK]),
            OverLimitPrefix => {
                let mut start = frame::message_prefix(0, OVER_LIMIT);
                start.extend_from_slice(&[b'x'; 10]);
                self.start(id, start);
            }
            BadFlag => self.answer(id, &[STATUS, GRPC], frame::message(2, &message[5..]), &[OK]),
            FlagWithoutEncoding => self.answer(id, &[STATUS, GRPC], frame::message(1, &message[5..]), &[OK]),
            UnknownEncoding => {
                let headers = [STATUS, GRPC, ("grpc-encoding", "lzma")];
                self.answer(id, &headers, frame::message(1, &message[5..]), &[OK]);
            }
            BadGzip => {
                let headers = [STATUS, GRPC, ("grpc-encoding", "gzip")];
                self.answer(id, &headers, frame::message(1, b"\x1f\x8b\x08no gzip behind this"), &[OK]);
            }

            CutBeforeHeaders => self.closing = true,
            CutMidMessage => {
                let mut start = frame::message_prefix(0, 100);
                start.extend_from_slice(&[b'x'; 40]);
                self.start(id, start);
                self.cut();
            }
            CutMidFrame => {
                self.start(id, Vec::new());
                self.cut();
                frame::header(105, kind::DATA, 0, id, &mut self.out);
                self.out.extend_from_slice(&frame::message_prefix(0, 100));
                self.out.extend_from_slice(&[b'x'; 40]);
            }

            GoawayUnprocessed if self.first() => self.go_away(0, 0, "moving house"),
            GoawayProcessed if self.first() => {
                self.go_away(id, 0, "closing soon");
                self.later.push((Instant::now() + Duration::from_millis(50), id));
                self.draining = true;
            }
            GoawayAlways => self.go_away(0, 0, "moving house"),
            GoawayCalm => {
                self.go_away(0, ENHANCE_YOUR_CALM, "too_many_pings");
                self.closing = true;
            }

            SilenceAfterHeaders => self.headers(id, &[STATUS, GRPC], false),
            SilenceAfterMessage => self.start(id, message),
            Silence | SilenceNoAck | Mute => (),

            DataOnStreamZero => Frame::new(kind::DATA, 0, 0, message).encode(&mut self.out),
            DataBeforeHeaders => {
                self.data(id, message, false);
                self.headers(id, &[STATUS, GRPC, OK], true);
            }
            // An indexed field of the static table's end and beyond: 0xff 0xff … is an integer that overflows.
            BadHpack => Frame::new(kind::HEADERS, flag::END_HEADERS, id, [0xff; 20]).encode(&mut self.out),
            FrameTooLong => {
                frame::header((1 << 24) - 1, kind::DATA, 0, id, &mut self.out);
                self.out.extend_from_slice(&[0; MAX_PAYLOAD]);
            }
            ZeroWindowUpdate => Frame::window_update(0, 0).encode(&mut self.out),

            // Once is over, or the behaviour is a right one.
            _ => self.echo(id),
        }
    }

    /// Whether this is the one call that is answered wrongly.
    fn first(&self) -> bool {
        !self.shared.once.swap(true, Ordering::SeqCst)
    }

    fn headers(&mut self, id: u32, fields: &[Field<'_>], end: bool) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.headers(hpack::block(fields), end);
        }
    }

    fn data(&mut self, id: u32, bytes: Vec<u8>, end: bool) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.data(bytes, end);
        }
    }

    fn reset(&mut self, id: u32, code: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.reset(code);
        }
    }

    /// Headers as they should be, and then these bytes.
    fn start(&mut self, id: u32, bytes: Vec<u8>) {
        self.headers(id, &[STATUS, GRPC], false);
        if !bytes.is_empty() {
            self.data(id, bytes, false);
        }
    }

    fn answer(&mut self, id: u32, headers: &[Field<'_>], body: Vec<u8>, trailers: &[Field<'_>]) {
        self.headers(id, headers, false);
        self.data(id, body, false);
        self.headers(id, trailers, true);
    }

    /// An error page. The 128th character is one of several bytes: a client that quotes it must not cut there.
    fn html(&mut self, id: u32, status: u16) {
        let naive = "ï".repeat(200);
        let page = format!(
            "<html><head><title>{status}</title></head><body><h1>{status} as asked</h1>{naive}</body>"
        );
        self.headers(
            id,
            &[(":status", &status.to_string()), ("content-type", "text/html; charset=utf-8")],
            false,
        );
        self.data(id, page.into_bytes(), true);
    }

    /// Says goodbye with this last stream; calls above it are forgotten.
    fn go_away(&mut self, last: u32, code: u32, debug: &str) {
        Frame::goaway(last, code, debug).encode(&mut self.out);
        self.streams.retain(|id, _| *id <= last);
        self.deaf = true;
    }

    /// Writes what is queued and ends the connection.
    fn cut(&mut self) {
        self.flush();
        self.closing = true;
    }
}
