//! A call as a server has it.

use std::ffi::{CString, c_char};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};

use super::buffer::viaduct_buffer;
use super::call::owed;
use super::completion::{
    Completion, Event, start, viaduct_completion, viaduct_event_kind::VIADUCT_EVENT_OVER,
    viaduct_event_kind::VIADUCT_EVENT_READ, viaduct_event_kind::VIADUCT_EVENT_WRITE,
};
use super::error::{
    Error, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_END, VIADUCT_RESULT_TOO_LONG,
    VIADUCT_RESULT_WRONG_STATE, c_string, viaduct_result,
};
use super::fence::{free, read, with};
use super::handle::{self, Lent, Object};
use super::input::{Out, encoding, patience, text_optional, viaduct_bytes, zero};
use super::metadata::{map_of, viaduct_metadata};
use super::runtime::Runtime;
use super::server::viaduct_method_kind;
use super::server::viaduct_method_kind::{
    VIADUCT_BIDI_STREAMING, VIADUCT_CLIENT_STREAMING, VIADUCT_SERVER_STREAMING, VIADUCT_UNARY,
};
use super::status::{code, viaduct_status};
use crate::codec::{self, Encoding, Message};
use crate::deadline::Deadline;
use crate::server::{Incoming, Refused, ServerCall};

/// A call as a server has it.
///
/// One thread may read and another one write at the same time; a second one that reads or writes gets
/// VIADUCT_RESULT_BUSY. It may be answered on any thread, at once or later.
pub struct viaduct_server_call {
    inner: Inner,
    runtime: Arc<Runtime>,
    request: Option<Bytes>,
    texts: OnceLock<Box<Texts>>,
    metadata: OnceLock<Lent<viaduct_metadata>>,
}

/// What is read of a call as C's strings. Most handlers read none.
#[derive(Default)]
struct Texts {
    path: OnceLock<CString>,
    authority: OnceLock<CString>,
    peer: OnceLock<CString>,
}

impl Object for viaduct_server_call {
    const KIND: u8 = handle::SERVER_CALL;
}

/// What the handle and what was started share. A call that is answered at once starts nothing, and needs no
/// [`Use`].
#[derive(Clone)]
struct Inner {
    call: ServerCall,
    kind: viaduct_method_kind,
    in_use: OnceLock<Arc<Use>>,
}

/// How a call is being used.
#[derive(Default)]
struct Use {
    /// A `viaduct_compression` of this call's own.
    compression: AtomicI32,
    reading: AtomicBool,
    writing: AtomicBool,
}

/// The right to read, or to write.
struct Turn {
    of: Arc<Use>,
    which: fn(&Use) -> &AtomicBool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        (self.which)(&self.of).store(false, Release);
    }
}

impl viaduct_server_call {
    pub(super) fn new(incoming: Incoming, kind: viaduct_method_kind, runtime: Arc<Runtime>) -> Self {
        Self {
            inner: Inner { call: incoming.call, kind, in_use: OnceLock::new() },
            runtime,
            request: incoming.message.map(Message::into_bytes),
            texts: OnceLock::new(),
            metadata: OnceLock::new(),
        }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(Box::default)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.inner.call.deadline()
    }
}

impl Drop for viaduct_server_call {
    fn drop(&mut self) {
        if self.inner.call.is_over() {
            return;
        }
        // What waits for its end holds the call, too; so it is ended here.
        let status = Status::internal("the handler ended without an answer");
        let _ = self.inner.call.finish(status, HeaderMap::new());
    }
}

impl fmt::Debug for viaduct_server_call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.call.fmt(f)
    }
}

impl Inner {
    fn in_use(&self) -> &Arc<Use> {
        self.in_use.get_or_init(Arc::default)
    }

    fn turn(&self, which: fn(&Use) -> &AtomicBool, taken: &'static str) -> Result<Turn, Error> {
        let of = self.in_use();
        if which(of).swap(true, AcqRel) {
            return Err(Error::new(VIADUCT_RESULT_BUSY, taken));
        }
        Ok(Turn { of: Arc::clone(of), which })
    }

    fn read_turn(&self) -> Result<Turn, Error> {
        if matches!(self.kind, VIADUCT_UNARY | VIADUCT_SERVER_STREAMING) {
            let message = "the method has one request, which viaduct_server_call_request gives";
            return Err(Error::new(VIADUCT_RESULT_WRONG_STATE, message));
        }
        self.turn(|of| &of.reading, "somebody reads from this call already")
    }

    fn write_turn(&self) -> Result<Turn, Error> {
        if !self.streams() {
            let message = "the method has one response, which viaduct_server_call_reply sends";
            return Err(Error::new(VIADUCT_RESULT_WRONG_STATE, message));
        }
        self.turn(|of| &of.writing, "a message is being written to this call already")
    }

    /// Whether it has any number of responses.
    fn streams(&self) -> bool {
        match self.kind {
            VIADUCT_UNARY | VIADUCT_CLIENT_STREAMING => false,
            VIADUCT_SERVER_STREAMING | VIADUCT_BIDI_STREAMING => true,
        }
    }

    /// How messages are compressed, where the call has a say of its own that the client accepts.
    fn own_encoding(&self) -> Option<Encoding> {
        let own = encoding(self.in_use.get()?.compression.load(Acquire)).ok().flatten()?;
        self.call.accepts(own).then_some(own)
    }

    /// Sends the headers, unless they were sent, where they must name an encoding.
    fn name_encoding(&self) {
        if let Some(own) = self.own_encoding() {
            // Refused where they were sent before, and then they named it.
            let _ = self.call.send_headers(named(HeaderMap::new(), own));
        }
    }

    fn framed(&self, message: viaduct_bytes) -> Result<Bytes, Error> {
        let message = message.get("the message")?;
        let encoding = self.own_encoding().unwrap_or_else(|| self.call.encoding());
        codec::frame(message, encoding)
            .map_err(|status| Error::new(VIADUCT_RESULT_TOO_LONG, status.message().to_owned()))
    }

    async fn send(&self, message: Bytes) -> Result<(), Error> {
        self.name_encoding();
        self.call.send(message).await.map_err(|refused| not_sent(&refused))
    }

    async fn message(&self) -> Result<Message, Error> {
        match self.call.recv().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Error::new(VIADUCT_RESULT_END, "the client has sent its last message")),
            Err(status) => Err(Error::failed(&status)),
        }
    }
}

/// `headers` with the name of an encoding.
fn named(mut headers: HeaderMap, encoding: Encoding) -> HeaderMap {
    headers.insert("grpc-encoding", HeaderValue::from_static(encoding.name()));
    headers
}

fn not_sent(refused: &Refused) -> Error {
    let result = match refused {
        Refused::Ended => VIADUCT_RESULT_CLOSED,
        Refused::HeadersSent => VIADUCT_RESULT_WRONG_STATE,
        Refused::HeadersTooLong { .. } | Refused::TooLong { .. } => VIADUCT_RESULT_TOO_LONG,
    };
    Error::new(result, refused.to_string())
}

/// Frees a call. NULL is fine. A call that was not answered is answered INTERNAL.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_free(call: *mut viaduct_server_call) -> viaduct_result {
    free(call)
}

/// The method's path, "/package.Service/Method". It belongs to the call. NULL where this is no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_path(call: *const viaduct_server_call) -> *const c_char {
    read(call, std::ptr::null(), |call| {
        call.texts().path.get_or_init(|| c_string(call.inner.call.path())).as_ptr()
    })
}

/// The `:authority` that the client asked for; it may be empty. It belongs to the call. NULL where this is
/// no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_authority(call: *const viaduct_server_call) -> *const c_char {
    read(call, std::ptr::null(), |call| {
        call.texts().authority.get_or_init(|| c_string(call.inner.call.authority())).as_ptr()
    })
}

/// Who calls: "ipv4:1.2.3.4:5", "ipv6:[::1]:5" or "unix:". It belongs to the call. NULL where this is no
/// call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_peer(call: *const viaduct_server_call) -> *const c_char {
    read(call, std::ptr::null(), |call| {
        call.texts().peer.get_or_init(|| c_string(&call.inner.call.peer())).as_ptr()
    })
}

/// The certificate that the client has shown, in DER; no bytes where it has shown none. They belong to the
/// call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_certificate(call: *const viaduct_server_call) -> viaduct_bytes {
    read(call, viaduct_bytes::EMPTY, |call| {
        call.inner.call.peer_certificate().map_or(viaduct_bytes::EMPTY, viaduct_bytes::of)
    })
}

/// The `viaduct_method_kind` that the method was added with; -1 where this is no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_kind(call: *const viaduct_server_call) -> i32 {
    read(call, -1, |call| call.inner.kind as i32)
}

/// What the client has sent with its request. It belongs to the call: it is not freed. NULL where this is
/// no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_metadata(call: *const viaduct_server_call) -> *const viaduct_metadata {
    read(call, std::ptr::null(), |call| {
        let own = || Lent::new(viaduct_metadata::of(call.inner.call.headers().clone()));
        call.metadata.get_or_init(own).as_ptr()
    })
}

/// The one request of a unary or server-streaming method; no bytes for the others. They belong to the call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_request(call: *const viaduct_server_call) -> viaduct_bytes {
    read(call, viaduct_bytes::EMPTY, |call| {
        call.request.as_deref().map_or(viaduct_bytes::EMPTY, viaduct_bytes::of)
    })
}

/// How many milliseconds are left until the deadline; 0 once it has passed, -1 where there is none or this
/// is no call.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_remaining_ms(call: *const viaduct_server_call) -> i64 {
    read(call, -1, |call| {
        call.deadline().map_or(-1, |at| i64::try_from(at.remaining().as_millis()).unwrap_or(i64::MAX))
    })
}

/// 1 where no answer is wanted any more: the client went away, or the deadline passed; else 0.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_is_cancelled(call: *const viaduct_server_call) -> i32 {
    read(call, 0, |call| i32::from(call.inner.call.is_cancelled()))
}

/// Compresses this call's responses in its own way, where the client accepts that; before headers or
/// messages are sent. `compression` is a `viaduct_compression`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_set_compression(
    call: *mut viaduct_server_call,
    compression: i32,
) -> viaduct_result {
    with(call, |call| {
        encoding(compression)?;
        call.inner.in_use().compression.store(compression, Release);
        Ok(())
    })
}

/// Sends the headers, with `metadata`, which may be NULL. Without this they go with the first message.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_WRONG_STATE where they were sent
/// already, or VIADUCT_RESULT_TOO_LONG where they are longer than the client accepts: nothing is sent then.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_send_headers(
    call: *mut viaduct_server_call,
    metadata: *const viaduct_metadata,
) -> viaduct_result {
    with(call, |call| {
        let mut headers = map_of(metadata)?;
        if let Some(own) = call.inner.own_encoding() {
            headers = named(headers, own);
        }
        call.inner.call.send_headers(headers).map_err(|refused| not_sent(&refused))
    })
}

/// Takes the next message of a method that streams its requests: waits for it up to `timeout_ms`, for ever
/// where that is negative, not at all where it is 0. The caller frees it with `viaduct_buffer_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_END after the last, VIADUCT_RESULT_FAILED where the call is over,
/// VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INSIDE_CALLBACK, or
/// VIADUCT_RESULT_WRONG_STATE where there is one request.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_read(
    call: *mut viaduct_server_call,
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

/// Starts `viaduct_server_call_read`. The event is VIADUCT_EVENT_READ.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INVALID_ARGUMENT or
/// VIADUCT_RESULT_WRONG_STATE.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_read_start(
    call: *mut viaduct_server_call,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let completion = Completion::new(completion, VIADUCT_EVENT_READ)?;
        let (turn, completion) = owed(call.inner.read_turn(), completion)?;
        let inner = call.inner.clone();
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

/// Sends a message of a method that streams its responses; it is copied. Waits while the client takes none:
/// up to `timeout_ms`, for ever where that is negative; after VIADUCT_RESULT_TIMEOUT it has not been sent.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL,
/// VIADUCT_RESULT_TOO_LONG, VIADUCT_RESULT_INSIDE_CALLBACK, or VIADUCT_RESULT_WRONG_STATE where there is one response.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_write(
    call: *mut viaduct_server_call,
    message: viaduct_bytes,
    timeout_ms: i64,
) -> viaduct_result {
    with(call, |call| {
        let message = call.inner.framed(message)?;
        let _turn = call.inner.write_turn()?;
        call.runtime.wait(patience(timeout_ms), call.inner.send(message))?
    })
}

/// Starts `viaduct_server_call_write`. The event is VIADUCT_EVENT_WRITE.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG,
/// VIADUCT_RESULT_INVALID_ARGUMENT or VIADUCT_RESULT_WRONG_STATE.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_write_start(
    call: *mut viaduct_server_call,
    message: viaduct_bytes,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let message = call.inner.framed(message)?;
        let completion = Completion::new(completion, VIADUCT_EVENT_WRITE)?;
        let (turn, completion) = owed(call.inner.write_turn(), completion)?;
        let inner = call.inner.clone();
        start(call.runtime.handle()?, completion, async move {
            let done = inner.send(message).await;
            drop(turn);
            Event::new(VIADUCT_EVENT_WRITE).result(done)
        });
        Ok(())
    })
}

/// Answers a unary or client-streaming method: one message, OK, and `trailers`, which may be NULL. The
/// message is copied. It does not wait.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG (then the call was
/// answered RESOURCE_EXHAUSTED), or VIADUCT_RESULT_WRONG_STATE where there are any number of responses.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_reply(
    call: *mut viaduct_server_call,
    message: viaduct_bytes,
    trailers: *const viaduct_metadata,
) -> viaduct_result {
    with(call, |call| {
        if call.inner.streams() {
            let message = "the method has any number of responses, which viaduct_server_call_write sends";
            return Err(Error::new(VIADUCT_RESULT_WRONG_STATE, message));
        }
        let trailers = map_of(trailers)?;
        let message = call.inner.framed(message)?;
        call.inner.name_encoding();
        call.inner.call.reply(message, trailers).map_err(|refused| not_sent(&refused))
    })
}

/// Ends a call with a status and `trailers`. Both may be NULL: then it is OK, and there are none. It does
/// not wait; a message that is being written is not sent.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_WRONG_STATE for OK without
/// the one response that the method has.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_finish(
    call: *mut viaduct_server_call,
    status: *const viaduct_status,
    trailers: *const viaduct_metadata,
) -> viaduct_result {
    with(call, |call| {
        let status = handle::get_optional(status)?.map_or_else(|| Status::ok(""), viaduct_status::to_status);
        if status.code() == Code::Ok && !call.inner.streams() {
            let message = "the method has one response; expected viaduct_server_call_reply, or an error";
            return Err(Error::new(VIADUCT_RESULT_WRONG_STATE, message));
        }
        let trailers = map_of(trailers)?;
        call.inner.call.finish(status, trailers).map_err(|refused| not_sent(&refused))
    })
}

/// Ends a call with an error: a `viaduct_code` that is not OK, and a message, which may be NULL and is
/// copied. It does not wait.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or
/// VIADUCT_RESULT_INVALID_ARGUMENT for an invalid code or OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_fail(
    call: *mut viaduct_server_call,
    code_number: i32,
    message: *const c_char,
) -> viaduct_result {
    with(call, |call| {
        let code = code(code_number)?;
        if code == Code::Ok {
            return Err(super::input::invalid("a call cannot fail with OK; expected 1 to 16".into()));
        }
        let message = text_optional(message, "the message")?.unwrap_or_default();
        let done = call.inner.call.finish(Status::new(code, message), HeaderMap::new());
        done.map_err(|refused| not_sent(&refused))
    })
}

/// Tells when the call is over: VIADUCT_RESULT_CLOSED where the client went away or the deadline passed,
/// VIADUCT_RESULT_OK where it was answered. The event is VIADUCT_EVENT_OVER.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_call_over_start(
    call: *mut viaduct_server_call,
    completion: viaduct_completion,
) -> viaduct_result {
    with(call, |call| {
        let completion = Completion::new(completion, VIADUCT_EVENT_OVER)?;
        let ours = call.inner.call.clone();
        start(call.runtime.handle()?, completion, async move {
            let why = ours.cancelled().await;
            let done =
                why.map_or(Ok(()), |why| Err(Error::new(VIADUCT_RESULT_CLOSED, why.message().to_owned())));
            Event::new(VIADUCT_EVENT_OVER).result(done)
        });
        Ok(())
    })
}
