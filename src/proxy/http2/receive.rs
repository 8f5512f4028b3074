//! What the peer says, frame by frame (RFC 9113, sections 5 and 6).
//!
//! Frames for streams that are over are passed by: the peer may not have heard of that. Their DATA is given back to the
//! connection's window.

use bytes::{Buf as _, Bytes, BytesMut};
use h2::Reason;

use super::block::Begun;
use super::core::{Core, Role};
use super::error::{Error, Fault};
use super::frame::{HEAD, Head, MAX_WINDOW, PREFACE, flag, kind, put, unpad, word};
use crate::transport::wire::no_http2;

/// DATA shorter than this is copied out of what was read.
const SMALL: usize = 1024;

/// How much of small DATA shares one piece of memory.
const SHARED: usize = 4096;

impl Core {
    /// Takes all whole frames out of `input`. How much more is needed for the next one, at least.
    pub(super) fn receive(&mut self, input: &mut BytesMut, begun: &mut Vec<Begun>) -> Result<usize, Fault> {
        if !self.prefaced {
            let seen = input.len().min(PREFACE.len());
            if input.get(..seen) != PREFACE.get(..seen) {
                return Err(Fault::protocol("the connection does not begin with HTTP/2's preface"));
            }
            if seen < PREFACE.len() {
                return Ok(PREFACE.len() - seen);
            }
            input.advance(seen);
            self.prefaced = true;
        }
        let mut at = 0;
        let missing = loop {
            let rest = input.get(at..).unwrap_or_default();
            let Some(head) = Head::read(rest) else { break HEAD - rest.len() };
            if head.length > self.config.max_frame {
                self.complain(rest);
                return Err(Fault::size("the frame is longer than MAX_FRAME_SIZE"));
            }
            let whole = HEAD + head.length;
            if rest.len() < whole {
                break whole - rest.len();
            }
            self.check(&head, rest)?;
            if head.kind == kind::DATA && head.length >= SMALL {
                input.advance(at + HEAD);
                at = 0;
                self.data(&head, Data::Own(input.split_to(head.length).freeze()))?;
                continue;
            }
            let payload = rest.get(HEAD..whole).unwrap_or_default();
            match head.kind {
                kind::DATA => self.data(&head, Data::Lent(payload))?,
                kind::HEADERS => self.headers(&head, payload, begun)?,
                kind::CONTINUATION => self.continuation(&head, payload, begun)?,
                kind::RST_STREAM => self.reset_stream(&head, payload)?,
                kind::SETTINGS => self.settings(&head, payload)?,
                kind::PING => self.ping_frame(&head, payload)?,
                kind::GOAWAY => self.goaway(payload)?,
                kind::WINDOW_UPDATE => self.window_update(&head, payload)?,
                kind::PUSH_PROMISE => return Err(Fault::protocol("nobody may push here")),
                kind::PRIORITY if head.length != 5 => return Err(Fault::size("PRIORITY is five bytes")),
                // What is not known is passed by (RFC 9113, section 4.1), and priorities mean nothing any more.
                _ => {}
            }
            at += whole;
        };
        input.advance(at);
        Ok(missing)
    }

    /// What holds for a frame before its payload is looked at.
    fn check(&mut self, head: &Head, rest: &[u8]) -> Result<(), Fault> {
        if !self.greeted {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                self.complain(rest);
                return Err(Fault::protocol("the first frame is not SETTINGS"));
            }
            self.greeted = true;
        }
        if self.block.is_some() && head.kind != kind::CONTINUATION {
            return Err(Fault::protocol("a header block is not continued"));
        }
        match head.kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY if head.stream != 0 => {
                Err(Fault::protocol("a frame of the connection names a stream"))
            }
            kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM | kind::CONTINUATION
                if head.stream == 0 =>
            {
                Err(Fault::protocol("a frame of a stream names none"))
            }
            _ => Ok(()),
        }
    }

    /// Says in words that the peer speaks another protocol.
    fn complain(&mut self, said: &[u8]) {
        if self.role == Role::Client && !self.greeted {
            self.complaint = no_http2(said).map(Into::into);
        }
    }

    /// Whether no frame may name this stream yet.
    pub(super) fn is_idle(&self, stream: u32) -> bool {
        match self.role {
            Role::Server => stream.is_multiple_of(2) || stream > self.last,
            Role::Client => stream.is_multiple_of(2) || stream >= self.next,
        }
    }

    fn data(&mut self, head: &Head, data: Data<'_>) -> Result<(), Fault> {
        let length = head.length as u32;
        let Some(body) = unpad(head, data.bytes()) else {
            return Err(Fault::protocol("the padding is longer than the frame"));
        };
        self.window -= i64::from(length);
        if self.window < 0 {
            return Err(Fault::flow("more DATA than the connection's window allows"));
        }
        let Some(key) = self.streams.key(head.stream) else {
            if self.is_idle(head.stream) {
                return Err(Fault::protocol("DATA on a stream that has not begun"));
            }
            // It may not have heard yet; but it had no more than its window.
            self.stray -= i64::from(length);
            if self.stray < 0 {
                return Err(Fault::new(Reason::STREAM_CLOSED, "DATA goes on on streams that are over"));
            }
            self.free(length);
            return Ok(());
        };
        let Some(entry) = self.streams.get(key) else { return Ok(()) };
        let early = self.role == Role::Client && !entry.has_head;
        entry.window -= i64::from(length);
        let size = body.len() as u64;
        let ends = head.has(flag::END_STREAM);
        let over = entry.left.is_some_and(|left| size > left || ends && size < left);
        let wrong = if entry.received {
            Some(Reason::STREAM_CLOSED)
        } else if entry.window < 0 {
            Some(Reason::FLOW_CONTROL_ERROR)
        } else {
            (early || over).then_some(Reason::PROTOCOL_ERROR)
        };
        if let Some(reason) = wrong {
            // It may have sent more before it hears of that; the others of the connection are not to blame.
            self.stray += i64::from(self.config.window);
            self.free(length);
            self.reset(key, reason);
            return Ok(());
        }
        if let Some(left) = &mut entry.left {
            *left -= size;
        }
        entry.unreleased += size as u32;
        entry.received = ends;
        if !body.is_empty() {
            let piece = match data {
                Data::Own(bytes) => bytes.slice(body),
                Data::Lent(bytes) => {
                    if self.small.capacity() < body.len() {
                        self.small.reserve(SHARED);
                    }
                    self.small.extend_from_slice(bytes.get(body).unwrap_or_default());
                    self.small.split().freeze()
                }
            };
            entry.inbox.push(piece);
        }
        entry.wake();
        let padding = length - size as u32;
        if padding > 0 {
            entry.unreleased += padding;
            self.release(key, padding);
        }
        if ends {
            self.settle(key);
        }
        Ok(())
    }

    fn reset_stream(&mut self, head: &Head, payload: &[u8]) -> Result<(), Fault> {
        let reason = match word(payload, 0) {
            Some(code) if payload.len() == 4 => Reason::from(code),
            _ => return Err(Fault::size("RST_STREAM is four bytes")),
        };
        match self.streams.key(head.stream) {
            Some(key) => self.fail(key, Error::Reset(reason)),
            None if self.is_idle(head.stream) => {
                return Err(Fault::protocol("RST_STREAM on a stream that has not begun"));
            }
            None => {}
        }
        Ok(())
    }

    fn settings(&mut self, head: &Head, payload: &[u8]) -> Result<(), Fault> {
        if head.has(flag::ACK) {
            let empty = payload.is_empty();
            return if empty { Ok(()) } else { Err(Fault::size("an ACK of SETTINGS says nothing else")) };
        }
        let before = self.peers.window;
        self.peers.read(payload, self.role)?;
        if let Some((least, last)) = self.peers.table.take() {
            self.encoder.set_max_size(least);
            self.encoder.set_max_size(last);
        }
        put(self.out.tail(), kind::SETTINGS, flag::ACK, 0, &[]);
        let more = self.peers.window - before;
        if more != 0 {
            for key in self.streams.keys() {
                let Some(entry) = self.streams.get(key).filter(|entry| entry.id != 0) else { continue };
                entry.send_window += more;
                if entry.send_window > MAX_WINDOW {
                    return Err(Fault::flow("a window is over 2^31 - 1"));
                }
                entry.wake();
            }
        }
        if self.role == Role::Client {
            self.begin_pending();
        }
        Ok(())
    }

    fn ping_frame(&mut self, head: &Head, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 8 {
            return Err(Fault::size("PING is eight bytes"));
        }
        if head.has(flag::ACK) {
            self.on_pong(payload);
        } else {
            put(self.out.tail(), kind::PING, flag::ACK, 0, payload);
        }
        Ok(())
    }

    fn goaway(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (Some(last), Some(code)) = (word(payload, 0), word(payload, 4)) else {
            return Err(Fault::size("GOAWAY is eight bytes at least"));
        };
        // A client that goes begins nothing more, and what it began goes on.
        if self.role == Role::Server {
            return Ok(());
        }
        self.leaving = true;
        let error = Error::GoAway(Reason::from(code));
        self.fail_pending();
        for key in self.streams.keys() {
            if self.streams.get(key).is_some_and(|entry| entry.id > last & !(1 << 31)) {
                self.fail(key, error.clone());
            }
        }
        Ok(())
    }

    fn window_update(&mut self, head: &Head, payload: &[u8]) -> Result<(), Fault> {
        let by = match word(payload, 0) {
            Some(by) if payload.len() == 4 => i64::from(by & !(1 << 31)),
            _ => return Err(Fault::size("WINDOW_UPDATE is four bytes")),
        };
        if head.stream == 0 {
            self.send_window += by;
            if by == 0 {
                return Err(Fault::protocol("WINDOW_UPDATE by nothing"));
            }
            if self.send_window > MAX_WINDOW {
                return Err(Fault::flow("the connection's window is over 2^31 - 1"));
            }
            self.wake_waiting();
            return Ok(());
        }
        let Some(key) = self.streams.key(head.stream) else {
            let idle = self.is_idle(head.stream);
            return if idle { Err(Fault::protocol("WINDOW_UPDATE of nothing")) } else { Ok(()) };
        };
        let Some(entry) = self.streams.get(key) else { return Ok(()) };
        entry.send_window += by;
        if by == 0 {
            self.reset(key, Reason::PROTOCOL_ERROR);
        } else if entry.send_window > MAX_WINDOW {
            self.reset(key, Reason::FLOW_CONTROL_ERROR);
        } else {
            entry.wake();
        }
        Ok(())
    }
}

/// The payload of DATA.
enum Data<'a> {
    /// Cut out of what was read.
    Own(Bytes),
    /// Still a part of it.
    Lent(&'a [u8]),
}

impl Data<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(bytes) => bytes,
        }
    }
}
