//! What a client speaks, by its first bytes. They are read once and given back in front of the rest.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::http2::PREFACE;

/// The longest method that is taken for one.
const LONGEST_METHOD: usize = 24;

/// A protocol that can be told by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// A TLS handshake.
    Tls,
    Http2,
    /// A line that begins as a request of HTTP/1.
    Http1,
    Unknown,
}

/// What these first bytes are; `None` where more are needed.
fn tell(bytes: &[u8]) -> Option<Protocol> {
    let (&first, rest) = bytes.split_first()?;
    // RFC 8446, section 5.1: a handshake record, of any version.
    if first == 0x16 {
        return match rest.first() {
            None => None,
            Some(3) => Some(Protocol::Tls),
            Some(_) => Some(Protocol::Unknown),
        };
    }
    let same = bytes.iter().zip(PREFACE).take_while(|(a, b)| a == b).count();
    if same == PREFACE.len() {
        return Some(Protocol::Http2);
    }
    if same == bytes.len() {
        return None;
    }
    // Beyond "PRI " nothing else is a request.
    if same >= 4 {
        return Some(Protocol::Unknown);
    }
    let method = bytes.iter().take_while(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_')).count();
    match bytes.get(method) {
        None if method <= LONGEST_METHOD => None,
        Some(b' ') if method > 0 && method <= LONGEST_METHOD => Some(Protocol::Http1),
        _ => Some(Protocol::Unknown),
    }
}

/// Reads until it is clear what is spoken.
///
/// # Errors
///
/// Those of the socket; the peer ended before it was clear.
pub(super) async fn sniff<IO: AsyncRead + Unpin>(mut io: IO) -> io::Result<(Protocol, Prefixed<IO>)> {
    let mut head = [0; 32];
    let mut length = 0;
    loop {
        let Some(free) = head.get_mut(length..).filter(|free| !free.is_empty()) else {
            return Ok((Protocol::Unknown, Prefixed { head, at: 0, length, io }));
        };
        match io.read(free).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => length += n,
        }
        if let Some(protocol) = tell(head.get(..length).unwrap_or_default()) {
            return Ok((protocol, Prefixed { head, at: 0, length, io }));
        }
    }
}

/// A byte stream whose first bytes were read already.
#[derive(Debug)]
pub(super) struct Prefixed<IO> {
    head: [u8; 32],
    at: usize,
    length: usize,
    io: IO,
}

impl<IO> Prefixed<IO> {
    /// One of which nothing was read.
    pub(super) fn unread(io: IO) -> Self {
        Self { head: [0; 32], at: 0, length: 0, io }
    }

    pub(super) fn get_ref(&self) -> &IO {
        &self.io
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Prefixed<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at < this.length {
            let left = this.head.get(this.at..this.length).unwrap_or_default();
            let taken = left.len().min(buf.remaining());
            buf.put_slice(left.get(..taken).unwrap_or_default());
            this.at += taken;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Prefixed<IO> {
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
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        assert_eq!(tell(PREFACE), Some(Protocol::Http2));
        for at in 0..PREFACE.len() {
            assert_eq!(tell(&PREFACE[..at]), None, "{at}");
        }
        assert_eq!(tell(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"), Some(Protocol::Unknown));
        assert_eq!(tell(b"PRI /"), Some(Protocol::Unknown));
        assert_eq!(tell(&[0x16]), None);
        assert_eq!(tell(&[0x16, 3, 1]), Some(Protocol::Tls));
        assert_eq!(tell(&[0x16, 0xff]), Some(Protocol::Unknown));
        for good in ["GET / HTTP/1.1", "POST /", "M-SEARCH *", "P /", "PR /"] {
            assert_eq!(tell(good.as_bytes()), Some(Protocol::Http1), "{good}");
        }
        for short in ["GET", "G", "POST"] {
            assert_eq!(tell(short.as_bytes()), None, "{short}");
        }
        for bad in ["get /", " GET", "\r\n", "\0\0", &"A".repeat(25)] {
            assert_eq!(tell(bad.as_bytes()), Some(Protocol::Unknown), "{bad:?}");
        }
    }

    #[test]
    fn what_was_read_comes_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(64);
            use tokio::io::AsyncWriteExt as _;
            theirs.write_all(b"GET / HTTP/1.1\r\n\r\nmore").await.unwrap();
            drop(theirs);
            let (protocol, mut stream) = sniff(ours).await.unwrap();
            assert_eq!(protocol, Protocol::Http1);
            let mut all = String::new();
            stream.read_to_string(&mut all).await.unwrap();
            assert_eq!(all, "GET / HTTP/1.1\r\n\r\nmore");
        });
    }
}
