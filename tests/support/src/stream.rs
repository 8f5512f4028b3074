//! One stream as a peer sees it: what came in and what waits to go out.

use std::collections::VecDeque;

use crate::frame::{self, Frame, MAX_PAYLOAD, flag, kind};

/// What waits to be sent on a stream.
#[derive(Debug)]
enum Out {
    Headers { block: Vec<u8>, end: bool },
    Data { bytes: VecDeque<u8>, end: bool },
    Reset(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// How much more DATA the client takes on this stream.
    pub(crate) window: i64,
    /// DATA that is not yet taken as messages.
    pub(crate) inbox: Vec<u8>,
    /// The client half-closed.
    pub(crate) half_closed: bool,
    /// The wrong answer was given, or is being given.
    pub(crate) acted: bool,
    /// The right answer's headers were queued.
    pub(crate) answering: bool,
    /// This side ended the stream.
    pub(crate) ended: bool,
    queue: VecDeque<Out>,
}

impl Stream {
    pub(crate) fn new(window: i64) -> Stream {
        Stream { window, ..Stream::default() }
    }

    pub(crate) fn headers(&mut self, block: Vec<u8>, end: bool) {
        self.queue.push_back(Out::Headers { block, end });
    }

    pub(crate) fn data(&mut self, bytes: impl Into<VecDeque<u8>>, end: bool) {
        self.queue.push_back(Out::Data { bytes: bytes.into(), end });
    }

    pub(crate) fn reset(&mut self, code: u32) {
        self.queue.push_back(Out::Reset(code));
    }

    /// The first message of the inbox with its prefix, once it is whole.
    pub(crate) fn message(&self) -> Option<&[u8]> {
        let &[_, a, b, c, d] = self.inbox.first_chunk::<5>()?;
        self.inbox.get(..5 + u32::from_be_bytes([a, b, c, d]) as usize)
    }

    /// The same, taken out.
    pub(crate) fn take_message(&mut self) -> Option<Vec<u8>> {
        let end = self.message()?.len();
        Some(self.inbox.drain(..end).collect())
    }

    /// Writes what the windows allow, in DATA frames of at most `most` bytes.
    pub(crate) fn flush(&mut self, id: u32, most: usize, connection_window: &mut i64, out: &mut Vec<u8>) {
        while let Some(next) = self.queue.front_mut() {
            match next {
                Out::Headers { block, end } => {
                    frame::headers(id, block, *end, out);
                    self.ended |= *end;
                }
                Out::Reset(code) => {
                    Frame::rst_stream(id, *code).encode(out);
                    self.ended = true;
                    self.half_closed = true;
                }
                Out::Data { bytes, end } => {
                    let open = self.window.min(*connection_window).max(0) as usize;
                    let take = bytes.len().min(most).min(open).min(MAX_PAYLOAD);
                    if take == 0 && !bytes.is_empty() {
                        return;
                    }
                    self.window -= take as i64;
                    *connection_window -= take as i64;
                    let payload: Vec<u8> = bytes.drain(..take).collect();
                    let last = bytes.is_empty();
                    self.ended |= last && *end;
                    let flags = if last && *end { flag::END_STREAM } else { 0 };
                    Frame::new(kind::DATA, flags, id, payload).encode(out);
                    if !last {
                        continue;
                    }
                }
            }
            self.queue.pop_front();
        }
    }
}
