//! What is to be written: small things gathered in one piece, large ones where they lie.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

/// From this length on bytes are written from where they lie; below, a copy costs less than a piece of its own.
const BY_REFERENCE: usize = 4096;

/// A buffer that has grown past this is given back once it is empty. Smaller ones stay as long as there are streams.
const KEEP: usize = 128 << 10;

/// How many pieces go into one write.
const PIECES: usize = 64;

/// Frames on their way to the socket.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Before the tail.
    pieces: VecDeque<Bytes>,
    /// Bytes in `pieces`.
    queued: usize,
    tail: Vec<u8>,
    /// What of the tail is written.
    written: usize,
}

impl Out {
    /// Gives back what is not needed while nothing happens. To be called when all is written.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            self.tail = Vec::new();
            self.pieces = VecDeque::new();
            self.written = 0;
        }
    }

    /// Where small frames are appended.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends bytes that may be many.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < BY_REFERENCE {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        if self.tail.len() > self.written {
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            tail.advance(self.written);
            self.queued += tail.len();
            self.pieces.push_back(tail);
        } else {
            self.tail.clear();
        }
        self.written = 0;
        self.queued += bytes.len();
        self.pieces.push_back(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.queued + self.tail.len() - self.written
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes all of it. Pending while the socket takes no more.
    pub(super) fn poll_flush<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.is_empty() {
            let rest = self.tail.get(self.written..).unwrap_or_default();
            let written = if self.pieces.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, rest))?
            } else {
                let mut slices = [IoSlice::new(&[]); PIECES];
                let all = self.pieces.iter().map(|piece| &**piece).chain([rest]);
                let mut count = 0;
                for (slot, piece) in slices.iter_mut().zip(all) {
                    *slot = IoSlice::new(piece);
                    count += 1;
                }
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.tail.capacity() > KEEP {
            self.tail = Vec::new();
        } else {
            self.tail.clear();
        }
        self.written = 0;
        Pin::new(io).poll_flush(cx)
    }

    fn advance(&mut self, mut by: usize) {
        while let Some(first) = self.pieces.front_mut() {
            let taken = by.min(first.len());
            first.advance(taken);
            self.queued -= taken;
            by -= taken;
            if !first.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        self.written += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt as _;

    #[test]
    fn what_is_pushed_leaves_in_its_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // The socket takes little at a time.
            let (mut ours, mut theirs) = tokio::io::duplex(1000);
            let mut out = Out::default();
            let mut expected = Vec::new();
            for n in 0..200_u8 {
                let length = if n % 3 == 0 { 5000 } else { 100 };
                if n % 2 == 0 {
                    out.tail().extend_from_slice(&[n; 9]);
                    expected.extend_from_slice(&[n; 9]);
                }
                out.push(Bytes::from(vec![n; length]));
                expected.extend(vec![n; length]);
                if n % 50 == 0 {
                    // A part is written between.
                    let _ = crate::reactor::poll_now(poll_fn(|cx| out.poll_flush(&mut ours, cx)));
                }
            }
            let whole = expected.len();
            let reader = tokio::spawn(async move {
                let mut all = vec![0; whole];
                theirs.read_exact(&mut all).await.unwrap();
                all
            });
            poll_fn(|cx| out.poll_flush(&mut ours, cx)).await.unwrap();
            assert!(out.is_empty());
            assert!(reader.await.unwrap() == expected);
        });
    }
}
