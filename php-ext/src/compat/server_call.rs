//! The server's side of `Grpc\Call`.

use std::cell::{Cell, OnceCell};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use viaduct::codec::{self, Encoding};
use viaduct::reactor::fork::Bound;
use viaduct::server::{Refused, ServerCall as Core};
use viaduct::{Code, Status};

use super::batch::{Ops, Outgoing, Received, error, misuse};
use super::{metadata, outgoing};
use crate::batch::Batch;
use crate::errors::Thrown;
use crate::scheduler::{self, wait};

/// A call from a client.
pub(crate) struct ServerCall {
    live: Bound<Live>,
    peer: String,
    /// The longest message that is sent. It is ours to look at, as messages leave in batches.
    max_send: Option<usize>,
    encoding: Cell<Encoding>,
    sent_initial: Cell<bool>,
    sent_status: Cell<bool>,
    asked_close: Cell<bool>,
    receiving: Cell<bool>,
}

/// The call. In a forked child it is over.
struct Live {
    call: Core,
    batch: OnceCell<Batch<Core>>,
}

/// Resets the flag when the batch is over, however it ends.
struct Receiving<'a>(&'a Cell<bool>);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl ServerCall {
    pub(crate) fn new(call: Core, max_send: Option<usize>) -> Self {
        Self {
            peer: call.peer(),
            max_send,
            encoding: Cell::new(call.encoding()),
            sent_initial: Cell::new(false),
            sent_status: Cell::new(false),
            asked_close: Cell::new(false),
            receiving: Cell::new(false),
            live: Bound::new(Live { call, batch: OnceCell::new() }),
        }
    }

    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Ends the call with CANCELLED, unless it has ended.
    pub(crate) fn cancel(&self) {
        if let (Some(live), Some(scheduler)) = (self.live.get(), scheduler::running()) {
            let status = Status::cancelled("the server cancelled the call");
            // It may have ended before.
            let _ = live.call.finish(status, HeaderMap::new());
            scheduler.reactor.turn();
        }
    }

    /// Runs a batch.
    pub(crate) fn run(&self, ops: &mut Ops<'_>) -> Result<Received, Thrown> {
        self.check(ops)?;
        let _receiving = ops.recv_message.then(|| {
            self.receiving.set(true);
            Receiving(&self.receiving)
        });
        self.asked_close.set(self.asked_close.get() || ops.recv_close);
        let Some(live) = self.live.get() else {
            return Ok(Received { cancelled: true, ..Received::default() });
        };
        // Messages in a row leave together; what begins or ends the answer leaves at once.
        let at_once = ops.initial.is_some() || ops.status.is_some();
        if let Some(initial) = ops.initial.take() {
            self.send_initial(live, initial, ops);
        }
        let mut status = ops.status.take();
        self.sent_status.set(self.sent_status.get() || status.is_some());
        if let Some(message) = ops.message {
            match self.frame(message) {
                Ok(framed) => Self::send(live, framed, ops, &mut status, at_once)?,
                Err(too_long) => status = Some((too_long, HeaderMap::new())),
            }
        }
        Self::finish(live, ops, at_once, status)
    }

    fn check(&self, ops: &Ops<'_>) -> Result<(), Thrown> {
        let again = (ops.initial.is_some() && self.sent_initial.get())
            || (ops.status.is_some() && self.sent_status.get())
            || (ops.recv_message && self.receiving.get())
            || (ops.recv_close && self.asked_close.get());
        if ops.close || ops.recv_initial || ops.recv_status {
            Err(misuse(error::NOT_ON_SERVER))
        } else if again {
            Err(misuse(error::TOO_MANY_OPERATIONS))
        } else if self.sent_status.get() && (ops.initial.is_some() || ops.message.is_some()) {
            Err(misuse(error::ALREADY_FINISHED))
        } else {
            Ok(())
        }
    }

    fn send_initial(&self, live: &Live, mut initial: HeaderMap, ops: &Ops<'_>) {
        self.sent_initial.set(true);
        if let Some(encoding) = metadata::take_encoding(&mut initial)
            && live.call.accepts(encoding)
        {
            self.encoding.set(encoding);
        }
        let failed = ops.status.as_ref().is_some_and(|(status, _)| status.code() != Code::Ok);
        if failed && ops.message.is_none() && initial.is_empty() {
            // The status is the whole answer, in one frame.
            return;
        }
        if self.encoding.get() != live.call.encoding() {
            initial.insert("grpc-encoding", HeaderValue::from_static(self.encoding.get().name()));
        }
        // A call that has ended takes nothing more: `cancelled` says so.
        if let Err(why @ Refused::HeadersTooLong { .. }) = live.call.send_headers(initial) {
            let _ = live.call.finish(Status::resource_exhausted(why.to_string()), HeaderMap::new());
        }
    }

    fn frame(&self, message: Outgoing<'_>) -> Result<Bytes, Status> {
        if let Some(limit) = self.max_send.filter(|limit| message.bytes.len() > *limit) {
            return Err(Status::resource_exhausted(format!(
                "a message of {} bytes is over the limit of {limit} bytes \
                 (grpc.max_send_message_length); it was not sent",
                message.bytes.len()
            )));
        }
        codec::frame(message.bytes, message.encoding(self.encoding.get()))
    }

    fn send(
        live: &Live,
        framed: Bytes,
        ops: &Ops<'_>,
        status: &mut Option<(Status, HeaderMap)>,
        at_once: bool,
    ) -> Result<(), Thrown> {
        let ends_ok = status.as_ref().is_some_and(|(s, _)| s.code() == Code::Ok && s.message().is_empty());
        if ends_ok && !ops.recv_message && live.batch.get().is_none() {
            // Message and trailers together need not wait for the client's window: nothing comes after.
            let trailers = status.take().map(|(_, trailers)| trailers).unwrap_or_default();
            let _ = live.call.reply(framed, trailers);
            return Ok(());
        }
        let scheduler = scheduler::scheduler()?;
        let batch = live.batch.get_or_init(|| Batch::new(live.call.clone()));
        if !outgoing::push(&scheduler, batch, framed, at_once) {
            wait(&scheduler, batch.emptied())?;
        }
        Ok(())
    }

    /// Receives, ends the call where a status was given, and lets what was sent leave.
    fn finish(
        live: &Live,
        ops: &Ops<'_>,
        at_once: bool,
        status: Option<(Status, HeaderMap)>,
    ) -> Result<Received, Thrown> {
        let (recv_message, recv_close) = (ops.recv_message, ops.recv_close);
        if !at_once && !recv_close && status.is_none() {
            if !recv_message {
                return Ok(Received::default());
            }
            if let std::task::Poll::Ready(message) = live.call.try_recv() {
                return Ok(Received { message: message.ok().flatten(), ..Received::default() });
            }
        }
        let scheduler = scheduler::scheduler()?;
        let call = live.call.clone();
        let emptied = live.batch.get().filter(|_| status.is_some()).map(Batch::emptied);
        let received = wait(&scheduler, async move {
            let mut received = Received::default();
            if recv_message {
                // Before the status, behind which nothing is received.
                received.message = call.recv().await.ok().flatten();
            }
            if let Some((status, trailers)) = status {
                if let Some(emptied) = emptied {
                    emptied.await;
                }
                let _ = call.finish(status, trailers);
            }
            if recv_close {
                received.cancelled = call.cancelled().await.is_some();
            }
            received
        })?;
        if at_once {
            // Not inside the wait: tokio forgets who yields in a fiber when the turn ends before.
            scheduler.reactor.turn();
        }
        Ok(received)
    }
}
