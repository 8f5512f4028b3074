//! One stream, as the task that holds it sees it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode, response};

use super::core::{BUFFER, Core, Shared, put_headers};
use super::error::Error;
use super::frame::{Head, flag, kind};
use super::streams::{Entry, Key};

/// A stream of a connection: both of its directions. One task holds it.
///
/// It is reset where it is dropped before its end: with CANCEL, or with NO_ERROR where only the rest of a request is
/// not wanted any more (RFC 9113, section 8.1).
pub(in crate::proxy) struct Stream {
    shared: Arc<Shared>,
    key: Key,
}

/// The peer takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Shut;

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The task of `cx` hears of what happens to the stream from here on.
fn listen(entry: &mut Entry, cx: &Context<'_>) {
    entry.woken = false;
    if !entry.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
        entry.waker = Some(cx.waker().clone());
    }
}

impl Stream {
    pub(super) fn new(shared: Arc<Shared>, key: Key) -> Self {
        Self { shared, key }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Core, Key) -> T) -> T {
        work(&mut self.shared.lock(), self.key)
    }

    /// `look` at the stream, until it finds something.
    fn poll<T>(&self, cx: &Context<'_>, look: impl FnOnce(&mut Entry) -> Option<T>) -> Poll<T> {
        let core = &mut *self.shared.lock();
        // A handle always has its stream.
        let Some(entry) = core.streams.get(self.key) else { return Poll::Pending };
        match look(entry) {
            Some(found) => Poll::Ready(found),
            None => {
                listen(entry, cx);
                Poll::Pending
            }
        }
    }

    /// The head of the answer.
    pub(in crate::proxy) fn poll_head(&mut self, cx: &Context<'_>) -> Poll<Result<response::Parts, Error>> {
        self.poll(cx, |entry| match entry.head.take() {
            Some(head) => Some(Ok(*head)),
            None => entry.failed.clone().map(Err),
        })
    }

    /// An answer before the answer (1xx), where one is there.
    pub(in crate::proxy) fn interim(&mut self) -> Option<Response<()>> {
        self.with(|core, key| {
            let entry = core.streams.get(key)?;
            (!entry.interim.is_empty()).then(|| entry.interim.remove(0))
        })
    }

    /// A piece of the body; none at its end. Who takes it must [`release`](Self::release) it.
    pub(in crate::proxy) fn poll_data(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.poll(cx, |entry| match entry.inbox.pop() {
            Some(piece) => Some(Some(Ok(piece))),
            None if entry.received => Some(None),
            None => entry.failed.clone().map(|error| Some(Err(error))),
        })
    }

    /// The trailers, where the stream ended with some. To be asked after the body.
    pub(in crate::proxy) fn poll_trailers(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Error>> {
        self.poll(cx, |entry| {
            if entry.received {
                return Some(Ok(entry.trailers.take().map(|trailers| *trailers)));
            }
            entry.failed.clone().map(Err)
        })
    }

    /// Whether all that the peer has sent was read, and nothing more comes.
    pub(in crate::proxy) fn is_read(&self) -> bool {
        self.with(|core, key| {
            core.streams
                .get(key)
                .is_some_and(|entry| entry.received && entry.inbox.is_empty() && entry.trailers.is_none())
        })
    }

    /// Whether it has ended before its time.
    pub(in crate::proxy) fn has_failed(&self) -> bool {
        self.with(|core, key| core.streams.get(key).is_none_or(|entry| entry.failed.is_some()))
    }

    /// Gives bytes of the body back to the peer's window.
    pub(in crate::proxy) fn release(&mut self, bytes: usize) {
        self.with(|core, key| core.release(key, u32::try_from(bytes).unwrap_or(u32::MAX)));
    }

    /// Ready when the stream has failed: with the reason where the peer has reset it.
    pub(in crate::proxy) fn poll_failed(&mut self, cx: &Context<'_>) -> Poll<Option<Reason>> {
        self.poll(cx, |entry| entry.failed.as_ref().map(Error::reset))
    }

    /// Ready when the request's head is on its way, or will never be.
    pub(in crate::proxy) fn poll_begun(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.poll(cx, |entry| (entry.id != 0 || entry.failed.is_some()).then_some(()))
    }

    /// Sends as much of `data` as there is room for, and takes it from there; `ends` where nothing follows it. Ready
    /// with how much that was: all of it only where `data` is empty then.
    pub(in crate::proxy) fn poll_send(
        &mut self,
        data: &mut Bytes,
        ends: bool,
        cx: &Context<'_>,
    ) -> Poll<Result<usize, Shut>> {
        let core = &mut *self.shared.lock();
        let Some(entry) = core.streams.get(self.key) else { return Poll::Ready(Err(Shut)) };
        if entry.sent {
            return Poll::Ready(Err(Shut));
        }
        let mut taken = 0;
        let mut over = false;
        while !over && (!data.is_empty() || ends) {
            let room = BUFFER.saturating_sub(core.out.len()).min(core.peers.max_frame);
            let window = entry.send_window.min(core.send_window).max(0);
            let length = data.len().min(room).min(usize::try_from(window).unwrap_or(0));
            if length == 0 && !data.is_empty() || entry.id == 0 {
                break;
            }
            entry.send_window -= length as i64;
            core.send_window -= length as i64;
            over = ends && length == data.len();
            let flags = if over { flag::END_STREAM } else { 0 };
            let head = Head { length, kind: kind::DATA, flags, stream: entry.id };
            core.out.tail().extend_from_slice(&head.bytes());
            core.out.push(data.split_to(length));
            taken += length;
        }
        if over {
            entry.sent = true;
        } else if !data.is_empty() || ends {
            listen(entry, cx);
            if entry.send_window > 0 && entry.id != 0 {
                core.wait(self.key, taken > 0);
            }
            if taken == 0 {
                return Poll::Pending;
            }
        }
        if over {
            core.settle(self.key);
        }
        core.notify();
        Poll::Ready(Ok(taken))
    }

    /// Sends trailers, and ends with them.
    pub(in crate::proxy) fn send_trailers(&mut self, trailers: &HeaderMap) -> Result<(), Shut> {
        self.with(|core, key| {
            let entry = core.streams.get(key).filter(|entry| !entry.sent && entry.id != 0).ok_or(Shut)?;
            entry.sent = true;
            let (id, encoder) = (entry.id, &mut core.encoder);
            put_headers(&mut core.out, core.peers.max_frame, id, true, |out| {
                encoder.begin(out);
                for (name, value) in trailers {
                    encoder.header(out, name, value);
                }
            });
            core.settle(key);
            core.notify();
            Ok(())
        })
    }

    /// Ends without anything more: an empty DATA frame, which no window holds up.
    pub(in crate::proxy) fn end(&mut self) -> Result<(), Shut> {
        self.with(|core, key| {
            let entry = core.streams.get(key).filter(|entry| !entry.sent && entry.id != 0).ok_or(Shut)?;
            entry.sent = true;
            let head = Head { length: 0, kind: kind::DATA, flags: flag::END_STREAM, stream: entry.id };
            core.out.tail().extend_from_slice(&head.bytes());
            core.settle(key);
            core.notify();
            Ok(())
        })
    }

    /// Sends the head of an answer.
    pub(in crate::proxy) fn respond(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        ends: bool,
    ) -> Result<(), Shut> {
        self.with(|core, key| {
            let entry = core.streams.get(key).filter(|entry| !entry.sent && !entry.answered).ok_or(Shut)?;
            entry.answered = !status.is_informational();
            entry.sent = ends;
            let (id, encoder) = (entry.id, &mut core.encoder);
            put_headers(&mut core.out, core.peers.max_frame, id, ends, |out| {
                encoder.begin(out);
                encoder.status(out, status);
                for (name, value) in headers {
                    encoder.header(out, name, value);
                }
            });
            core.settle(key);
            core.notify();
            Ok(())
        })
    }

    /// Answers with a short text at once: without it, where the peer's window has no room for it.
    pub(in crate::proxy) fn respond_with(
        &mut self,
        status: StatusCode,
        headers: &mut HeaderMap,
        text: &[u8],
    ) -> Result<(), Shut> {
        let fits = self.with(|core, key| {
            let window = core.streams.get(key).map_or(0, |entry| entry.send_window.min(core.send_window));
            text.len() as i64 <= window
                && text.len() <= core.peers.max_frame.min(BUFFER - core.out.len().min(BUFFER))
        });
        let text = if fits { text } else { &[] };
        headers.insert(CONTENT_LENGTH, text.len().into());
        self.respond(status, headers, text.is_empty())?;
        let mut text = Bytes::copy_from_slice(text);
        // There is room for all of it, so that nobody has to be woken.
        match self.poll_send(&mut text, true, &Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(Shut)) if !fits => Ok(()),
            Poll::Ready(sent) => sent.map(|_| ()),
            Poll::Pending => Err(Shut),
        }
    }

    /// Ends both directions at once.
    pub(in crate::proxy) fn reset(&mut self, reason: Reason) {
        self.with(|core, key| core.reset(key, reason));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        let Some(entry) = core.streams.get(self.key) else { return };
        entry.held = false;
        let waker = if entry.closed {
            core.remove(self.key)
        } else {
            let waker = entry.waker.take();
            // Only a server's stream can have ended here and go on there.
            let reason = if entry.sent && entry.answered { Reason::NO_ERROR } else { Reason::CANCEL };
            core.reset(self.key, reason);
            waker
        };
        drop(core);
        // It may be the last thing that holds the task.
        drop(waker);
    }
}
