//! What comes in: DATA frames to messages.

use std::task::{Context, Poll, ready};

use tonic::Status;

use super::call::{End, ServerCall};
use crate::codec::{Deframer, Encoding, Message};
use crate::transport::flow::Receiver;

/// The request's messages.
pub(super) struct Body {
    stream: Receiver,
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

impl Body {
    pub(super) fn new(stream: Receiver, encoding: Encoding, limit: usize) -> Self {
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
            match ready!(self.stream.poll_data(self.deframer.missing(), cx)) {
                Some(Ok(data)) => self.deframer.push(data),
                Some(Err(_)) => return Poll::Ready(Err(BodyError::Gone)),
                None => return Poll::Ready(self.deframer.finish().map(|()| None).map_err(BodyError::Broken)),
            }
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
