//! A call's sending side: one stream, or several that must get the same.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use tonic::Status;

use super::call::{Answer, Call, State};
use crate::codec::PREFIX;
use crate::transport::connection::Busy;

/// Nothing more can be sent on the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// What a stream has sent, kept for as long as it may have to be sent again.
#[derive(Default)]
pub(super) struct Replay {
    messages: Vec<Bytes>,
    bytes: usize,
}

impl Replay {
    /// Whether there is room for it within `limit` bytes.
    fn keep(&mut self, framed: &Bytes, limit: usize) -> bool {
        let bytes = self.bytes.saturating_add(framed.len());
        if bytes > limit {
            return false;
        }
        self.bytes = bytes;
        self.messages.push(framed.clone());
        true
    }
}

/// An attempt whose answer has not begun, while another may still win.
pub(super) struct Live {
    pub(super) number: u32,
    pub(super) send: SendStream<Bytes>,
    pub(super) busy: Busy,
}

/// Where trying to send leads to.
enum Sent {
    Yes,
    Closed,
    /// There is nothing to send on until the next attempt.
    NotYet,
}

impl State {
    /// Sends on a new attempt what has been sent before.
    pub(super) fn replay_on(&mut self, send: &mut SendStream<Bytes>) {
        let Some(replay) = &self.replay else { return };
        let last = replay.messages.len();
        for (n, message) in replay.messages.iter().enumerate() {
            // Fails where the stream has been reset: the answer says so.
            let _ = send.send_data(message.clone(), self.half_closed && n + 1 == last);
        }
        if self.half_closed && last == 0 {
            let _ = send.send_data(Bytes::new(), true);
        }
    }

    /// From now on there is only this attempt; the others are reset.
    pub(super) fn choose(&mut self, number: u32) {
        self.replay = None;
        self.chosen = Some(number);
        for mut live in std::mem::take(&mut self.live) {
            if live.number == number {
                self.send = Some(live.send);
                self.busy = Some(live.busy);
            } else {
                live.send.send_reset(Reason::CANCEL);
            }
        }
    }

    /// Sends on every attempt. `false` where it cannot be kept for those to come.
    fn send_on_all(&mut self, framed: &Bytes, limit: usize) -> bool {
        let kept = self.replay.as_mut().is_some_and(|replay| replay.keep(framed, limit));
        if kept {
            for live in &mut self.live {
                // Not held back by the peer's window: there is no more of it than the limit.
                let _ = live.send.send_data(framed.clone(), false);
            }
        }
        kept
    }
}

impl Call {
    /// Sends a framed message. Waits while the server takes none.
    ///
    /// # Errors
    ///
    /// Where the call has ended or is about to: [`wait_end`](Self::wait_end) has its status.
    pub async fn send(&self, mut framed: Bytes) -> Result<(), Closed> {
        loop {
            match poll_fn(|cx| self.poll_send(cx, &mut framed, true)).await {
                Sent::Yes => return Ok(()),
                Sent::Closed => return Err(Closed),
                Sent::NotYet => self.moved(|state| state.live.is_empty() && state.chosen.is_none()).await,
            }
        }
    }

    /// Sends a framed message where the server takes one now, without waiting; else gives it back.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_send(&self, mut framed: Bytes) -> Result<Option<Bytes>, Closed> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match self.poll_send(&mut cx, &mut framed, false) {
            Poll::Ready(Sent::Yes) => Ok(None),
            Poll::Ready(Sent::Closed) => Err(Closed),
            Poll::Ready(Sent::NotYet) | Poll::Pending => Ok(Some(framed)),
        }
    }

    /// Takes the message where it is sent. `on_reactor` where a task may be spawned.
    fn poll_send(&self, cx: &mut Context<'_>, framed: &mut Bytes, on_reactor: bool) -> Poll<Sent> {
        if let Some(status) = self.too_long(framed) {
            self.kill(status);
            return Poll::Ready(Sent::Closed);
        }
        let limit = self.0.hub.config.options.retry_buffer;
        let mut state = self.lock();
        let state = &mut *state;
        // Who only tries must not take the place of who waits.
        let all = if on_reactor { state.senders.join(cx.waker()) } else { state.senders.waker() };
        let cx = &mut Context::from_waker(all.as_ref().unwrap_or(cx.waker()));
        loop {
            if self.end().is_some() || self.0.killed.get().is_some() || state.half_closed {
                return Poll::Ready(Sent::Closed);
            }
            if matches!(state.answer, Answer::Engine) && state.chosen.is_none() {
                if state.send_on_all(framed, limit) {
                    return Poll::Ready(Sent::Yes);
                }
                // Too much to be kept: what is on its way now is the last attempt.
                let Some(first) = state.live.first() else { return Poll::Ready(Sent::NotYet) };
                let number = first.number;
                state.choose(number);
            }
            let Some(stream) = &mut state.send else { return Poll::Ready(Sent::Closed) };
            if ready!(poll_room(stream, cx)) {
                if state.replay.as_mut().is_some_and(|replay| !replay.keep(framed, limit)) {
                    state.replay = None;
                }
                let sent = stream.send_data(std::mem::take(framed), false).is_ok() || state.replay.is_some();
                return Poll::Ready(if sent { Sent::Yes } else { Sent::Closed });
            }
            // The stream is over. Perhaps it was refused, and what was sent can be sent again.
            if state.replay.is_none() || !matches!(state.answer, Answer::Head(..)) {
                return Poll::Ready(Sent::Closed);
            }
            if !on_reactor {
                return Poll::Ready(Sent::NotYet);
            }
            if self.poll_head(cx, state).is_pending() {
                return Poll::Ready(Sent::Closed);
            }
        }
    }

    /// Says that no more messages will be sent. Does nothing the second time.
    pub fn half_close(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.half_closed, true) {
            let state = &mut *state;
            for stream in state.send.iter_mut().chain(state.live.iter_mut().map(|live| &mut live.send)) {
                // Fails where the call has ended: its status says so.
                let _ = stream.send_data(Bytes::new(), true);
            }
        }
    }

    /// Whether [`half_close`](Self::half_close) was called, or the call has one request only.
    pub fn is_half_closed(&self) -> bool {
        self.lock().half_closed
    }

    /// The status where one of these framed messages is longer than the service config allows.
    pub(super) fn too_long(&self, mut framed: &[u8]) -> Option<Status> {
        let limit = self.0.config.as_ref()?.max_request?;
        while let Some(([_, a, b, c, d], rest)) = framed.split_first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if length > limit {
                return Some(Status::resource_exhausted(format!(
                    "a message of {length} bytes is over the limit of {limit} bytes (maxRequestMessageBytes of the \
                     service config); it was not sent"
                )));
            }
            framed = rest.get(length..).unwrap_or_default();
        }
        None
    }
}

/// Whether the stream takes a message; `false` where it is over.
fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<bool> {
    // One byte of window is enough: what is over it is buffered, one message at the most.
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(false),
        }
    }
    // The stream may have been reset without h2 saying so here.
    Poll::Ready(stream.poll_reset(cx).is_pending())
}
