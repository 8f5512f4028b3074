//! A client's call.

use std::ffi::{CString, c_char};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tonic::Code;

use super::buffer::viaduct_buffer;
use super::channel::framed;
use super::completion::{
    Completion, Event, poll_once, start, viaduct_completion, viaduct_event_kind::VIADUCT_EVENT_ENDED,
    viaduct_event_kind::VIADUCT_EVENT_HEADERS, viaduct_event_kind::VIADUCT_EVENT_READ,
    viaduct_event_kind::VIADUCT_EVENT_RESPONSE, viaduct_event_kind::VIADUCT_EVENT_WRITE,
};
use super::error::{
    Error, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_END, c_string, viaduct_result,
};
use super::fence::{free, read, with};
use super::handle::{self, Lent, Object};
use super::input::{Out, patience, viaduct_bytes, zero};
use super::metadata::viaduct_metadata;
use super::runtime::Runtime;
use super::status::viaduct_status;
use crate::client::{Call, CallOptions, Channel, Method, Outcome};
use crate::codec::Message;

/// A client's call.
///
/// One thread may read and another one write at the same time; a second one that reads or writes gets
/// VIADUCT_RESULT_BUSY. Cancelling is possible from any thread.
pub struct viaduct_call {
    inner: Arc<Inner>,
    runtime: Arc<Runtime>,
    headers: OnceLock<Lent<viaduct_metadata>>,
    peer: OnceLock<CString>,
}

impl Object for viaduct_call {
    const KIND: u8 = handle::CALL;
}

impl viaduct_call {
    pub(super) fn new(inner: Arc<Inner>, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime, headers: OnceLock::new(), peer: OnceLock::new() }
    }
}

impl Drop for viaduct_call {
    fn drop(&mut self) {
        // In a forked child it belongs to the parent, and is not dropped.
        self.inner.cancel();
    }
}

/// What the handle and what was started share.
pub(super) struct Inner {
    call: Call,
    channel: Channel,
    options: CallOptions,
    /// Whether it has begun, or need not any more.
    begun: AtomicBool,
    begins: Notify,
    reading: AtomicBool,
    writing: AtomicBool,
    closing: AtomicBool,
}

/// The right to read, or to write.
pub(super) struct Turn {
    inner: Arc<Inner>,
    of: fn(&Inner) -> &AtomicBool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        (self.of)(&self.inner).store(false, Release);
    }
}

impl Inner {
    pub(super) fn new(
        channel: &Channel,
        method: Method,
        request: Option<Bytes>,
        options: CallOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            call: channel.prepare(method, request, options.clone()),
            channel: channel.clone(),
            options,
            begun: AtomicBool::new(false),
            begins: Notify::new(),
            reading: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        })
    }

    /// Sends the head, and the request where there is one.
    pub(super) async fn begin(&self) {
        tokio::select! {
            biased;
            // It was cancelled.
            () = self.has_begun() => {}
            () = self.call.begin() => {}
        }
        self.set_begun();
    }

    /// The same from outside of a task; what has to wait becomes one.
    pub(super) fn begin_now(inner: &Arc<Self>, runtime: &Handle) {
        let ours = Arc::clone(inner);
        let mut task = Box::pin(async move {
            ours.begin().await;
            ours.call.keep_deadline();
        });
        let _inside = runtime.enter();
        if poll_once(task.as_mut()).is_pending() {
            runtime.spawn(task);
        }
    }

    fn set_begun(&self) {
        self.begun.store(true, Release);
        self.begins.notify_waiters();
    }

    async fn has_begun(&self) {
        loop {
            let mut begins = std::pin::pin!(self.begins.notified());
            // Before the look, so that nothing is missed.
            begins.as_mut().enable();
            if self.begun.load(Acquire) {
                return;
            }
            begins.await;
        }
    }

    fn cancel(&self) {
        self.call.cancel();
        self.set_begun();
    }

    pub(super) fn read_turn(self: &Arc<Self>) -> Result<Turn, Error> {
        self.turn(|inner| &inner.reading, "somebody reads from this call already")
    }

    fn write_turn(self: &Arc<Self>) -> Result<Turn, Error> {
        self.turn(|inner| &inner.writing, "a message is being written to this call already")
    }

    fn turn(self: &Arc<Self>, of: fn(&Self) -> &AtomicBool, taken: &'static str) -> Result<Turn, Error> {
        if of(self).swap(true, AcqRel) {
            return Err(Error::new(VIADUCT_RESULT_BUSY, taken));
        }
        Ok(Turn { inner: Arc::clone(self), of })
    }

    /// Waits for the one response and the end.
    pub(super) async fn outcome(&self) -> Outcome {
        self.has_begun().await;
        match self.call.in_time(self.call.response()).await {
            Some(outcome) => outcome,
            // The deadline has ended it: this waits no more.
            None => self.call.response().await,
        }
    }

    async fn message(&self) -> Result<Message, Error> {
        self.has_begun().await;
        match self.call.recv().await {
            Some(message) => Ok(message),
            None => Err(match self.call.tell() {
                Some((status, _)) if status.code() != Code::Ok => Error::failed(status),
                _ => Error::new(VIADUCT_RESULT_END, "the call has ended with OK: there are no more messages"),
            }),
        }
    }

    fn framed(&self, message: viaduct_bytes) -> Result<Bytes, Error> {
        let message = framed(&self.channel, message.get("the message")?, &self.options)?;
        if self.closing.load(Acquire) { Err(closed()) } else { Ok(message) }
    }

    async fn send(&self, message: Bytes) -> Result<(), Error> {
        self.has_begun().await;
        self.call.send(message).await.map_err(|_| closed())
    }

    async fn status(&self) -> viaduct_status {
        self.has_begun().await;
        let (status, trailers) = self.call.wait_end().await;
        viaduct_status::of(status, trailers)
    }
}

fn closed() -> Error {
    Error::new(
        VIADUCT_RESULT_CLOSED,
        "nothing more can be sent: the call is over, or its sending side was closed",
    )
}

/// Writes what a call with one response has come to.
pub(super) fn write_outcome(
    outcome: Outcome,
    response: Out<viaduct_buffer>,
    status: Option<Out<*mut viaduct_status>>,
) -> Result<(), Error> {
    let done = match outcome.message {
        Some(message) => {
            response.set(viaduct_buffer::of_message(message));
            Ok(())
        }
        None => Err(Error::failed(&outcome.status)),
    };
    if let Some(place) = status {
        place.set(handle::give(viaduct_status::of(outcome.status, outcome.trailers)));
    }
    done
}

/// The same as an event.
pub(super) fn read_outcome(outcome: Outcome) -> Event {
    let mut event = Event::new(VIADUCT_EVENT_RESPONSE);
    match outcome.message {
        Some(message) => event.message = Some(message.into_bytes()),
        None => event = event.result(Err(Error::failed(&outcome.status))),
    }
    event.status = Some(Box::new(viaduct_status::of(outcome.status, outcome.trailers)));
    event
}

/// Frees a call. NULL is fine. A call that still runs is cancelled; what was started with it is told so.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_free(call: *mut viaduct_call) -> viaduct_result {
    free(call)
}

/// Ends the call with CANCELLED, unless it has ended and the caller was told how. Any thread may do so at any time.
///
/// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_cancel(call: *mut viaduct_call) -> viaduct_result {
    with(call, |call| {
        let _inside = call.runtime.handle()?.enter();
        call.inner.cancel();
        Ok(())
    })
}

/// Sends a message, which is copied. Waits while the server takes none: up to `timeout_ms`, for ever
/// where that is negative; after VIADUCT_RESULT_TIMEOUT the message has not been sent.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL,
/// VIADUCT_RESULT_TOO_LONG or VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_write(
    call: *mut viaduct_call,
    message: viaduct_bytes,
    timeout_ms: i64,
) -> viaduct_result {
    with(call, |call| {
        let message = call.inner.framed(message)?;
        let _turn = call.inner.write_turn()?;
        call.runtime.wait(patience(timeout_ms), call.inner.send(message))?
    })
}

/// Starts `viaduct_call_write`. The event is VIADUCT_EVENT_WRITE.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG or
/// VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_write_start(
    call: *mut viaduct_call,
    message: viaduct_bytes,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let message = call.inner.framed(message)?;
        let completion = Completion::new(completion, VIADUCT_EVENT_WRITE)?;
        let turn = owed(call.inner.write_turn(), completion)?;
        let (turn, completion) = turn;
        let inner = Arc::clone(&call.inner);
        start(call.runtime.handle()?, completion, async move {
            let done = inner.send(message).await;
            drop(turn);
            Event::new(VIADUCT_EVENT_WRITE).result(done)
        });
        Ok(())
    })
}

/// The turn with the completion; without a turn nobody is told.
pub(super) fn owed<T>(turn: Result<T, Error>, completion: Completion) -> Result<(T, Completion), Error> {
    match turn {
        Ok(turn) => Ok((turn, completion)),
        Err(error) => {
            completion.forget();
            Err(error)
        }
    }
}

/// Says that no more messages will be sent. The second time it does nothing.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_BUSY while a message is being written.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_half_close(call: *mut viaduct_call) -> viaduct_result {
    with(call, |call| {
        let turn = call.inner.write_turn()?;
        call.inner.closing.store(true, Release);
        let inner = Arc::clone(&call.inner);
        let runtime = call.runtime.handle()?;
        let mut task = Box::pin(async move {
            inner.has_begun().await;
            inner.call.half_close();
            drop(turn);
        });
        let _inside = runtime.enter();
        if poll_once(task.as_mut()).is_pending() {
            runtime.spawn(task);
        }
        Ok(())
    })
}

/// Takes the next message: waits for it up to `timeout_ms`, for ever where that is negative, not at all
/// where it is 0. The caller frees it with `viaduct_buffer_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_END where the call has ended with OK, VIADUCT_RESULT_FAILED where it has
/// ended with another status (`viaduct_call_wait` has it), VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY,
/// VIADUCT_RESULT_NULL or VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_read(
    call: *mut viaduct_call,
    timeout_ms: i64,
    message: *mut viaduct_buffer,
) -> viaduct_result {
    zero(message);
    with(call, |call| {
        let place = Out::new(message, "the message")?;
        let _turn = call.inner.read_turn()?;
        let message = call.runtime.wait(patience(timeout_ms), call.inner.message())??;
        place.set(viaduct_buffer::of_message(message));
        Ok(())
    })
}

/// Starts `viaduct_call_read`. The event is VIADUCT_EVENT_READ.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_read_start(
    call: *mut viaduct_call,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let completion = Completion::new(completion, VIADUCT_EVENT_READ)?;
        let (turn, completion) = owed(call.inner.read_turn(), completion)?;
        let inner = Arc::clone(&call.inner);
        start(call.runtime.handle()?, completion, async move {
            let done = inner.message().await;
            drop(turn);
            let mut event = Event::new(VIADUCT_EVENT_READ);
            match done {
                Ok(message) => event.message = Some(message.into_bytes()),
                Err(error) => event = event.result(Err(error)),
            }
            event
        });
        Ok(())
    })
}

/// Closes the sending side, and waits for the one response of a call that streams its requests. It is
/// limited by the call's deadline. `response` and `status` are as in `viaduct_channel_unary`; the caller
/// frees both.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_FAILED where the status is not OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL
/// or VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_response(
    call: *mut viaduct_call,
    response: *mut viaduct_buffer,
    status: *mut *mut viaduct_status,
) -> viaduct_result {
    zero(response);
    zero(status);
    with(call, |call| {
        let place = Out::new(response, "the response")?;
        let (_reading, _writing) = (call.inner.read_turn()?, call.inner.write_turn()?);
        // It cannot be given up in the middle without losing the response.
        super::callback::may_wait()?;
        let outcome = call.runtime.wait(None, call.inner.outcome())?;
        write_outcome(outcome, place, Out::optional(status))
    })
}

/// Starts `viaduct_call_response`. The event is VIADUCT_EVENT_RESPONSE.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_response_start(
    call: *mut viaduct_call,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let completion = Completion::new(completion, VIADUCT_EVENT_RESPONSE)?;
        let turns = call.inner.read_turn().and_then(|read| Ok((read, call.inner.write_turn()?)));
        let (turns, completion) = owed(turns, completion)?;
        let inner = Arc::clone(&call.inner);
        start(call.runtime.handle()?, completion, async move {
            let event = read_outcome(inner.outcome().await);
            drop(turns);
            event
        });
        Ok(())
    })
}

/// Waits until the server has sent its headers, or the call has ended without: up to `timeout_ms`, for
/// ever where that is negative. `viaduct_call_headers` has them then.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or
/// VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_wait_headers(call: *mut viaduct_call, timeout_ms: i64) -> viaduct_result {
    with(call, |call| {
        let _turn = call.inner.read_turn()?;
        let inner = &call.inner;
        call.runtime.wait(patience(timeout_ms), async {
            inner.has_begun().await;
            inner.call.wait_headers().await;
        })
    })
}

/// Starts `viaduct_call_wait_headers`. The event is VIADUCT_EVENT_HEADERS.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_wait_headers_start(
    call: *mut viaduct_call,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let completion = Completion::new(completion, VIADUCT_EVENT_HEADERS)?;
        let (turn, completion) = owed(call.inner.read_turn(), completion)?;
        let inner = Arc::clone(&call.inner);
        start(call.runtime.handle()?, completion, async move {
            inner.has_begun().await;
            inner.call.wait_headers().await;
            drop(turn);
            Event::new(VIADUCT_EVENT_HEADERS)
        });
        Ok(())
    })
}

/// The headers the server has sent. They belong to the call: they are not freed. NULL where there are
/// none yet, or the call ended without, or this is no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_headers(call: *const viaduct_call) -> *const viaduct_metadata {
    read(call, std::ptr::null(), |call| match call.inner.call.headers() {
        None => std::ptr::null(),
        Some(headers) => {
            call.headers.get_or_init(|| Lent::new(viaduct_metadata::of(headers.clone()))).as_ptr()
        }
    })
}

/// Waits until the call has ended: up to `timeout_ms`, for ever where that is negative. Messages that
/// come meanwhile are kept for `viaduct_call_read`. `status` gets how it ended; the caller frees it with
/// `viaduct_status_free`.
///
/// Gives VIADUCT_RESULT_OK (whatever the status), VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or
/// VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_wait(
    call: *mut viaduct_call,
    timeout_ms: i64,
    status: *mut *mut viaduct_status,
) -> viaduct_result {
    zero(status);
    with(call, |call| {
        let place = Out::new(status, "the status")?;
        let ended = match call.inner.call.tell() {
            Some((status, trailers)) => viaduct_status::of(status.clone(), trailers.clone()),
            None => {
                let _turn = call.inner.read_turn()?;
                call.runtime.wait(patience(timeout_ms), call.inner.status())?
            }
        };
        place.set(handle::give(ended));
        Ok(())
    })
}

/// Starts `viaduct_call_wait`. The event is VIADUCT_EVENT_ENDED.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_wait_start(
    call: *mut viaduct_call,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let completion = Completion::new(completion, VIADUCT_EVENT_ENDED)?;
        let (turn, completion) = owed(call.inner.read_turn(), completion)?;
        let inner = Arc::clone(&call.inner);
        start(call.runtime.handle()?, completion, async move {
            let status = inner.status().await;
            drop(turn);
            Event { status: Some(Box::new(status)), ..Event::new(VIADUCT_EVENT_ENDED) }
        });
        Ok(())
    })
}

/// The server's address as gRPC names it: "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051" or "unix:/path". It belongs to the
/// call. NULL while there is no connection, or where this is no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_call_peer(call: *const viaduct_call) -> *const c_char {
    read(call, std::ptr::null(), |call| match call.inner.call.connected_peer() {
        None => std::ptr::null(),
        Some(peer) => call.peer.get_or_init(|| c_string(&peer)).as_ptr(),
    })
}
