//! The place where an accepted socket becomes what HTTP/2 runs on.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::flow::Flow;
use crate::transport::wire::{Flusher, Wire, wire};

/// Who is on the other side; formatted only when asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PeerAddr {
    Ip(SocketAddr),
    Unix,
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => match addr.ip().to_canonical() {
                std::net::IpAddr::V4(ip) => write!(f, "ipv4:{ip}:{}", addr.port()),
                std::net::IpAddr::V6(ip) => write!(f, "ipv6:[{ip}]:{}", addr.port()),
            },
            Self::Unix => f.write_str("unix:"),
        }
    }
}

/// What HTTP/2 runs on: `io` (a socket, or TLS over one) with whatever belongs around it. `reads` is
/// counted for keepalive; what HTTP/2 writes is gathered until the flusher is asked; what it receives is under `flow`.
pub(crate) fn wrap<IO>(io: IO, reads: Arc<AtomicU64>, flow: Flow) -> (Wire<Watched<IO>>, Flusher<Watched<IO>>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    wire(Watched { io, reads }, flow)
}

/// Counts the reads that brought something, so that silence can be told.
pub(crate) struct Watched<IO> {
    io: IO,
    reads: Arc<AtomicU64>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
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
    fn peers_are_written_as_grpc_writes_them() {
        let ip = |text: &str| PeerAddr::Ip(text.parse().unwrap()).to_string();
        assert_eq!(ip("1.2.3.4:5"), "ipv4:1.2.3.4:5");
        assert_eq!(ip("[::1]:5"), "ipv6:[::1]:5");
        assert_eq!(ip("[::ffff:1.2.3.4]:5"), "ipv4:1.2.3.4:5");
        assert_eq!(PeerAddr::Unix.to_string(), "unix:");
    }
}
