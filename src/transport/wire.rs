//! Between h2 and the socket: one turn of a connection, one write.
//!
//! h2 flushes after every DATA frame, so a message of 1 MiB in frames of 16 KiB is 64 `writev`. Here
//! what h2 writes is gathered, and the connection's task calls [`Flusher::poll_flush`] once h2 has
//! nothing more to say for now. The copy that this costs is a tenth of the system calls it saves.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use crate::error::quote;
use crate::tls;

/// How much is gathered before it is written without being asked.
const FULL: usize = 64 * 1024;

/// A buffer that has grown past this is given back once it is empty, so that idle connections are small.
const KEEP: usize = 8 * 1024;

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    out: BytesMut,
    /// Whether anything was read since [`Flusher::heard`] was last asked.
    heard: bool,
    /// Whether anything was ever read.
    greeted: bool,
    complaint: Complaint,
    /// What was written is looked for DATA and HEADERS, where somebody asks for them.
    sent: Option<Frames>,
    /// What was read is looked for GOAWAY, likewise.
    received: Option<Frames>,
}

/// A sentence about what a peer sent, where h2 would only find a broken frame or connection.
pub type Complaint = Arc<OnceLock<String>>;

/// The side that h2 reads from and writes to.
#[derive(Debug)]
pub struct Wire<S>(Arc<Mutex<Inner<S>>>);

/// The side of the task that drives the connection.
#[derive(Debug)]
pub struct Flusher<S>(Arc<Mutex<Inner<S>>>);

/// Puts a wire before `stream`.
pub fn wire<S>(stream: S) -> (Wire<S>, Flusher<S>) {
    let inner = Inner {
        stream,
        out: BytesMut::new(),
        heard: false,
        greeted: false,
        complaint: Arc::default(),
        sent: None,
        received: None,
    };
    let inner = Arc::new(Mutex::new(inner));
    (Wire(Arc::clone(&inner)), Flusher(inner))
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.out.is_empty() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(n);
        }
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        } else {
            self.out.clear();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncWrite + Unpin> Flusher<S> {
    /// Writes what h2 has gathered. Pending while the socket takes no more; the task is woken then.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_drain(cx)
    }

    /// Where it is said what is wrong with the peer, before h2 sees it.
    pub fn complaint(&self) -> Complaint {
        Arc::clone(&lock(&self.0).complaint)
    }

    /// Whether anything was ever read.
    pub fn is_greeted(&self) -> bool {
        lock(&self.0).greeted
    }

    /// Whether anything was read since this was last asked.
    pub fn heard(&self) -> bool {
        std::mem::take(&mut lock(&self.0).heard)
    }
}

// The types of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

/// What a client writes before its first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;

impl<S> Flusher<S> {
    /// Looks for DATA and HEADERS from here on, on the client's side of a connection that begins.
    pub fn watch_sent(&self) {
        lock(&self.0).sent = Some(Frames::after(PREFACE, |kind| matches!(kind, DATA | HEADERS)));
    }

    /// Whether DATA or HEADERS were written since this was last asked.
    pub fn sent(&self) -> bool {
        lock(&self.0).sent.as_mut().is_some_and(Frames::found)
    }

    /// Looks for GOAWAY from here on, on the client's side of a connection that begins.
    pub fn watch_received(&self) {
        lock(&self.0).received = Some(Frames::after(0, |kind| kind == GOAWAY));
    }

    /// Whether a whole GOAWAY was read since this was last asked.
    pub fn told_to_go(&self) -> bool {
        lock(&self.0).received.as_mut().is_some_and(Frames::found)
    }
}

/// A poisoned lock means that a poll panicked; the connection's task has ended with it.
fn lock<S>(inner: &Mutex<Inner<S>>) -> std::sync::MutexGuard<'_, Inner<S>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is wrong with a peer that begins so, where it speaks HTTP/1.
pub(crate) fn no_http2(said: &[u8]) -> Option<String> {
    let line =
        said.split(|b| matches!(b, b'\r' | b'\n')).next().filter(|line| line.starts_with(b"HTTP/1"))?;
    let line = quote(&String::from_utf8_lossy(line)).to_string();
    Some(format!("the peer answered {line}: it does not speak HTTP/2, at least not on this port"))
}

/// Why TLS ended a connection that stood: with TLS 1.3 a server refuses our certificate when the handshake is over for
/// us.
pub(crate) fn refused(error: &io::Error) -> Option<String> {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()).then(|| tls::explain(error))
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *lock(&self.0);
        let before = buf.filled().len();
        if let Err(error) = ready!(Pin::new(&mut inner.stream).poll_read(cx, buf)) {
            if let Some(complaint) = refused(&error) {
                let _ = inner.complaint.set(complaint);
            }
            return Poll::Ready(Err(error));
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        inner.heard |= !read.is_empty();
        if let Some(frames) = &mut inner.received {
            frames.look(read);
        }
        if !inner.greeted && !read.is_empty() {
            inner.greeted = true;
            if let Some(complaint) = no_http2(read) {
                let _ = inner.complaint.set(complaint);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = &mut *lock(&self.0);
        if inner.out.len() >= FULL {
            ready!(inner.poll_drain(cx))?;
        }
        let length = bufs.iter().map(|b| b.len()).sum();
        inner.out.reserve(length);
        for buf in bufs {
            inner.out.extend_from_slice(buf);
            if let Some(frames) = &mut inner.sent {
                frames.look(buf);
            }
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the connection's task flushes when its turn ends.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *lock(&self.0);
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn writes_wait_for_the_flush_and_pass_when_full() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            let (mut wire, flusher) = wire(ours);
            wire.write_all(b"head").await.unwrap();
            wire.flush().await.unwrap();
            let mut buf = vec![0; 1 << 17];
            assert!(crate::reactor::poll_now(theirs.read(&mut buf)).is_pending());
            poll_fn(|cx| flusher.poll_flush(cx)).await.unwrap();
            assert_eq!(theirs.read(&mut buf).await.unwrap(), 4);

            for _ in 0..5 {
                wire.write_all(&[7; 16 * 1024]).await.unwrap();
            }
            // Four frames fill the buffer; the fifth pushes them out.
            assert_eq!(theirs.read(&mut buf).await.unwrap(), FULL);
            wire.shutdown().await.unwrap();
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), 16 * 1024);
        });
    }
}
