//! Between a connection and its socket: reads, and writes what there is to say once a turn.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::block::Begun;
use super::core::{Core, STALL, Shared, Tally};
use super::error::{Error, Fault};
use crate::transport::wire;

/// How much is read at once: at first, and where as much as that comes.
const READ: (usize, usize) = (16 << 10, 64 << 10);

/// After this much a turn ends, so that those who got something get to work.
const TURN: usize = 256 << 10;

/// After so many requests, likewise.
const REQUESTS: usize = 128;

/// How a connection ended.
#[derive(Debug)]
pub(in crate::proxy) enum End {
    /// In order, or the peer closed it.
    Over,
    Broken(Arc<str>),
    /// The peer broke the rules.
    Fault(Fault),
}

/// The side of the task that drives a connection.
#[derive(Debug)]
pub(super) struct Drive<IO> {
    io: IO,
    input: BytesMut,
    read: usize,
    shared: Arc<Shared>,
    /// How often something came.
    pub(super) heard: u64,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Drive<IO> {
    pub(super) fn new(io: IO, shared: Arc<Shared>) -> Self {
        Self { io, input: BytesMut::new(), read: READ.0, shared, heard: 0 }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.shared.lock().greeted
    }

    pub(super) fn is_prefaced(&self) -> bool {
        self.shared.lock().prefaced
    }

    pub(super) fn tally(&self) -> Option<Tally> {
        Some(std::mem::take(&mut self.shared.lock().tally)).filter(|tally| *tally != Tally::default())
    }

    pub(super) fn has_streams(&self) -> bool {
        self.shared.lock().streams.open() > 0
    }

    /// Asks whether somebody is there.
    pub(super) fn ping(&self) {
        self.shared.lock().ping();
    }

    /// Ends all streams.
    pub(super) fn end(&self, error: Error) {
        self.shared.lock().end(error);
    }

    /// One turn: takes what has come, and writes what there is to say. Requests that begin are put into `begun`. Ready
    /// when the connection is over; all of its streams have ended then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, begun: &mut Vec<Begun>) -> Poll<End> {
        let shared = Arc::clone(&self.shared);
        let core = &mut *shared.lock();
        core.driven_by(cx);
        let mut end = self.listen(core, cx, begun);
        match core.out.poll_flush(&mut self.io, cx) {
            Poll::Ready(Ok(())) => core.wake_waiting(),
            Poll::Ready(Err(error)) => end = end.or(Some(broken(&error))),
            Poll::Pending => {}
        }
        if end.is_none() && core.is_done() && core.out.is_empty() {
            // Whatever it says to that, there is nothing more to say.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            end = Some(End::Over);
        }
        let Some(end) = end else {
            // A connection on which nothing happens has no buffers.
            if core.streams.all() == 0 {
                core.out.rest();
                if self.input.is_empty() {
                    self.input = BytesMut::new();
                }
            }
            return Poll::Pending;
        };
        core.end(match &end {
            End::Over => Error::Ended,
            End::Broken(why) => Error::Broken(Arc::clone(why)),
            End::Fault(fault) => Error::Closed(fault.reason),
        });
        Poll::Ready(end)
    }

    /// Reads as long as something comes.
    fn listen(&mut self, core: &mut Core, cx: &mut Context<'_>, begun: &mut Vec<Begun>) -> Option<End> {
        let mut taken = 0;
        loop {
            // A peer that does not read what it asked for is not listened to.
            if core.out.len() >= STALL {
                match core.out.poll_flush(&mut self.io, cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Some(broken(&error)),
                    Poll::Pending => return None,
                }
            }
            if taken >= TURN || begun.len() >= REQUESTS {
                cx.waker().wake_by_ref();
                return None;
            }
            self.input.reserve(self.read);
            let length = match pin!(self.io.read_buf(&mut self.input)).poll(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Some(End::Over),
                Poll::Ready(Ok(length)) => length,
                Poll::Ready(Err(error)) => {
                    core.complaint = core.complaint.take().or(wire::refused(&error).map(Into::into));
                    return Some(broken(&error));
                }
            };
            self.heard += 1;
            taken += length;
            match core.receive(&mut self.input, begun) {
                Ok(missing) => {
                    let most = if length >= self.read { READ.1 } else { READ.0 };
                    self.read = missing.max(most);
                }
                Err(fault) => {
                    core.fault(fault);
                    return Some(End::Fault(fault));
                }
            }
        }
        None
    }
}

impl<IO> Drop for Drive<IO> {
    /// Nobody waits for a connection that nobody drives, whatever ended its task.
    fn drop(&mut self) {
        self.shared.lock().end(Error::Ended);
    }
}

fn broken(error: &io::Error) -> End {
    End::Broken(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::super::core::Role;
    use super::super::settings::Config;
    use super::super::streams::Entry;
    use super::*;

    #[test]
    fn streams_end_with_whoever_drives_their_connection() {
        let config = Config {
            window: 1 << 16,
            connection_window: 1 << 16,
            max_frame: 1 << 14,
            max_streams: 10,
            max_headers: 1 << 14,
            local: false,
        };
        let shared = Core::begin(Role::Client, config);
        let key = shared.lock().streams.insert(Entry { id: 1, held: true, ..Entry::default() });
        drop(Drive::new(tokio::io::duplex(1).0, Arc::clone(&shared)));
        let core = &mut *shared.lock();
        assert_eq!(core.streams.get(key).and_then(|entry| entry.failed.clone()), Some(Error::Ended));
        assert!(core.leaving);
    }
}
