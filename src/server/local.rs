//! Clients on unix sockets: an invalid `:authority` is replaced by `localhost`.
//!
//! gRPC implementations disagree on the authority of a socket's path. grpcio sends the path percent-encoded, which RFC 3986
//! (section 3.2.2) allows in a registered name; grpc-java sends it as it is. h2 resets streams with either. So on unix
//! sockets header blocks are decoded before h2 reads them, and encoded again as literals without indexing (RFC 7541, section
//! 6.2.2). All other frames pass unchanged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use http::uri::Authority;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::config::MAX_FRAME;
use crate::transport::hpack::{Decoder, Name};

/// The bytes that a client's side begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// A frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// The longest frame, coming and going.
const FRAME: usize = MAX_FRAME as usize;
/// How much is read at once.
const READ: usize = 16 << 10;
/// The size of the table that h2 lets its peers have.
const TABLE: usize = 4096;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// A client's socket, and what h2 reads of it.
pub(super) struct Local<IO> {
    io: IO,
    decoder: Decoder,
    /// The longest list of headers that h2 takes: beyond it nothing is written, so that a few bytes do not become many.
    limit: usize,
    scratch: Box<[u8]>,
    /// What has come and is not whole.
    raw: BytesMut,
    /// What h2 reads next.
    ready: BytesMut,
    /// How much passes as it is.
    pass: usize,
    /// The block that is being gathered: its stream, and whether the stream ends with it.
    block: Option<(u32, bool)>,
    fragments: Vec<u8>,
}

impl<IO> Local<IO> {
    /// `limit` is the longest list of headers, in bytes as HTTP/2 counts them.
    pub(super) fn new(io: IO, limit: usize) -> Self {
        Self {
            io,
            decoder: Decoder::new(TABLE),
            limit,
            scratch: vec![0; READ].into(),
            raw: BytesMut::new(),
            ready: BytesMut::new(),
            pass: PREFACE,
            block: None,
            fragments: Vec::new(),
        }
    }

    /// Takes what is whole.
    fn take(&mut self) -> io::Result<()> {
        loop {
            if self.pass > 0 {
                let passing = self.pass.min(self.raw.len());
                self.ready.unsplit(self.raw.split_to(passing));
                self.pass -= passing;
            }
            let Some(head) = self.raw.first_chunk::<HEAD>().copied() else { return Ok(()) };
            let [a, b, c, kind, flags, s, t, u, v] = head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
            match (kind, self.block) {
                (HEADERS, None) => {}
                (CONTINUATION, Some((of, _))) if of == stream => {}
                // Nothing comes between the frames of a block (RFC 9113, section 4.3).
                (HEADERS | CONTINUATION, _) | (_, Some(_)) => {
                    return Err(broken("a header block is out of order"));
                }
                _ => {
                    self.pass = HEAD + length;
                    continue;
                }
            }
            if length > FRAME {
                return Err(broken("a frame is too long"));
            }
            if self.raw.len() < HEAD + length {
                return Ok(());
            }
            self.raw.advance(HEAD);
            let payload = self.raw.split_to(length);
            let fragment = if kind == HEADERS {
                self.block = Some((stream, flags & END_STREAM != 0));
                unpadded(&payload, flags).ok_or_else(|| broken("a frame is all padding"))?
            } else {
                &payload
            };
            // A list is no longer than its block decodes to, and h2 takes no such blocks.
            if self.fragments.len() + fragment.len() > self.limit.saturating_mul(2).max(2 * FRAME) {
                return Err(broken("a header block is too long"));
            }
            self.fragments.extend_from_slice(fragment);
            if flags & END_HEADERS != 0 {
                self.write()?;
            }
        }
    }

    /// Writes the gathered block for h2.
    fn write(&mut self) -> io::Result<()> {
        let (stream, ends) = self.block.take().unwrap_or_default();
        let fragments = std::mem::take(&mut self.fragments);
        let (mut out, mut size) = (Vec::with_capacity(fragments.len() * 2), 0);
        let limit = self.limit;
        let decoded = self.decoder.decode(&fragments, |field| {
            if size > limit {
                return;
            }
            size += field.size;
            match field.what {
                Some((Name::Authority, value)) if Authority::try_from(value.as_bytes()).is_err() => {
                    literal(&mut out, b":authority", b"localhost");
                }
                Some((name, value)) => literal(&mut out, name.as_str().as_bytes(), value.as_bytes()),
                // No name is written so: h2 finds the request malformed, as it is.
                None => literal(&mut out, b"Malformed", b""),
            }
        });
        decoded.map_err(|_| broken("a header block cannot be decoded"))?;
        let mut kind = HEADERS;
        let mut rest = &*out;
        loop {
            let (now, later) = rest.split_at(rest.len().min(FRAME));
            let mut flags = if later.is_empty() { END_HEADERS } else { 0 };
            if ends && kind == HEADERS {
                flags |= END_STREAM;
            }
            let [_, a, b, c] = (now.len() as u32).to_be_bytes();
            self.ready.extend_from_slice(&[a, b, c, kind, flags]);
            self.ready.extend_from_slice(&stream.to_be_bytes());
            self.ready.extend_from_slice(now);
            if later.is_empty() {
                return Ok(());
            }
            (rest, kind) = (later, CONTINUATION);
        }
    }
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A HEADERS frame's payload without padding and priority (RFC 9113, section 6.2).
fn unpadded(mut payload: &[u8], flags: u8) -> Option<&[u8]> {
    if flags & PADDED != 0 {
        let (padding, rest) = payload.split_first()?;
        payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    }
    if flags & PRIORITY != 0 { payload.get(5..) } else { Some(payload) }
}

/// A field that enters no table, its name and value as they are (RFC 7541, sections 5.1, 5.2 and 6.2.2).
fn literal(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(0);
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(short) if short < 0x7f => out.push(short),
            _ => {
                out.push(0x7f);
                let mut rest = text.len() - 0x7f;
                while rest >= 0x80 {
                    out.push((rest & 0x7f) as u8 | 0x80);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
        }
        out.extend_from_slice(text);
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Local<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let now = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready.split_to(now));
                return Poll::Ready(Ok(()));
            }
            if this.pass > 0 && this.raw.is_empty() {
                // The most of a long message goes where it belongs at once.
                let room = this.pass.min(buf.remaining());
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
                ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
                let read = part.filled().len();
                buf.advance(read);
                this.pass -= read;
                return Poll::Ready(Ok(()));
            }
            let mut part = ReadBuf::new(&mut this.scratch);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.raw.extend_from_slice(part.filled());
            this.take()?;
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Local<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
        let mut out = vec![a, b, c, kind, flags];
        out.extend_from_slice(&stream.to_be_bytes());
        out.extend_from_slice(payload);
        out
    }

    /// What h2 reads of what comes in pieces of this size.
    async fn passed(sent: &[u8], piece: usize, limit: usize) -> io::Result<Vec<u8>> {
        let (mut theirs, ours) = tokio::io::duplex(1 << 20);
        for part in sent.chunks(piece) {
            theirs.write_all(part).await.unwrap();
        }
        drop(theirs);
        let mut out = Vec::new();
        Local::new(ours, limit).read_to_end(&mut out).await.map(|_| out)
    }

    fn request(authority: &[u8]) -> Vec<u8> {
        // POST, http, /a by the static table and literals; the authority enters the table.
        let mut block = vec![0x83, 0x86, 0x04, 2, b'/', b'a', 0x41, authority.len() as u8];
        block.extend_from_slice(authority);
        block
    }

    fn rewritten(authority: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        let fields: [(&[u8], &[u8]); 4] =
            [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a"), (b":authority", authority)];
        for (name, value) in fields {
            literal(&mut block, name, value);
        }
        block
    }

    #[tokio::test]
    async fn what_is_no_authority_is_localhost_and_all_else_passes() {
        let preface = [b'P'; PREFACE];
        let data = frame(0, 1, 1, &[7; 30_000]);
        for (authority, expected) in [
            (&b"tmp%2Fx.sock"[..], &b"localhost"[..]),
            (b"/tmp/x.sock", b"localhost"),
            (b"host:1", b"host:1"),
        ] {
            // The second request has the authority by its number, and comes in two frames, with padding and priority.
            let (first, second) = (request(authority), [0x83, 0x86, 0x04, 2, b'/', b'a', 0xbe]);
            let mut padded = vec![3, 0, 0, 0, 0, 16];
            padded.extend_from_slice(&second[..4]);
            padded.extend_from_slice(&[0; 3]);
            let sent = [
                preface.to_vec(),
                frame(4, 0, 0, &[]),
                frame(HEADERS, END_HEADERS, 1, &first),
                data.clone(),
                frame(HEADERS, PADDED | PRIORITY | END_STREAM, 3, &padded),
                frame(CONTINUATION, END_HEADERS, 3, &second[4..]),
                frame(6, 0, 0, &[0; 8]),
            ]
            .concat();
            let expected = [
                preface.to_vec(),
                frame(4, 0, 0, &[]),
                frame(HEADERS, END_HEADERS, 1, &rewritten(expected)),
                data.clone(),
                frame(HEADERS, END_HEADERS | END_STREAM, 3, &rewritten(expected)),
                frame(6, 0, 0, &[0; 8]),
            ]
            .concat();
            for piece in [1, 7, 1000, sent.len()] {
                assert!(passed(&sent, piece, 1 << 14).await.unwrap() == expected, "{piece}");
            }
        }
    }

    #[tokio::test]
    async fn a_few_bytes_do_not_become_many() {
        // A field of 4,000 bytes that enters the table, and then its number ten thousand times.
        let mut block = vec![0x40, 1, b'k', 0x7f, 0xa1, 0x1e];
        block.extend_from_slice(&[b'v'; 4000]);
        block.extend_from_slice(&[0xbe; 10_000]);
        let sent = [vec![b'P'; PREFACE], frame(HEADERS, END_HEADERS, 1, &block)].concat();
        let out = passed(&sent, sent.len(), 1 << 14).await.unwrap();
        assert!(out.len() < 30_000, "{}", out.len());
        // A block without end.
        let mut endless = [vec![b'P'; PREFACE], frame(HEADERS, 0, 1, &block)].concat();
        for _ in 0..20 {
            endless.extend_from_slice(&frame(CONTINUATION, 0, 1, &[0xbe; 16_000]));
        }
        assert!(passed(&endless, endless.len(), 1 << 14).await.is_err());
        for wrong in [
            frame(HEADERS, END_HEADERS, 1, &[0x7f]),
            frame(CONTINUATION, END_HEADERS, 1, &block),
            [frame(HEADERS, 0, 1, &block), frame(6, 0, 0, &[0; 8])].concat(),
            [frame(HEADERS, 0, 1, &block), frame(HEADERS, END_HEADERS, 3, &[0x83])].concat(),
            [frame(HEADERS, 0, 1, &block), frame(CONTINUATION, END_HEADERS, 3, &[0x83])].concat(),
            frame(HEADERS, END_HEADERS, 1, &[0; FRAME + 1]),
        ] {
            let sent = [vec![b'P'; PREFACE], wrong].concat();
            assert!(passed(&sent, sent.len(), 1 << 14).await.is_err());
        }
    }

    #[test]
    fn lengths_are_written_as_the_decoder_reads_them() {
        for length in [0, 1, 126, 127, 128, 254, 255, 300, 20_000] {
            let mut block = Vec::new();
            let value = vec![b'x'; length];
            literal(&mut block, b"k", &value);
            let mut seen = Vec::new();
            Decoder::new(TABLE)
                .decode(&block, |field| seen.push(field.what.map(|(_, value)| value.as_bytes().to_vec())))
                .unwrap();
            assert_eq!(seen, [Some(value)], "{length}");
        }
    }
}
