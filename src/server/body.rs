//! What comes in: DATA frames to messages.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use tonic::Status;

use super::call::{End, ServerCall};
use crate::codec::{Deframer, Encoding, Message};

/// The request's messages.
pub(super) struct Body {
    stream: RecvStream,
    deframer: Deframer,
}

/// Why there are no more messages.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The client broke the framing or a limit.
    Broken(Status),
    /// The client reset the stream or is gone.
    Gone,
}

/// A frame of at most this many bytes that ends its stream is not given back to the window by
/// itself, which would cost a lock: h2 does it when the stream goes. 1024 streams hold 2 MiB so.
const SMALL: usize = 2048;

impl Body {
    pub(super) fn new(stream: RecvStream, encoding: Encoding, limit: usize) -> Self {
        Self { stream, deframer: Deframer::new(encoding, limit) }
    }

    /// The next message; `None` at the end of the stream.
    ///
    /// A frame is taken from h2, and its bytes given back to the window, only when the frames before
    /// hold no complete message: so a consumer that stands still stops the client after one window.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, BodyError>> {
        loop {
            match self.deframer.next() {
                Ok(Some(message)) => return Poll::Ready(Ok(Some(message))),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Err(BodyError::Broken(status))),
            }
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => self.push(data),
                Some(Err(_)) => return Poll::Ready(Err(BodyError::Gone)),
                None => return Poll::Ready(self.deframer.finish().map(|()| None).map_err(BodyError::Broken)),
            }
        }
    }

    fn push(&mut self, data: Bytes) {
        let length = data.len();
        self.deframer.push(data);
        if length > SMALL || !self.stream.is_end_stream() {
            // Refused only where more is released than came.
            let _ = self.stream.flow_control().release_capacity(length);
        }
    }
}

/// A request of exactly one message that is being gathered.
pub(super) struct Gather {
    method: u32,
    call: ServerCall,
    body: Body,
    message: Option<Message>,
}

impl Gather {
    pub(super) fn new(method: u32, call: ServerCall, body: Body) -> Self {
        Self { method, call, body, message: None }
    }

    pub(super) fn into_call(self) -> (u32, ServerCall) {
        (self.method, self.call)
    }

    /// [`poll`](Self::poll) in a task of its own, which must hear of the call's end too.
    pub(super) fn poll_alone(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        match self.poll(cx) {
            Poll::Pending => self.call.poll_cancelled(cx).map(|_| None),
            ready => ready,
        }
    }

    /// Ready with the message; with `None` where the call has ended instead: it is answered then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.call.0.end() != End::Open {
            return Poll::Ready(None);
        }
        loop {
            let wrong = match ready!(self.body.poll_message(cx)) {
                Ok(Some(message)) if self.message.is_none() => {
                    self.message = Some(message);
                    continue;
                }
                Ok(None) if self.message.is_some() => return Poll::Ready(self.message.take()),
                Ok(Some(_)) => BodyError::Broken(Status::unimplemented(
                    "expected one message, and the request has more: the method does not take a stream",
                )),
                Ok(None) => BodyError::Broken(Status::unimplemented(
                    "expected one message, and the request has none: the method does not take a stream",
                )),
                Err(error) => error,
            };
            self.call.0.fail(wrong);
            return Poll::Ready(None);
        }
    }
}
