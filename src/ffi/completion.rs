//! What is started now and told later: exactly one event for each thing that was started.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::buffer::{viaduct_buffer, viaduct_buffer_free};
use super::callback::{Userdata, call_out};
use super::error::{Error, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_OK, VIADUCT_RESULT_PANIC, viaduct_result};
use super::fence::fenced;
use super::handle;
use super::input::invalid;
use super::queue::{Queue, viaduct_queue};
use super::server_call::viaduct_server_call;
use super::server_call::viaduct_server_call_free;
use super::status::{viaduct_status, viaduct_status_free};

/// What an event tells about.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_event_kind {
    /// Nothing: the event is all zeros, or has been cleared.
    VIADUCT_EVENT_NONE = 0,
    /// A call with one response has ended: `status`, and `message` where the status is OK.
    VIADUCT_EVENT_RESPONSE = 1,
    /// The next message is in `message`, or `result` says that there is none.
    VIADUCT_EVENT_READ = 2,
    /// The message has been taken, or `result` says that the call is over.
    VIADUCT_EVENT_WRITE = 3,
    /// The headers are here, or the call has ended without: `viaduct_call_headers`.
    VIADUCT_EVENT_HEADERS = 4,
    /// A call has ended: `status`.
    VIADUCT_EVENT_ENDED = 5,
    /// A channel is ready, or `result` says why it is not.
    VIADUCT_EVENT_READY = 6,
    /// A server has got a call: `call`.
    VIADUCT_EVENT_CALL = 7,
    /// A server's call is over: VIADUCT_RESULT_CLOSED where its client went away or its deadline passed,
    /// VIADUCT_RESULT_OK where it was answered.
    VIADUCT_EVENT_OVER = 8,
    /// A server has drained, or a proxy has.
    VIADUCT_EVENT_DRAINED = 9,
}

use viaduct_event_kind::*;

/// Something that happened.
///
/// Whoever gets it from a queue owns what is in it: `viaduct_event_clear` frees that, and what is to
/// stay is taken out before (copied, and zeros put in its place).
#[repr(C)]
#[derive(Debug)]
pub struct viaduct_event {
    /// What was given when it was started.
    pub userdata: *mut c_void,
    /// What it tells about.
    pub kind: viaduct_event_kind,
    /// How it ended: as the blocking function of the same name would have.
    pub result: viaduct_result,
    /// A message, or zeros.
    pub message: viaduct_buffer,
    /// A status, or NULL. To be freed with `viaduct_status_free`.
    pub status: *mut viaduct_status,
    /// A server's call, or NULL. To be freed with `viaduct_server_call_free`.
    pub call: *mut viaduct_server_call,
}

/// A function that is told of an event, on the library's thread: it must be quick, and what would have
/// to wait gives VIADUCT_RESULT_INSIDE_CALLBACK there. The library clears the event afterwards; what is to
/// stay is taken out, as from an event of a queue.
pub type viaduct_callback = Option<unsafe extern "C" fn(userdata: *mut c_void, event: *mut viaduct_event)>;

/// Whom to tell: a queue or a function, one of both.
///
/// Exactly one event comes for each thing that was started with VIADUCT_RESULT_OK, whatever becomes of it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct viaduct_completion {
    /// The queue that gets the event, or NULL. It may be freed before; then the event is dropped.
    pub queue: *mut viaduct_queue,
    /// The function that is called, or NULL.
    pub callback: viaduct_callback,
    /// Given back with the event.
    pub userdata: *mut c_void,
}

/// What an event carries, while it is ours.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: viaduct_event_kind,
    pub(super) result: viaduct_result,
    pub(super) message: Option<Bytes>,
    pub(super) status: Option<Box<viaduct_status>>,
    pub(super) call: Option<viaduct_server_call>,
}

impl Event {
    pub(super) fn new(kind: viaduct_event_kind) -> Self {
        Self { kind, result: VIADUCT_RESULT_OK, message: None, status: None, call: None }
    }

    /// How it ended. The sentence of an error is lost: it belongs to no thread.
    pub(super) fn result(mut self, done: Result<(), Error>) -> Self {
        self.result = done.map_or_else(|error| error.result, |()| VIADUCT_RESULT_OK);
        self
    }

    pub(super) fn into_c(self, userdata: Userdata) -> viaduct_event {
        viaduct_event {
            userdata: userdata.0,
            kind: self.kind,
            result: self.result,
            message: self.message.map_or(viaduct_buffer::NONE, viaduct_buffer::of),
            status: self.status.map_or(std::ptr::null_mut(), |status| handle::give(*status)),
            call: self.call.map_or(std::ptr::null_mut(), handle::give),
        }
    }
}

#[derive(Debug, Clone)]
enum To {
    Queue(Arc<Queue>),
    Callback(unsafe extern "C" fn(*mut c_void, *mut viaduct_event)),
}

/// Somebody to tell of one event.
#[derive(Debug)]
pub(super) struct Completion {
    to: To,
    userdata: Userdata,
    /// The kind that was promised; none once it was told.
    owed: Option<viaduct_event_kind>,
}

impl Completion {
    pub(super) fn new(completion: viaduct_completion, kind: viaduct_event_kind) -> Result<Self, Error> {
        let to = match (completion.queue.is_null(), completion.callback) {
            (false, None) => To::Queue(handle::get(completion.queue)?.queue()),
            (true, Some(callback)) => To::Callback(callback),
            (true, None) => {
                return Err(invalid("the completion is empty; expected a queue or a callback".into()));
            }
            (false, Some(_)) => {
                let message = "the completion has a queue and a callback; expected one of both";
                return Err(invalid(message.into()));
            }
        };
        Ok(Self { to, userdata: Userdata(completion.userdata), owed: Some(kind) })
    }

    /// Tells it.
    pub(super) fn tell(mut self, event: Event) {
        self.owed = None;
        self.deliver(event);
    }

    /// Tells nobody: what was started could not be.
    pub(super) fn forget(mut self) {
        self.owed = None;
    }

    /// Whether it can be told while the caller is still in the function that starts it.
    fn can_be_told_at_once(&self) -> bool {
        matches!(self.to, To::Queue(_))
    }

    fn deliver(&self, event: Event) {
        match &self.to {
            To::Queue(queue) => queue.push(event, self.userdata),
            To::Callback(callback) => {
                let mut event = event.into_c(self.userdata);
                // SAFETY: the C program gave function and pointer for each other, and the event is ours.
                call_out(|| unsafe { callback(self.userdata.0, &raw mut event) });
                viaduct_event_clear(&raw mut event);
            }
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        // The runtime has gone, or a bug was hit: whoever waits must hear of it.
        if let Some(kind) = self.owed.take() {
            let result = if std::thread::panicking() { VIADUCT_RESULT_PANIC } else { VIADUCT_RESULT_CLOSED };
            self.deliver(Event { result, ..Event::new(kind) });
        }
    }
}

/// Does `work` and tells of it: at once where it need not wait and a queue is told, otherwise by a task.
pub(super) fn start(
    runtime: &Handle,
    completion: Completion,
    work: impl Future<Output = Event> + Send + 'static,
) {
    let at_once = completion.can_be_told_at_once();
    let mut task: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { completion.tell(work.await) });
    if at_once {
        let _inside = runtime.enter();
        if poll_once(task.as_mut()).is_ready() {
            return;
        }
    }
    runtime.spawn(task);
}

/// Polls outside of a task. Whoever gets `Pending` must see to it that it is polled again.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Frees what is in an event, and makes it all zeros. NULL is fine, and so is an event of zeros.
///
/// Gives VIADUCT_RESULT_OK. A server's call that is in it and was not answered is answered INTERNAL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_event_clear(event: *mut viaduct_event) -> viaduct_result {
    fenced(|| {
        if !event.is_null() {
            let none = viaduct_event {
                userdata: std::ptr::null_mut(),
                kind: VIADUCT_EVENT_NONE,
                result: VIADUCT_RESULT_OK,
                message: viaduct_buffer::NONE,
                status: std::ptr::null_mut(),
                call: std::ptr::null_mut(),
            };
            // SAFETY: by the contract this is an event that the library has written, or zeros.
            let mut gone = unsafe { event.replace(none) };
            viaduct_buffer_free(&raw mut gone.message);
            viaduct_status_free(gone.status);
            viaduct_server_call_free(gone.call);
        }
        Ok(())
    })
}
