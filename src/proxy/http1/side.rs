//! The two directions of a connection, apart from each other.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::body::{Decoder, Framing, Piece, chunk_head, chunks_end};

/// How much is read at once: of what may be a head, and of a body.
const HEAD: usize = 4 << 10;
const BODY: usize = 32 << 10;

/// What is smaller is written together with what comes before and behind it.
const SMALL: usize = 4 << 10;

/// How much is read ahead of a client that does not wait for its answers.
const AHEAD: usize = 64 << 10;

/// What comes in.
#[derive(Debug)]
pub(super) struct Reader<IO> {
    pub(super) io: ReadHalf<IO>,
    /// What has been read, and not been taken.
    pub(super) buf: BytesMut,
    /// How much of `buf` was looked at for the end of a head.
    pub(super) looked: usize,
    /// Bytes of bodies that were taken, for whoever counts.
    pub(super) carried: u64,
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Writer<IO> {
    pub(super) io: WriteHalf<IO>,
    /// What is to be written with the next piece.
    pub(super) out: BytesMut,
    /// When the answer that is under way came.
    pub(super) begun: Option<Instant>,
    /// Something of it has left.
    left: bool,
    /// Bytes of bodies that were written, for whoever counts.
    pub(super) carried: u64,
}

/// Takes a connection apart.
pub(super) fn split<IO: AsyncRead + AsyncWrite>(io: IO) -> (Reader<IO>, Writer<IO>) {
    let (read, write) = tokio::io::split(io);
    let reader = Reader { io: read, buf: BytesMut::new(), looked: 0, carried: 0 };
    (reader, Writer { io: write, out: BytesMut::new(), begun: None, left: false, carried: 0 })
}

/// How much of a request's body has not been read yet, for those who answer meanwhile.
#[derive(Debug)]
pub(super) struct Left(AtomicU64);

/// What is not known.
const UNKNOWN: u64 = u64::MAX;

/// A rest that is read behind the answer, so that the connection can go on.
const REST: u64 = 64 << 10;

/// How long it may take.
const REST_TIME: Duration = Duration::from_secs(1);

impl Left {
    pub(super) fn of(decoder: &Decoder) -> Self {
        Self(AtomicU64::new(decoder.left().unwrap_or(UNKNOWN)))
    }

    pub(super) fn note(&self, decoder: &Decoder) {
        self.0.store(decoder.left().unwrap_or(UNKNOWN), Relaxed);
    }

    /// Whether the connection can go on behind the answer: otherwise the answer must say that it does not.
    pub(super) fn is_short(&self) -> bool {
        self.0.load(Relaxed) <= REST
    }
}

/// Why a body did not get across.
#[derive(Debug)]
pub(super) enum Broken {
    /// It ended before its end, or cannot be read.
    From(String),
    /// It is legal, but not what it says it is.
    Wrong(&'static str),
    /// Nobody takes it.
    To,
}

impl<IO: AsyncRead> Reader<IO> {
    async fn fill(&mut self, room: usize) -> io::Result<usize> {
        self.buf.reserve(room);
        self.io.read_buf(&mut self.buf).await
    }

    /// Reads more of what may be a head.
    pub(super) async fn more(&mut self) -> io::Result<usize> {
        self.fill(HEAD).await
    }

    /// Ready when the other side has gone. What it sends meanwhile is kept, up to a limit.
    pub(super) async fn gone(&mut self) {
        while self.buf.len() < AHEAD {
            if !matches!(self.more().await, Ok(1..)) {
                return;
            }
        }
        std::future::pending().await
    }

    /// The next piece of a body: data, or its end with the trailers.
    pub(super) async fn piece(&mut self, decoder: &mut Decoder) -> Result<Piece, Broken> {
        loop {
            match decoder.next(&mut self.buf).map_err(Broken::Wrong)? {
                Piece::More => {}
                piece => return Ok(piece),
            }
            match self.fill(BODY).await {
                Ok(0) if decoder.ends_with_connection() => return Ok(Piece::End(None)),
                Ok(0) => return Err(Broken::From("it ended before its end".into())),
                Ok(_) => {}
                Err(error) => return Err(Broken::From(error.to_string())),
            }
        }
    }

    /// Reads what is left of a body that nobody wants any more. Whether its end came.
    pub(super) async fn skip(&mut self, decoder: &mut Decoder) -> bool {
        let read = async {
            loop {
                match self.piece(decoder).await {
                    Ok(Piece::End(_)) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(REST_TIME, read).await.unwrap_or(false)
    }

    /// Gives unused room back, while nothing is expected soon.
    pub(super) fn rest(&mut self) {
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
    }
}

impl<IO: AsyncWrite> Writer<IO> {
    /// An answer comes next.
    pub(super) fn begin(&mut self) {
        (self.begun, self.left) = (Some(Instant::now()), false);
    }

    /// Whether something of an answer has left, so that no other can take its place.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some() && self.left
    }

    /// Writes a piece of a body; a small one waits for what follows.
    pub(super) async fn data(&mut self, data: Bytes, framing: Framing) -> io::Result<()> {
        let chunked = framing == Framing::Chunked;
        if chunked {
            chunk_head(data.len(), &mut self.out);
        }
        if data.len() <= SMALL {
            self.out.extend_from_slice(&data);
        } else {
            self.left = true;
            let mut both = (&mut self.out).chain(data);
            self.io.write_all_buf(&mut both).await?;
        }
        if chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        if self.out.len() > BODY {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes the end of a body.
    pub(super) async fn end(&mut self, framing: Framing, trailers: Option<&HeaderMap>) -> io::Result<()> {
        if framing == Framing::Chunked {
            chunks_end(trailers, &mut self.out);
        }
        self.flush().await
    }

    /// Writes what waits.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.left |= !self.out.is_empty();
        self.io.write_all_buf(&mut self.out).await?;
        if self.out.capacity() > BODY {
            self.out = BytesMut::new();
        }
        self.io.flush().await
    }
}

/// Carries a body across. What waits to be written goes before anything is waited for.
pub(super) async fn carry<A: AsyncRead, B: AsyncWrite>(
    from: &mut Reader<A>,
    decoder: &mut Decoder,
    to: &mut Writer<B>,
    goes: Framing,
    left: &Left,
) -> Result<(), Broken> {
    loop {
        let piece = match decoder.next(&mut from.buf).map_err(Broken::Wrong)? {
            Piece::More => {
                to.flush().await.map_err(|_| Broken::To)?;
                from.piece(decoder).await?
            }
            piece => piece,
        };
        left.note(decoder);
        match piece {
            Piece::Data(data) => {
                from.carried += data.len() as u64;
                to.carried += data.len() as u64;
                to.data(data, goes).await.map_err(|_| Broken::To)?;
            }
            Piece::More => {}
            Piece::End(trailers) => return to.end(goes, trailers.as_ref()).await.map_err(|_| Broken::To),
        }
    }
}

/// Carries bytes both ways until both sides have ended; what was read too much of each comes first.
///
/// # Errors
///
/// Those of the sockets.
pub(super) async fn tunnel<A, B>(
    client: (&mut Reader<A>, &mut Writer<A>),
    backend: (&mut Reader<B>, &mut Writer<B>),
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (asked, answered) = (client.0.buf.split().freeze(), backend.0.buf.split().freeze());
    let mut a =
        tokio::io::join(tokio::io::AsyncReadExt::chain(&asked[..], &mut client.0.io), &mut client.1.io);
    let mut b =
        tokio::io::join(tokio::io::AsyncReadExt::chain(&answered[..], &mut backend.0.io), &mut backend.1.io);
    crate::proxy::tcp::both_ways(&mut a, &mut b).await
}
