//! gRPC's message framing: a flag, a length of four bytes, the message.

use std::str::FromStr;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A message behind its prefix.
pub fn frame(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(5 + message.len());
    put_frame(message, &mut out);
    out.freeze()
}

fn put_frame(message: &[u8], out: &mut BytesMut) {
    out.put_u8(0);
    out.put_u32(message.len() as u32);
    out.put_slice(message);
}

/// So many messages of one size: what a server stream is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamSpec {
    /// How many.
    pub count: usize,
    /// How long each, in bytes.
    pub size: usize,
}

impl StreamSpec {
    /// The first `count` messages, framed, one behind the other.
    pub fn framed(self, count: usize) -> Bytes {
        let message = vec![b'x'; self.size];
        let mut out = BytesMut::with_capacity(count * (5 + self.size));
        for _ in 0..count {
            put_frame(&message, &mut out);
        }
        out.freeze()
    }
}

impl FromStr for StreamSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<StreamSpec, String> {
        let spec = text.split_once(' ').and_then(|(count, size)| {
            Some(StreamSpec { count: count.parse().ok()?, size: size.parse().ok()? })
        });
        spec.ok_or_else(|| format!("{text:?} is not \"COUNT SIZE\""))
    }
}

/// Messages out of chunks that end where they like. A message within one chunk is not copied.
#[derive(Debug, Default)]
pub struct Deframer {
    chunk: Bytes,
    /// The start of a message that goes on in the next chunk.
    partial: BytesMut,
}

impl Deframer {
    /// Takes the next chunk; all whole messages must have been taken before.
    pub fn push(&mut self, chunk: Bytes) {
        if self.partial.is_empty() {
            self.chunk = chunk;
        } else {
            self.partial.extend_from_slice(&chunk);
            self.chunk = self.partial.split().freeze();
        }
    }

    /// The next whole message.
    pub fn next_message(&mut self) -> Option<Bytes> {
        if let Some(&[_, a, b, c, d]) = self.chunk.first_chunk::<5>() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if self.chunk.len() - 5 >= length {
                self.chunk.advance(5);
                return Some(self.chunk.split_to(length));
            }
        }
        self.partial.extend_from_slice(&self.chunk);
        self.chunk.clear();
        None
    }

    /// Whether nothing is left of a message.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty() && self.partial.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_may_end_anywhere() {
        let wire = StreamSpec { count: 7, size: 10 }.framed(7);
        for step in 1..wire.len() {
            let mut deframer = Deframer::default();
            let mut count = 0;
            for chunk in wire.chunks(step) {
                deframer.push(Bytes::copy_from_slice(chunk));
                while let Some(message) = deframer.next_message() {
                    assert_eq!(message, "xxxxxxxxxx");
                    count += 1;
                }
            }
            assert_eq!((count, deframer.is_empty()), (7, true), "in steps of {step}");
        }
    }

    #[test]
    fn specs() {
        assert_eq!("1000 100".parse(), Ok(StreamSpec { count: 1000, size: 100 }));
        assert!("1000".parse::<StreamSpec>().is_err());
    }
}
