//! Byte streams: TCP and unix sockets, bare or under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::reactor::fork::Tracked;

/// A connected socket. A forked child closes its copy at birth.
#[derive(Debug)]
pub struct Socket {
    // Before the stream: a descriptor is given back before it is closed.
    _tracked: Tracked,
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        // A failure leaves small packets waiting, nothing worse.
        let _ = stream.set_nodelay(true);
        Self { _tracked: Tracked::new(&stream), stream: Stream::Tcp(stream) }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { _tracked: Tracked::new(&stream), stream: Stream::Unix(stream) }
    }
}

impl Socket {
    /// Our end of a TCP connection, and the other one.
    pub(crate) fn ends(&self) -> Option<(std::net::SocketAddr, std::net::SocketAddr)> {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().ok().zip(stream.peer_addr().ok()),
            Stream::Unix(_) => None,
        }
    }

    /// Has the connection reset when it is closed, so that the peer takes nothing for whole.
    #[cfg(feature = "proxy")]
    pub(crate) fn reset_on_close(&self) {
        if let Stream::Tcp(stream) = &self.stream {
            // A failure leaves an end in order, as unix sockets have it.
            let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Reads without taking anything away.
    ///
    /// # Errors
    ///
    /// Those of the socket; a unix socket does not do this.
    pub(super) async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => stream.peek(buf).await,
            Stream::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A socket, or TLS over one, as one type for the layers above.
#[derive(Debug)]
pub enum Transport {
    /// Plaintext.
    Plain(Socket),
    /// TLS, this side being the client.
    Client(Box<tokio_rustls::client::TlsStream<Socket>>),
    /// TLS, this side being the server.
    Server(Box<tokio_rustls::server::TlsStream<Socket>>),
}

/// Reads and writes through whichever variant there is.
macro_rules! delegate {
    ($type:ty, $self:ident => $inner:expr, $($variant:path),+) => {
        impl AsyncRead for $type {
            fn poll_read(
                $self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match $inner { $($variant(s) => Pin::new(s).poll_read(cx, buf),)+ }
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                $self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                match $inner { $($variant(s) => Pin::new(s).poll_write(cx, buf),)+ }
            }

            fn poll_write_vectored(
                $self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match $inner { $($variant(s) => Pin::new(s).poll_write_vectored(cx, bufs),)+ }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush($self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match $inner { $($variant(s) => Pin::new(s).poll_flush(cx),)+ }
            }

            fn poll_shutdown($self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match $inner { $($variant(s) => Pin::new(s).poll_shutdown(cx),)+ }
            }
        }
    };
}

delegate!(Socket, self => &mut self.get_mut().stream, Stream::Tcp, Stream::Unix);
delegate!(Transport, self => self.get_mut(), Transport::Plain, Transport::Client, Transport::Server);
