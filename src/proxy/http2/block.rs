//! Header blocks: what begins a stream, answers it or ends it (RFC 9113, sections 6.2, 6.10 and 8).

use h2::Reason;
use http::{Method, Response, StatusCode, request};

use super::core::{Core, Going, Role, put_headers};
use super::error::Fault;
use super::frame::{Head, flag, put_reset, unpad};
use super::head::{Fields, Wrong};
use super::streams::{Entry, Key};

/// In how many frames a header block may come.
const MAX_FRAMES: usize = 128;

/// A request that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) head: request::Parts,
    pub(super) key: Key,
}

/// A header block that is not whole yet.
#[derive(Debug)]
pub(super) struct Block {
    stream: u32,
    ends: bool,
    bytes: Vec<u8>,
    frames: usize,
}

impl Core {
    pub(super) fn headers(
        &mut self,
        head: &Head,
        payload: &[u8],
        begun: &mut Vec<Begun>,
    ) -> Result<(), Fault> {
        let Some(mut block) = unpad(head, payload) else {
            return Err(Fault::protocol("the padding is longer than the frame"));
        };
        if head.has(flag::PRIORITY) {
            block.start += 5;
            if block.start > block.end {
                return Err(Fault::size("HEADERS is too short for its priority"));
            }
        }
        let block = payload.get(block).unwrap_or_default();
        let ends = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.header_block(head.stream, ends, block, begun);
        }
        self.block = Some(Block { stream: head.stream, ends, bytes: block.to_vec(), frames: 1 });
        Ok(())
    }

    pub(super) fn continuation(
        &mut self,
        head: &Head,
        payload: &[u8],
        begun: &mut Vec<Begun>,
    ) -> Result<(), Fault> {
        let limit = self.config.max_headers.saturating_mul(2);
        let Some(block) = self.block.as_mut().filter(|block| block.stream == head.stream) else {
            return Err(Fault::protocol("CONTINUATION of nothing"));
        };
        block.bytes.extend_from_slice(payload);
        block.frames += 1;
        // Without an end it would go on for ever.
        if block.bytes.len() > limit || block.frames > MAX_FRAMES {
            return Err(Fault::calm("a header block without end"));
        }
        if !head.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some(block) = self.block.take() else { return Ok(()) };
        self.header_block(block.stream, block.ends, &block.bytes, begun)
    }

    fn header_block(
        &mut self,
        stream: u32,
        ends: bool,
        block: &[u8],
        begun: &mut Vec<Begun>,
    ) -> Result<(), Fault> {
        let mut fields = Fields::new(self.config.max_headers);
        // All of it, whatever becomes of the stream: the next block builds on it.
        self.decoder
            .decode(block, |field| fields.add(field))
            .map_err(|_| Fault::new(Reason::COMPRESSION_ERROR, "the header block cannot be decoded"))?;
        if let Some(key) = self.streams.key(stream) {
            let has_head = self.streams.get(key).is_some_and(|entry| entry.has_head);
            match self.role {
                Role::Client if !has_head => self.answer(key, ends, fields),
                _ => self.trailers(key, ends, fields),
            }
            return Ok(());
        }
        match self.role {
            Role::Server if stream > self.last && !stream.is_multiple_of(2) => {
                self.last = stream;
                self.request(stream, ends, fields, begun)
            }
            _ if self.is_idle(stream) => Err(Fault::protocol("HEADERS on a stream that cannot be")),
            _ => Ok(()),
        }
    }

    /// A new request.
    fn request(
        &mut self,
        stream: u32,
        ends: bool,
        fields: Fields,
        begun: &mut Vec<Begun>,
    ) -> Result<(), Fault> {
        // It was told that nothing more is taken.
        if self.going == Going::Now {
            self.stray += if ends { 0 } else { i64::from(self.config.window) };
            return Ok(());
        }
        let max = self.config.max_streams as usize;
        if self.streams.all() >= max.saturating_mul(2).max(2 * MAX_FRAMES) {
            return Err(Fault::calm("streams are begun and reset faster than they can be ended"));
        }
        if self.streams.open() >= max {
            self.tally.refused += 1;
            return self.refuse(stream, ends, Reason::REFUSED_STREAM);
        }
        let left = fields.length();
        let head = match fields.request(&mut self.known) {
            Ok(_) if ends && left.is_some_and(|left| left > 0) => Err(Wrong::Malformed),
            done => done,
        };
        let head = match head {
            Ok(head) => head,
            Err(Wrong::Malformed) => {
                self.tally.malformed += 1;
                return self.refuse(stream, ends, Reason::PROTOCOL_ERROR);
            }
            Err(Wrong::TooLong) => {
                self.tally.too_long += 1;
                let encoder = &mut self.encoder;
                put_headers(&mut self.out, self.peers.max_frame, stream, true, |out| {
                    encoder.begin(out);
                    encoder.status(out, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
                });
                return if ends { Ok(()) } else { self.refuse(stream, ends, Reason::NO_ERROR) };
            }
        };
        let key = self.streams.insert(Entry {
            id: stream,
            held: true,
            has_head: true,
            received: ends,
            left,
            window: i64::from(self.config.window),
            send_window: self.peers.window,
            ..Entry::default()
        });
        begun.push(Begun { head, key });
        Ok(())
    }

    /// Resets a stream that has not become one here.
    fn refuse(&mut self, stream: u32, ends: bool, reason: Reason) -> Result<(), Fault> {
        if !ends {
            self.stray += i64::from(self.config.window);
        }
        put_reset(self.out.tail(), stream, reason);
        Ok(())
    }

    /// The head of an answer, or an interim one.
    fn answer(&mut self, key: Key, ends: bool, fields: Fields) {
        let length = fields.length();
        let head = match fields.response() {
            Ok(head) => head,
            Err(Wrong::TooLong) => return self.reset(key, Reason::ENHANCE_YOUR_CALM),
            Err(Wrong::Malformed) => return self.reset(key, Reason::PROTOCOL_ERROR),
        };
        let Some(entry) = self.streams.get(key) else { return };
        if head.status.is_informational() {
            if ends {
                return self.reset(key, Reason::PROTOCOL_ERROR);
            }
            // Who sends them without end sends nothing that anybody waits for.
            if entry.interim.len() < 64 {
                entry.interim.push(Response::from_parts(head, ()));
            }
            return entry.wake();
        }
        let counts = !entry.bodiless && head.status != StatusCode::NOT_MODIFIED;
        entry.left = length.filter(|_| counts);
        if ends && entry.left.is_some_and(|left| left > 0) {
            return self.reset(key, Reason::PROTOCOL_ERROR);
        }
        entry.has_head = true;
        entry.head = Some(Box::new(head));
        entry.received = ends;
        entry.wake();
        if ends {
            self.settle(key);
        }
    }

    fn trailers(&mut self, key: Key, ends: bool, fields: Fields) {
        let Some(entry) = self.streams.get(key) else { return };
        if entry.received {
            return self.reset(key, Reason::STREAM_CLOSED);
        }
        if !ends || entry.left.is_some_and(|left| left > 0) {
            return self.reset(key, Reason::PROTOCOL_ERROR);
        }
        match fields.trailers() {
            Ok(trailers) => entry.trailers = Some(Box::new(trailers)),
            Err(Wrong::TooLong) => return self.reset(key, Reason::ENHANCE_YOUR_CALM),
            Err(Wrong::Malformed) => return self.reset(key, Reason::PROTOCOL_ERROR),
        }
        entry.received = true;
        entry.wake();
        self.settle(key);
    }
}

/// The methods whose answers have no body, whatever their length says.
pub(super) fn is_bodiless(method: &Method) -> bool {
    *method == Method::HEAD
}
