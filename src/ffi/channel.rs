//! Channels: where calls begin.

use std::ffi::{CString, c_char};
use std::sync::{Arc, Mutex};

use super::buffer::viaduct_buffer;
use super::call::{Inner, read_outcome, viaduct_call, write_outcome};
use super::completion::{
    Completion, Event, start, viaduct_completion, viaduct_event_kind::VIADUCT_EVENT_READY,
    viaduct_event_kind::VIADUCT_EVENT_RESPONSE,
};
use super::credentials::viaduct_credentials;
use super::error::{Error, VIADUCT_RESULT_TOO_LONG, c_string, viaduct_result};
use super::fence::{free, read, with};
use super::handle::{self, Object};
use super::input::{Out, options, patience, text, viaduct_bytes, zero};
use super::options::{viaduct_call_options, viaduct_channel_options};
use super::runtime::{Runtime, viaduct_runtime};
use super::status::viaduct_status;
use crate::client::target::Scheme;
use crate::client::{CallOptions, Channel, Connectivity, Method, Target};
use crate::tls::ClientTls;

/// What a channel is doing.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_connectivity {
    /// This is no channel: see `viaduct_error_message`.
    VIADUCT_CONNECTIVITY_UNKNOWN = -1,
    /// There is no connection, and none is being made.
    VIADUCT_IDLE = 0,
    /// A connection is being made.
    VIADUCT_CONNECTING = 1,
    /// The connection stands.
    VIADUCT_READY = 2,
    /// The last attempt failed.
    VIADUCT_TRANSIENT_FAILURE = 3,
    /// The channel was closed.
    VIADUCT_SHUTDOWN = 4,
}

use viaduct_connectivity::*;

fn state_of(state: Connectivity) -> viaduct_connectivity {
    match state {
        Connectivity::Idle => VIADUCT_IDLE,
        Connectivity::Connecting => VIADUCT_CONNECTING,
        Connectivity::Ready => VIADUCT_READY,
        Connectivity::TransientFailure => VIADUCT_TRANSIENT_FAILURE,
        Connectivity::Shutdown => VIADUCT_SHUTDOWN,
    }
}

/// Connections to a server, made when a call needs them and made again when they break.
///
/// Any number of threads may use it at once.
pub struct viaduct_channel {
    channel: Channel,
    target: CString,
    runtime: Arc<Runtime>,
    /// The method that was called last: mostly it is the next one, too.
    last: Mutex<Option<Method>>,
}

impl Object for viaduct_channel {
    const KIND: u8 = handle::CHANNEL;
}

impl viaduct_channel {
    fn method(&self, path: *const c_char) -> Result<Method, Error> {
        let path = text(path, "the method")?;
        // Threads that meet here read for themselves.
        let Ok(mut last) = self.last.try_lock() else { return Ok(Method::parse(path)?) };
        match &*last {
            Some(method) if method.as_str() == path => Ok(method.clone()),
            _ => Ok(last.insert(Method::parse(path)?).clone()),
        }
    }
}

/// A request that cannot be sent for its length is the caller's error.
pub(super) fn framed(
    channel: &Channel,
    message: &[u8],
    options: &CallOptions,
) -> Result<bytes::Bytes, Error> {
    channel
        .frame(message, options.encoding)
        .map_err(|status| Error::new(VIADUCT_RESULT_TOO_LONG, status.message().to_owned()))
}

/// Makes a channel. Nothing is sent yet. The caller frees it with `viaduct_channel_free`.
///
/// `target` is "http://host:port" (plaintext), "https://host:port" (TLS), "dns:///host:port",
/// "ipv4:address:port", "ipv6:[address]:port", "unix:/path" or "unix-abstract:name". `credentials` may be
/// NULL: then "https", "dns", "ipv4" and "ipv6" trust the system's roots, and the others are plaintext.
/// `channel_options` may be NULL.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_INVALID_ARGUMENT where the
/// target is invalid, or target, credentials and options do not go together.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_new(
    runtime: *mut viaduct_runtime,
    target: *const c_char,
    credentials: *const viaduct_credentials,
    channel_options: *const viaduct_channel_options,
    channel: *mut *mut viaduct_channel,
) -> viaduct_result {
    zero(channel);
    with(runtime, |runtime| {
        let place = Out::new(channel, "the channel")?;
        let target = Target::parse(text(target, "the target")?)?;
        let tls = match (handle::get_optional(credentials)?, target.tls) {
            (Some(credentials), _) => Some(credentials.0.clone()),
            (None, Scheme::Tls | Scheme::Open) => Some(ClientTls::new(None, None, None)?),
            (None, Scheme::Plaintext | Scheme::Local) => None,
        };
        let options = options(channel_options)?.read()?;
        let text = c_string(&target.text);
        let channel = Channel::new(target, tls, options)?;
        let (runtime, last) = (runtime.runtime(), Mutex::default());
        place.set(handle::give(viaduct_channel { channel, target: text, runtime, last }));
        Ok(())
    })
}

/// Frees a channel. NULL is fine. Calls that run go on; the connections end with the last of them.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_free(channel: *mut viaduct_channel) -> viaduct_result {
    free(channel)
}

/// Closes the connections and ends the calls on them. Later calls end UNAVAILABLE.
///
/// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_close(channel: *mut viaduct_channel) -> viaduct_result {
    with(channel, |channel| {
        let _inside = channel.runtime.handle()?.enter();
        channel.channel.close();
        Ok(())
    })
}

/// The target as it was given. It belongs to the channel. NULL where this is no channel.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_target(channel: *const viaduct_channel) -> *const c_char {
    read(channel, std::ptr::null(), |channel| channel.target.as_ptr())
}

/// What the channel is doing. `connect`, if not 0, begins to connect where it is idle, and after a
/// failure once the pause is over.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_state(channel: *mut viaduct_channel, connect: i32) -> viaduct_connectivity {
    let mut state = VIADUCT_CONNECTIVITY_UNKNOWN;
    with(channel, |channel| {
        let _inside = channel.runtime.handle()?.enter();
        state = state_of(channel.channel.state(connect != 0));
        Ok(())
    });
    state
}

/// Connects, and waits until a connection stands, however many attempts it takes: up to `timeout_ms`,
/// for ever where that is negative.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_INSIDE_CALLBACK, or
/// VIADUCT_RESULT_FAILED where the channel was closed.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_wait_for_ready(
    channel: *mut viaduct_channel,
    timeout_ms: i64,
) -> viaduct_result {
    with(channel, |channel| {
        let ready = channel.channel.wait_for_ready();
        let done = channel.runtime.wait(patience(timeout_ms), ready)?;
        done.map_err(|status| Error::failed(&status))
    })
}

/// Starts `viaduct_channel_wait_for_ready`. The event is VIADUCT_EVENT_READY.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_wait_for_ready_start(
    channel: *mut viaduct_channel,
    completion: viaduct_completion,
) -> viaduct_result {
    with(channel, |channel| {
        let completion = Completion::new(completion, VIADUCT_EVENT_READY)?;
        let ours = channel.channel.clone();
        start(channel.runtime.handle()?, completion, async move {
            let done = ours.wait_for_ready().await;
            Event::new(VIADUCT_EVENT_READY).result(done.map_err(|status| Error::failed(&status)))
        });
        Ok(())
    })
}

/// A call with one request and one response: sends, and waits until it has ended. The time is limited by
/// the deadline in the options.
///
/// `method` is "/package.Service/Method". `call_options` may be NULL. `response` gets the response where
/// the result is VIADUCT_RESULT_OK; the caller frees it with `viaduct_buffer_free`. `status`, which may be NULL,
/// gets how the call ended where the result is VIADUCT_RESULT_OK or VIADUCT_RESULT_FAILED; the caller frees it with
/// `viaduct_status_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_FAILED where the status is not OK, VIADUCT_RESULT_NULL,
/// VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG, VIADUCT_RESULT_INVALID_ARGUMENT or VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_unary(
    channel: *mut viaduct_channel,
    method: *const c_char,
    request: viaduct_bytes,
    call_options: *const viaduct_call_options,
    response: *mut viaduct_buffer,
    status: *mut *mut viaduct_status,
) -> viaduct_result {
    zero(response);
    zero(status);
    with(channel, |channel| {
        let place = Out::new(response, "the response")?;
        let method = channel.method(method)?;
        let options = options(call_options)?.read()?;
        let request = framed(&channel.channel, request.get("the request")?, &options)?;
        let outcome = channel.runtime.wait(None, channel.channel.unary(method, request, options))?;
        write_outcome(outcome, place, Out::optional(status))
    })
}

/// Starts `viaduct_channel_unary`. The event is VIADUCT_EVENT_RESPONSE.
///
/// `call`, which may be NULL, gets the call, to cancel it or to read its headers; the caller frees it with
/// `viaduct_call_free`, which cancels the call where it still runs.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG or
/// VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_unary_start(
    channel: *mut viaduct_channel,
    method: *const c_char,
    request: viaduct_bytes,
    call_options: *const viaduct_call_options,
    completion: viaduct_completion,
    call: *mut *mut viaduct_call,
) -> viaduct_result {
    zero(call);
    with(channel, |channel| {
        let method = channel.method(method)?;
        let options = options(call_options)?.read()?;
        let request = framed(&channel.channel, request.get("the request")?, &options)?;
        let completion = Completion::new(completion, VIADUCT_EVENT_RESPONSE)?;
        let inner = Inner::new(&channel.channel, method, Some(request), options);
        let turn = inner.read_turn()?;
        // Before the event can be told, which may free what hangs on it.
        if let Some(place) = Out::optional(call) {
            place.set(handle::give(viaduct_call::new(Arc::clone(&inner), Arc::clone(&channel.runtime))));
        }
        start(channel.runtime.handle()?, completion, async move {
            inner.begin().await;
            let event = read_outcome(inner.outcome().await);
            drop(turn);
            event
        });
        Ok(())
    })
}

/// Begins a call of any kind. The caller frees it with `viaduct_call_free`.
///
/// `request` is the one request of a unary or server-streaming call; NULL for calls that send a stream,
/// with `viaduct_call_write`. `method` and `call_options` are as in `viaduct_channel_unary`. This does not
/// wait: what goes wrong is the call's status.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG or
/// VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_channel_call(
    channel: *mut viaduct_channel,
    method: *const c_char,
    request: *const viaduct_bytes,
    call_options: *const viaduct_call_options,
    call: *mut *mut viaduct_call,
) -> viaduct_result {
    zero(call);
    with(channel, |channel| {
        let place = Out::new(call, "the call")?;
        let method = channel.method(method)?;
        let options = options(call_options)?.read()?;
        // SAFETY: by the contract it leads to bytes.
        let request = match unsafe { request.as_ref() } {
            None => None,
            Some(request) => Some(framed(&channel.channel, request.get("the request")?, &options)?),
        };
        let inner = Inner::new(&channel.channel, method, request, options);
        Inner::begin_now(&inner, channel.runtime.handle()?);
        place.set(handle::give(viaduct_call::new(inner, Arc::clone(&channel.runtime))));
        Ok(())
    })
}
