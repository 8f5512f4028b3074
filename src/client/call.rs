//! One call of any kind, on h2 directly.
//!
//! The bytes of a call are moved by the connection's task; what stands here is polled by whoever waits
//! for a message. Nothing is spawned for a call without a deadline. For one that streams under a
//! deadline a task resets it when the time has come, whatever the caller is doing then.
//!
//! On the hot path the request's head and its one DATA frame are queued before the connection is
//! polled: one write.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::attempt::Attempt;
use super::channel::Hub;
use super::method::Method;
use super::options::CallOptions;
use super::receiving::Until;
pub use super::sending::Closed;
use super::sending::{Live, Replay};
use super::service_config::{MethodConfig, Policy};
use crate::codec::{Deframer, Message};
use crate::deadline::Deadline;
use crate::status;
use crate::transport::connection::{Busy, Connection};
use crate::transport::flow::Receiver;
use crate::waiting::Waiters;

/// The target of log lines.
const CALL: &str = "viaduct::call";

/// How a call ends that this side has cancelled.
static CANCELLED: LazyLock<(Status, HeaderMap)> =
    LazyLock::new(|| (Status::cancelled("the call was cancelled by this side"), HeaderMap::new()));

/// How long a call takes.
struct Timing {
    began: Instant,
    took: OnceLock<Duration>,
}

impl Timing {
    fn start() -> Box<Self> {
        Box::new(Self { began: Instant::now(), took: OnceLock::new() })
    }
}

/// How a call with one response ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The headers the server sent.
    pub headers: HeaderMap,
    /// The response, where the status is OK.
    pub message: Option<Message>,
    /// How the call ended.
    pub status: Status,
    /// The trailers the server sent.
    pub trailers: HeaderMap,
    /// The peer's address; the target where there was no connection.
    pub peer: Arc<str>,
}

/// A call. Clones are the same call.
#[derive(Debug, Clone)]
pub struct Call(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) method: Method,
    pub(super) options: CallOptions,
    /// What the service config says of the method.
    pub(super) config: Option<Arc<MethodConfig>>,
    /// The one request of a call that has only one; kept for sending it again.
    pub(super) request: Option<Bytes>,
    state: Mutex<State>,
    /// Why this side ended the call, where it did.
    pub(super) killed: OnceLock<Status>,
    pub(super) headers: OnceLock<HeaderMap>,
    end: OnceLock<(Status, HeaderMap)>,
    /// Whether somebody was told how the call ended. Set under the lock.
    told: AtomicBool,
    /// Whether it was cancelled after its end, before anybody was told of that. Set under the lock.
    cancelled: AtomicBool,
    guard: OnceLock<AbortHandle>,
    /// Where the log tells of calls.
    timing: Option<Box<Timing>>,
    /// Told by the engine.
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) connection: Option<Connection>,
    pub(super) busy: Option<Busy>,
    pub(super) send: Option<SendStream<Bytes>>,
    pub(super) half_closed: bool,
    pub(super) answer: Answer,
    pub(super) receivers: Waiters,
    pub(super) senders: Waiters,
    /// Messages that were read while looking for the status.
    pub(super) ahead: VecDeque<Message>,
    /// What a call without a request has sent; `None` where it cannot be sent again.
    pub(super) replay: Option<Replay>,
    /// Makes the attempts, where one of them is not simply the call.
    pub(super) engine: Option<AbortHandle>,
    /// The engine's attempts.
    pub(super) live: Vec<Live>,
    /// The one of them that the call is.
    pub(super) chosen: Option<u32>,
    /// How the last of them that failed ended.
    pub(super) failed: Option<Status>,
}

#[derive(Default)]
pub(super) enum Answer {
    #[default]
    None,
    /// The engine waits for it.
    Engine,
    /// Whether the request could not be sent comes with it.
    Head(ResponseFuture, bool),
    Body(Receiver, Deframer),
    /// It is not gRPC.
    Foreign(Box<http::response::Parts>, RecvStream),
}

impl Call {
    pub(super) async fn unary(
        hub: Arc<Hub>,
        method: Method,
        request: Bytes,
        options: CallOptions,
    ) -> Outcome {
        let call = Self::new(hub, method, Some(request), options);
        let message = match call.0.options.deadline {
            None => call.one_response().await,
            Some(at) => {
                match tokio::time::timeout_at(Instant::from_std(at.instant()), call.one_response()).await {
                    Ok(message) => message,
                    Err(_) => {
                        let status = call.overdue();
                        call.kill(status);
                        None
                    }
                }
            }
        };
        call.into_outcome(message)
    }

    pub(super) async fn start(
        hub: Arc<Hub>,
        method: Method,
        request: Option<Bytes>,
        options: CallOptions,
    ) -> Self {
        let call = Self::new(hub, method, request, options);
        match call.0.options.deadline {
            None => call.open_or_end().await,
            Some(at) => {
                let at = Instant::from_std(at.instant());
                if tokio::time::timeout_at(at, call.open_or_end()).await.is_err() {
                    let status = call.overdue();
                    call.finish(status, HeaderMap::new());
                }
                call.guard(at);
            }
        }
        call
    }

    /// Sends the head of a call that [`Channel::prepare`](super::Channel::prepare) made, and its
    /// request where it has one. Waits for a connection, not for an answer, and no longer than the
    /// deadline. What goes wrong is the call's status.
    pub async fn begin(&self) {
        if self.0.options.deadline.is_some_and(Deadline::passed) {
            let status = self.overdue();
            return self.end_with(status);
        }
        self.in_time(self.open_or_end()).await;
    }

    /// Waits for `work`, but no longer than the deadline: then the call is ended, and there is `None`.
    pub async fn in_time<F: Future>(&self, work: F) -> Option<F::Output> {
        let Some(at) = self.0.options.deadline else { return Some(work.await) };
        let done = tokio::time::timeout_at(Instant::from_std(at.instant()), work).await.ok();
        if done.is_none() {
            let status = self.overdue();
            self.end_with(status);
        }
        done
    }

    pub(super) fn new(
        hub: Arc<Hub>,
        method: Method,
        request: Option<Bytes>,
        mut options: CallOptions,
    ) -> Self {
        let channel = &hub.config.options;
        let config =
            channel.service_config.as_ref().and_then(|service| service.method(method.as_str())).cloned();
        if let Some(timeout) = config.as_ref().and_then(|config| config.timeout) {
            options.deadline = Deadline::earliest(options.deadline, Some(Deadline::after(timeout)));
        }
        let half_closed = request.is_some();
        let replay = (channel.retries && request.is_none()).then(Replay::default);
        Self(Arc::new(Shared {
            hub,
            method,
            options,
            config,
            request,
            state: Mutex::new(State { half_closed, replay, ..State::default() }),
            killed: OnceLock::new(),
            headers: OnceLock::new(),
            end: OnceLock::new(),
            told: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            guard: OnceLock::new(),
            timing: tracing::enabled!(target: CALL, tracing::Level::DEBUG).then(Timing::start),
            changed: Notify::new(),
        }))
    }

    /// How the method's calls become several attempts, where they do.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.0.config.as_ref()?.policy.as_ref().filter(|_| self.0.hub.config.options.retries)
    }

    /// Whether the call waits for a connection.
    pub(super) fn waits(&self) -> bool {
        let method = || self.0.config.as_ref().and_then(|config| config.wait_for_ready);
        self.0.options.wait_for_ready.or_else(method).unwrap_or(self.0.hub.config.options.wait_for_ready)
    }

    /// The longest message that is taken, in bytes.
    pub(super) fn max_receive(&self) -> usize {
        let channel = self.0.hub.config.options.max_receive;
        let method = self.0.config.as_ref().and_then(|config| config.max_response);
        method.map_or(channel, |method| method.min(channel))
    }

    /// Ends the call at its deadline from now on, whoever waits for it and for as long as somebody has
    /// it; for calls that were begun by [`begin`](Self::begin). Must be called on the reactor.
    pub fn keep_deadline(&self) {
        if let Some(at) = self.0.options.deadline {
            self.guard(Instant::from_std(at.instant()));
        }
    }

    /// The longest list of headers that is taken, in bytes as HTTP/2 counts them.
    pub(super) fn max_headers(&self) -> u32 {
        self.0.hub.config.options.max_header_list
    }

    fn guard(&self, at: Instant) {
        if self.end().is_some() {
            return;
        }
        let weak = Arc::downgrade(&self.0);
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            if let Some(shared) = weak.upgrade() {
                let call = Self(shared);
                let status = call.overdue();
                call.kill(status);
            }
        });
        let _ = self.0.guard.set(task.abort_handle());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Half-closes, and waits for the one response and the end. For calls that `Channel::call`
    /// opened; the message is there the first time only.
    ///
    /// The wait may be given up and made again.
    pub async fn response(&self) -> Outcome {
        self.half_close();
        let message = match self.advance(Until::Second).await {
            None => self.lock().ahead.pop_front(),
            Some(_) => {
                self.kill(self.too_many());
                None
            }
        };
        self.clone().into_outcome(message)
    }

    async fn one_response(&self) -> Option<Message> {
        self.open_or_end().await;
        self.only_message().await
    }

    async fn only_message(&self) -> Option<Message> {
        let message = self.recv().await?;
        match self.recv().await {
            None => Some(message),
            Some(_) => {
                self.kill(self.too_many());
                None
            }
        }
    }

    fn too_many(&self) -> Status {
        Status::internal(format!("the server sent more than one response to {}", self.0.method.as_str()))
    }

    fn into_outcome(mut self, message: Option<Message>) -> Outcome {
        self.tell();
        let peer = self.peer();
        // Nearly always this is the only one who has the call: nothing has to be copied.
        let (end, headers) = match Arc::get_mut(&mut self.0) {
            Some(alone) if !alone.cancelled.load(Relaxed) => (alone.end.take(), alone.headers.take()),
            _ => (self.end().cloned(), self.headers().cloned()),
        };
        let (mut status, trailers) = end.unwrap_or_else(|| {
            // `recv` has said that the call ended, so there is an end.
            (Status::internal("the call ended without a status"), HeaderMap::new())
        });
        if status.code() == Code::Ok && message.is_none() {
            status = Status::internal("the server ended the call with OK but sent no response");
        }
        let message = message.filter(|_| status.code() == Code::Ok);
        Outcome { headers: headers.unwrap_or_default(), message, status, trailers, peer }
    }

    async fn open_or_end(&self) {
        if let Err(status) = self.open().await {
            self.finish(status, HeaderMap::new());
        }
    }

    /// Starts the first attempt.
    async fn open(&self) -> Result<(), Status> {
        let shared = &*self.0;
        if let Some(status) = shared.request.as_ref().and_then(|request| self.too_long(request)) {
            return Err(status);
        }
        let buffer = shared.hub.config.options.retry_buffer;
        if let Some(policy) = self.policy()
            && shared.request.as_ref().is_none_or(|request| request.len() <= buffer)
        {
            self.engage(&mut self.lock(), Some(policy.clone()), false);
            self.moved(|state| {
                matches!(state.answer, Answer::Engine) && state.live.is_empty() && state.chosen.is_none()
            })
            .await;
            return Ok(());
        }
        let wait = self.waits();
        loop {
            let (connection, send) = shared.hub.ready(wait).await?;
            if let Some(status) = shared.killed.get() {
                return Err(status.clone());
            }
            // Where the connection ended between the look and the use, nothing was sent.
            let Some(attempt) = Attempt::begin(shared, connection, send, 0)? else { continue };
            let mut state = self.lock();
            state.busy = Some(attempt.busy);
            state.connection = Some(attempt.connection);
            state.send = Some(attempt.send);
            state.answer = Answer::Head(attempt.head, attempt.unsent);
            return Ok(());
        }
    }

    /// Counts how the call ended for the throttling of retries.
    pub(super) fn count(&self, status: &Status) {
        let Some(throttle) = &self.0.hub.config.throttle else { return };
        if status.code() == Code::Ok {
            throttle.succeeded();
        } else if self.policy().is_some_and(|policy| policy.mends(status.code())) {
            throttle.failed();
        }
    }

    /// The status for an error of the HTTP/2 layer.
    pub(super) fn explain(&self, connection: Option<&Connection>, error: &h2::Error, doing: &str) -> Status {
        if let Some(status) = self.0.killed.get() {
            return status.clone();
        }
        let status = match connection {
            Some(connection) => connection.explain(error, doing),
            None => status::from_h2(error, doing),
        };
        // The server keeps the same deadline, and its reset may be here before our timer.
        let over = self.0.options.deadline.is_some_and(Deadline::passed);
        if over && status.code() == Code::Cancelled { self.overdue() } else { status }
    }

    fn overdue(&self) -> Status {
        let state = match self.0.state.try_lock() {
            Ok(state) => match &state.answer {
                Answer::Engine if state.live.is_empty() && state.failed.is_some() => {
                    let failed = state.failed.clone().unwrap_or_else(|| Status::unknown(""));
                    let (code, message) = (failed.code(), failed.message());
                    format!(
                        "before the call was sent again; the last attempt had ended with {code:?}: {message}"
                    )
                }
                Answer::None | Answer::Engine if state.connection.is_none() => {
                    match self.0.hub.last_failure() {
                        Some(why) => format!("before there was a connection: {why}"),
                        None => "before there was a connection".to_owned(),
                    }
                }
                Answer::None | Answer::Engine | Answer::Head(..) => "before the server answered".to_owned(),
                Answer::Body(..) | Answer::Foreign(..) => "before the call had ended".to_owned(),
            },
            Err(_) => "before the call had ended".to_owned(),
        };
        Status::deadline_exceeded(format!("the deadline of {} passed {state}", self.0.method.as_str()))
    }

    /// What is called.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The headers the server sent, once they are here.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.headers.get()
    }

    /// Status and trailers, once the call has ended. To be told to nobody, as [`cancel`](Self::cancel) may still change
    /// them: see [`tell`](Self::tell).
    #[inline]
    pub fn end(&self) -> Option<&(Status, HeaderMap)> {
        self.0.end()
    }

    /// Status and trailers, once the call has ended, for whoever made it. They stay what they are from then on.
    pub fn tell(&self) -> Option<&(Status, HeaderMap)> {
        self.0.end.get()?;
        if !self.0.told.load(Relaxed) {
            let state = self.lock();
            let before = self.0.told.swap(true, Relaxed);
            drop(state);
            if !before {
                self.0.log_end();
            }
        }
        self.end()
    }

    /// Whether the call has ended or its connection has: nothing more can be sent.
    pub fn is_over(&self) -> bool {
        self.end().is_some() || self.0.killed.get().is_some() || self.has_no_connection()
    }

    fn has_no_connection(&self) -> bool {
        let state = self.lock();
        // Another attempt has another one.
        let more = matches!(state.answer, Answer::Engine) && state.chosen.is_none();
        !more && state.connection.as_ref().is_some_and(Connection::is_ended)
    }

    /// The peer's address; the target while there is no connection.
    pub fn peer(&self) -> Arc<str> {
        self.connected_peer().unwrap_or_else(|| self.0.hub.config.target.text.as_str().into())
    }

    /// The peer's address, once there is a connection.
    pub fn connected_peer(&self) -> Option<Arc<str>> {
        self.lock().connection.as_ref().map(|connection| Arc::clone(connection.peer()))
    }

    /// Ends the call with CANCELLED, unless it has ended and somebody was told how.
    pub fn cancel(&self) {
        if self.end().is_none() {
            self.kill(CANCELLED.0.clone());
        }
        let told = || self.0.told.load(Relaxed);
        if !told() && self.end().is_some_and(|(status, _)| status.code() != Code::Cancelled) {
            let _state = self.lock();
            self.0.cancelled.store(!told(), Relaxed);
        }
    }

    /// Ends the call with `status`, unless it has ended. A stream that was opened is reset.
    pub fn end_with(&self, status: Status) {
        self.kill(status);
    }

    /// Ends the call with `status` and resets the stream.
    pub(super) fn kill(&self, status: Status) {
        if self.end().is_some() || self.0.killed.set(status.clone()).is_err() {
            return;
        }
        let mut state = self.lock();
        if let Some(stream) = &mut state.send {
            // Whoever waits for a message is woken by this.
            stream.send_reset(Reason::CANCEL);
        }
        self.finish_locked(&mut state, status, HeaderMap::new());
    }

    pub(super) fn finish(&self, status: Status, trailers: HeaderMap) {
        self.finish_locked(&mut self.lock(), status, trailers);
    }

    pub(super) fn finish_locked(&self, state: &mut State, status: Status, trailers: HeaderMap) {
        if self.0.end.set((status, trailers)).is_ok() {
            if let Some(timing) = &self.0.timing {
                let _ = timing.took.set(timing.began.elapsed());
            }
            // Dropping what is left of the stream resets it where it is not over.
            state.send = None;
            state.answer = Answer::None;
            state.busy = None;
            state.replay = None;
            state.receivers.wake_all();
            state.senders.wake_all();
            if let Some(engine) = state.engine.take() {
                for mut live in state.live.drain(..) {
                    live.send.send_reset(Reason::CANCEL);
                }
                engine.abort();
                self.0.changed.notify_waiters();
            }
            if let Some(guard) = self.0.guard.get() {
                guard.abort();
            }
        }
    }
}

impl Shared {
    #[inline]
    fn end(&self) -> Option<&(Status, HeaderMap)> {
        let end = self.end.get()?;
        Some(if self.cancelled.load(Relaxed) { &CANCELLED } else { end })
    }

    /// Tells the log how the call ended. Not to be called under the lock: who listens may use the call.
    fn log_end(&self) {
        let Some(timing) = &self.timing else { return };
        let peer = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.connection.as_ref().map(|connection| Arc::clone(connection.peer()))
        };
        let target = &self.hub.config.target.text;
        let peer = peer.as_deref().unwrap_or(target);
        let took = timing.took.get().copied().unwrap_or_else(|| timing.began.elapsed()).as_secs_f64() * 1e3;
        let path = self.method.as_str();
        match self.end() {
            None => tracing::debug!(target: CALL, "{path} to {peer} was given up after {took:.3} ms"),
            Some((status, _)) => tracing::debug!(
                target: CALL,
                "{path} to {peer} ended {} after {took:.3} ms{}{}",
                status::code_name(status.code()),
                if status.message().is_empty() { "" } else { ": " },
                status.message(),
            ),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !*self.told.get_mut() {
            self.log_end();
        }
        if let Some(guard) = self.guard.get() {
            guard.abort();
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &state.engine {
            engine.abort();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method.as_str()).finish_non_exhaustive()
    }
}
