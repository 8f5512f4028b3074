//! Framing: gRPC messages to bytes and back.
//!
//! Follows the gRPC over HTTP/2 specification, "Length-Prefixed-Message": one byte that says whether
//! the message is compressed, four bytes of length (big endian), the message.
//!
//! This is our own and not tonic's `Streaming` and `EncodeBody`, because a message must cross into
//! PHP with one copy: [`Message`] refers to the DATA frames in which it arrived, and [`frame`] writes
//! prefix and message into one buffer, so that a small call is one DATA frame. `docs/architecture.md`
//! has the figures.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tonic::Status;

use crate::reactor::memory::{self, Large};

/// Bytes before each message.
pub const PREFIX: usize = 5;

/// How messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Not at all.
    #[default]
    Identity,
    /// `gzip` (RFC 1952).
    Gzip,
    /// `deflate`: the zlib format (RFC 1950).
    Deflate,
}

/// What `grpc-accept-encoding` says on our behalf.
pub const ACCEPTED: &str = "identity,gzip,deflate";

impl Encoding {
    /// The name in `grpc-encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The encoding of that name, if it is one of ours.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Identity, Self::Gzip, Self::Deflate].into_iter().find(|e| e.name().as_bytes() == name)
    }
}

/// Puts the prefix before `message`, and compresses it where `encoding` says so.
///
/// # Errors
///
/// RESOURCE_EXHAUSTED where the framed message would pass the four bytes of the length.
pub fn frame(message: &[u8], encoding: Encoding) -> Result<Bytes, Status> {
    let mut out = BytesMut::with_capacity(PREFIX + message.len());
    match encoding {
        Encoding::Identity => {
            prefix(&mut out, false, message.len())?;
            out.put_slice(message);
        }
        Encoding::Gzip | Encoding::Deflate => {
            out.put_bytes(0, PREFIX);
            let level = flate2::Compression::new(6);
            let mut writer = out.writer();
            let written = if encoding == Encoding::Gzip {
                let mut zip = flate2::write::GzEncoder::new(&mut writer, level);
                zip.write_all(message).and_then(|()| zip.finish().map(drop))
            } else {
                let mut zip = flate2::write::ZlibEncoder::new(&mut writer, level);
                zip.write_all(message).and_then(|()| zip.finish().map(drop))
            };
            written.map_err(|e| Status::internal(format!("cannot compress the message: {e}")))?;
            out = writer.into_inner();
            let length = out.len() - PREFIX;
            let mut head = BytesMut::with_capacity(PREFIX);
            prefix(&mut head, true, length)?;
            out[..PREFIX].copy_from_slice(&head);
        }
    }
    Ok(out.freeze())
}

fn prefix(out: &mut BytesMut, compressed: bool, length: usize) -> Result<(), Status> {
    let length = u32::try_from(length).map_err(|_| {
        Status::resource_exhausted(format!("a message of {length} bytes is longer than a gRPC frame can say"))
    })?;
    out.put_u8(u8::from(compressed));
    out.put_u32(length);
    Ok(())
}

/// One message as it arrived: whole, but perhaps in several pieces of memory.
#[derive(Debug, Clone, Default)]
pub struct Message {
    first: Bytes,
    rest: Vec<Bytes>,
    /// Behind the pieces: dropped after them.
    large: Option<Large>,
}

impl Message {
    /// The message's length in bytes.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether the message has no bytes (which is a message all the same).
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.rest.is_empty()
    }

    /// The pieces in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.first).chain(self.rest.iter().map(|b| &**b))
    }

    /// The message in one piece; copies only where it arrived in several.
    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut out = BytesMut::with_capacity(self.len());
        for piece in self.pieces() {
            out.put_slice(piece);
        }
        out.freeze()
    }
}

impl From<Bytes> for Message {
    fn from(first: Bytes) -> Self {
        Self { first, rest: Vec::new(), large: None }
    }
}

/// Takes messages out of a stream of DATA frames.
#[derive(Debug)]
pub struct Deframer {
    encoding: Encoding,
    /// The longest message that is taken, after decompression.
    limit: usize,
    /// The chunk that is being read, and those behind it. It is empty only where all are.
    front: Bytes,
    chunks: VecDeque<Bytes>,
    buffered: usize,
    /// Where what is buffered has become that; goes with the message.
    large: Option<Large>,
    /// The prefix of the message that is arriving, once it is complete.
    head: Option<(bool, usize)>,
    /// What was wrong, once something was: there is no way to find the next message after that.
    failed: Option<Status>,
}

impl Deframer {
    /// A deframer for messages up to `limit` bytes; compressed ones are in `encoding`.
    pub fn new(encoding: Encoding, limit: usize) -> Self {
        Self {
            encoding,
            limit,
            front: Bytes::new(),
            chunks: VecDeque::new(),
            buffered: 0,
            large: None,
            head: None,
            failed: None,
        }
    }

    /// Adds the content of one DATA frame.
    pub fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.buffered += data.len();
            if self.buffered >= memory::LARGE && self.large.is_none() {
                self.large = Some(Large::new());
            }
            if self.front.is_empty() {
                self.front = data;
            } else {
                self.chunks.push_back(data);
            }
        }
    }

    /// Bytes that were pushed and not yet taken.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Bytes that the message that is arriving lacks, as far as is known.
    pub fn missing(&self) -> usize {
        self.head.map_or(0, |(_, length)| length.saturating_sub(self.buffered))
    }

    /// The next message, if all of it is here.
    ///
    /// # Errors
    ///
    /// INTERNAL for a prefix that is none, a compressed message without an encoding, or one that
    /// does not decompress; RESOURCE_EXHAUSTED for a message over the limit. The error stays.
    // `next` is the field's word; this is no iterator, as more may come after `None`.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Message>, Status> {
        // The ordinary case: a message that is not compressed and lies in one DATA frame with others.
        if let [0, a, b, c, d, rest @ ..] = &*self.front {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if self.head.is_none() && length < rest.len() && length <= self.limit && self.failed.is_none() {
                self.front.advance(PREFIX);
                self.buffered -= PREFIX + length;
                return Ok(Some(self.front.split_to(length).into()));
            }
        }
        self.next_of_any_kind()
    }

    fn next_of_any_kind(&mut self) -> Result<Option<Message>, Status> {
        if let Some(status) = &self.failed {
            return Err(status.clone());
        }
        let next = self.find_next();
        if let Err(status) = &next {
            self.failed = Some(status.clone());
        }
        next
    }

    fn find_next(&mut self) -> Result<Option<Message>, Status> {
        let (compressed, length) = match self.head {
            Some(head) => head,
            None => match self.read_prefix()? {
                Some(head) => *self.head.insert(head),
                None => return Ok(None),
            },
        };
        if self.buffered < length {
            return Ok(None);
        }
        self.head = None;
        let message = self.take(length);
        if compressed { self.decompress(message).map(Some) } else { Ok(Some(message)) }
    }

    /// To be called where the stream ends.
    ///
    /// # Errors
    ///
    /// INTERNAL where the stream ended inside a message.
    pub fn finish(&self) -> Result<(), Status> {
        match self.head {
            None if self.buffered == 0 => Ok(()),
            None => Err(Status::internal(format!(
                "the stream ended inside a message's prefix: {} of {PREFIX} bytes arrived",
                self.buffered
            ))),
            Some((_, length)) => Err(Status::internal(format!(
                "the stream ended inside a message: {} of {length} bytes arrived",
                self.buffered
            ))),
        }
    }

    fn read_prefix(&mut self) -> Result<Option<(bool, usize)>, Status> {
        if self.buffered < PREFIX {
            return Ok(None);
        }
        let mut head = [0; PREFIX];
        let mut at = 0;
        for piece in self.take(PREFIX).pieces() {
            head[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        let [flag, a, b, c, d] = head;
        let compressed = match flag {
            0 => false,
            1 if self.encoding != Encoding::Identity => true,
            1 => {
                return Err(Status::internal(
                    "a message is marked as compressed, but the peer named no grpc-encoding",
                ));
            }
            other => {
                return Err(Status::internal(format!(
                    "a message starts with the flag {other}; expected 0 or 1: this is not gRPC framing"
                )));
            }
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > self.limit {
            return Err(self.too_long(format!("{length} bytes")));
        }
        Ok(Some((compressed, length)))
    }

    fn too_long(&self, what: String) -> Status {
        Status::resource_exhausted(format!(
            "received a message of {what}; the limit is {} bytes (maxReceiveBytes)",
            self.limit
        ))
    }

    /// Takes `length` bytes that are known to be here.
    fn take(&mut self, length: usize) -> Message {
        self.buffered -= length;
        let mut message = Message::default();
        if self.buffered < memory::LARGE {
            message.large = self.large.take();
        }
        let mut missing = length;
        while missing > 0 && !self.front.is_empty() {
            let piece = self.front.split_to(missing.min(self.front.len()));
            if self.front.is_empty() {
                self.front = self.chunks.pop_front().unwrap_or_default();
            }
            missing -= piece.len();
            if message.first.is_empty() {
                message.first = piece;
            } else {
                message.rest.push(piece);
            }
        }
        message
    }

    fn decompress(&self, message: Message) -> Result<Message, Status> {
        let packed = message.into_bytes();
        // One byte past the limit tells a message that is too long from one that just fits.
        let most = self.limit.saturating_add(1) as u64;
        let mut out = Vec::with_capacity(packed.len().saturating_mul(2).min(self.limit));
        let read = match self.encoding {
            Encoding::Gzip => flate2::read::MultiGzDecoder::new(&*packed).take(most).read_to_end(&mut out),
            Encoding::Deflate => flate2::read::ZlibDecoder::new(&*packed).take(most).read_to_end(&mut out),
            Encoding::Identity => Ok(0),
        };
        read.map_err(|e| {
            Status::internal(format!("a message does not decompress as {}: {e}", self.encoding.name()))
        })?;
        if out.len() > self.limit {
            return Err(self.too_long(format!("more than {} bytes once decompressed", self.limit)));
        }
        Ok(Bytes::from(out).into())
    }
}

/// Whether a content-type is gRPC's: `application/grpc`, alone or with a subtype (`+proto`) or parameters
/// (`;charset=…`).
pub fn is_grpc(content_type: &[u8]) -> bool {
    content_type.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
        && matches!(content_type.get(16), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn all(deframer: &mut Deframer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| deframer.next().unwrap()).map(|m| m.into_bytes().to_vec()).collect()
    }

    #[test]
    fn messages_come_out_however_the_bytes_are_cut() {
        let messages: [&[u8]; 4] = [b"", b"a", b"hello", &[7; 300]];
        let wire: Vec<u8> =
            messages.iter().flat_map(|m| frame(m, Encoding::Identity).unwrap().to_vec()).collect();
        for cut in 1..=wire.len() {
            let mut deframer = Deframer::new(Encoding::Identity, 1000);
            let mut out = Vec::new();
            for piece in wire.chunks(cut) {
                deframer.push(Bytes::copy_from_slice(piece));
                out.extend(all(&mut deframer));
            }
            assert_eq!(out, messages, "cut at {cut}");
            deframer.finish().unwrap();
        }
    }

    #[test]
    fn compressed_messages_come_out() {
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let wire = frame(&[b'x'; 10_000], encoding).unwrap();
            assert!(wire.len() < 200 && wire[0] == 1);
            let mut deframer = Deframer::new(encoding, 10_000);
            deframer.push(wire);
            assert_eq!(all(&mut deframer), [vec![b'x'; 10_000]]);
        }
    }

    #[test]
    fn limits_hold_before_and_after_decompression() {
        let mut deframer = Deframer::new(Encoding::Identity, 10);
        deframer.push(frame(&[0; 11], Encoding::Identity).unwrap());
        assert_eq!(deframer.next().unwrap_err().code(), Code::ResourceExhausted);

        let bomb = frame(&vec![0; 1 << 20], Encoding::Gzip).unwrap();
        let mut deframer = Deframer::new(Encoding::Gzip, 1 << 16);
        deframer.push(bomb);
        assert_eq!(deframer.next().unwrap_err().code(), Code::ResourceExhausted);
    }

    #[test]
    fn what_is_not_framing_is_internal() {
        for bytes in [&b"<html>"[..], &[1, 0, 0, 0, 0]] {
            let mut deframer = Deframer::new(Encoding::Identity, 10);
            deframer.push(Bytes::copy_from_slice(bytes));
            assert_eq!(deframer.next().unwrap_err().code(), Code::Internal);
            assert_eq!(deframer.next().unwrap_err().code(), Code::Internal);
        }
        let mut deframer = Deframer::new(Encoding::Identity, 10);
        deframer.push(Bytes::from_static(&[0, 0, 0, 0, 9, 1]));
        assert!(deframer.next().unwrap().is_none());
        assert!(deframer.finish().unwrap_err().message().contains("1 of 9 bytes"));
        let mut deframer = Deframer::new(Encoding::Gzip, 10);
        deframer.push(Bytes::from_static(&[1, 0, 0, 0, 2, 1, 2]));
        assert_eq!(deframer.next().unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn content_types() {
        for good in ["application/grpc", "application/grpc+proto", "application/grpc;v=1", "Application/GRPC"]
        {
            assert!(is_grpc(good.as_bytes()), "{good}");
        }
        for bad in ["", "application/grpc-web", "application/grpcx", "application/json", "text/html"] {
            assert!(!is_grpc(bad.as_bytes()), "{bad}");
        }
    }
}
