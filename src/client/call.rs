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
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::answer;
use super::channel::Hub;
use super::method::Method;
use super::options::CallOptions;
use crate::codec::{Deframer, Message};
use crate::deadline::Deadline;
use crate::status;
use crate::transport::connection::{Busy, Connection, unprocessed};

/// How often a request is sent again that the server has certainly not processed.
const TRANSPARENT_RETRIES: u32 = 2;

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
pub struct Call(Arc<Shared>);

struct Shared {
    hub: Arc<Hub>,
    method: Method,
    options: CallOptions,
    /// The one request of a call that has only one; kept for transparent retries.
    request: Option<Bytes>,
    state: Mutex<State>,
    /// Why this side ended the call, where it did.
    killed: OnceLock<Status>,
    headers: OnceLock<HeaderMap>,
    end: OnceLock<(Status, HeaderMap)>,
    guard: OnceLock<AbortHandle>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    busy: Option<Busy>,
    send: Option<SendStream<Bytes>>,
    half_closed: bool,
    answer: Answer,
    retries: u32,
    /// Messages that were read while looking for the status.
    ahead: VecDeque<Message>,
}

#[derive(Default)]
enum Answer {
    #[default]
    None,
    Head(ResponseFuture),
    Body(RecvStream, Deframer),
}

/// What polling for a message leads to.
enum Step {
    Message(Message),
    /// The headers are here, and nothing more was asked for.
    Headers,
    End,
    /// The server has not processed the request: send it again.
    Retry,
    /// The answer is not gRPC.
    Foreign(Box<http::response::Parts>, RecvStream),
}

impl Call {
    pub(super) async fn unary(
        hub: Arc<Hub>,
        method: Method,
        request: Bytes,
        options: CallOptions,
    ) -> Outcome {
        let deadline = options.deadline;
        let call = Self::new(hub, method, Some(request), options);
        let message = match deadline {
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
        let deadline = options.deadline;
        let call = Self::new(hub, method, request, options);
        match deadline {
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

    pub(super) fn new(hub: Arc<Hub>, method: Method, request: Option<Bytes>, options: CallOptions) -> Self {
        Self(Arc::new(Shared {
            hub,
            method,
            options,
            request,
            state: Mutex::new(State::default()),
            killed: OnceLock::new(),
            headers: OnceLock::new(),
            end: OnceLock::new(),
            guard: OnceLock::new(),
        }))
    }

    /// Ends the call at its deadline, for as long as somebody has it.
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Half-closes, and waits for the one response and the end. For calls that `Channel::call`
    /// opened; the message is there the first time only.
    pub async fn response(&self) -> Outcome {
        self.half_close();
        let message = self.only_message().await;
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
                self.kill(Status::internal(format!(
                    "the server sent more than one response to {}",
                    self.0.method.as_str()
                )));
                None
            }
        }
    }

    fn into_outcome(self, message: Option<Message>) -> Outcome {
        let (mut status, trailers) = self.end().cloned().unwrap_or_else(|| {
            // `recv` has said that the call ended, so there is an end.
            (Status::internal("the call ended without a status"), HeaderMap::new())
        });
        if status.code() == Code::Ok && message.is_none() {
            status = Status::internal("the server ended the call with OK but sent no response");
        }
        let message = message.filter(|_| status.code() == Code::Ok);
        let headers = self.headers().cloned().unwrap_or_default();
        Outcome { headers, message, status, trailers, peer: self.peer() }
    }

    async fn open_or_end(&self) {
        if let Err(status) = self.open().await {
            self.finish(status, HeaderMap::new());
        }
    }

    /// Sends the request's head, and the request itself where there is only one.
    async fn open(&self) -> Result<(), Status> {
        let shared = &*self.0;
        let options = &shared.hub.config.options;
        let wait = shared.options.wait_for_ready.unwrap_or(options.wait_for_ready);
        let encoding = shared.options.encoding.unwrap_or(options.encoding);
        loop {
            let (connection, mut send) = shared.hub.ready(wait).await?;
            if let Some(status) = shared.killed.get() {
                return Err(status.clone());
            }
            let request = shared.hub.config.request(&shared.method, &shared.options, encoding)?;
            let (answer, mut stream) = match send.send_request(request, false) {
                Ok(pair) => pair,
                // The connection ended between the look and the use: nothing was sent.
                Err(_) if connection.sender().is_none() => continue,
                Err(error) => return Err(Status::internal(format!("the request cannot be sent: {error}"))),
            };
            if let Some(request) = &shared.request {
                stream
                    .send_data(request.clone(), true)
                    .map_err(|error| connection.explain(&error, "sending the request"))?;
            }
            let mut state = self.lock();
            state.half_closed = shared.request.is_some();
            state.busy = Some(connection.busy());
            state.connection = Some(connection);
            state.send = Some(stream);
            state.answer = Answer::Head(answer);
            return Ok(());
        }
    }

    /// The next message; `None` once the call has ended: see [`end`](Self::end).
    pub async fn recv(&self) -> Option<Message> {
        self.advance(false).await
    }

    /// As [`recv`](Self::recv); with `to_headers` no further than to the headers.
    async fn advance(&self, to_headers: bool) -> Option<Message> {
        loop {
            match poll_fn(|cx| self.poll_step(cx, to_headers)).await {
                Step::Message(message) => return Some(message),
                Step::Headers | Step::End => return None,
                Step::Retry => self.open_or_end().await,
                Step::Foreign(head, body) => {
                    let status = answer::foreign(&head, body).await;
                    self.finish(status, HeaderMap::new());
                }
            }
        }
    }

    /// A message that is here already, without waiting. `None`: ask [`recv`](Self::recv).
    pub fn try_recv(&self) -> Option<Message> {
        let mut state = self.lock();
        if let Some(message) = state.ahead.pop_front() {
            return Some(message);
        }
        match &mut state.answer {
            // An error is found again by `recv`, which knows what to do with it.
            Answer::Body(_, deframer) => deframer.next().ok().flatten(),
            _ => None,
        }
    }

    fn poll_step(&self, cx: &mut Context<'_>, to_headers: bool) -> Poll<Step> {
        let mut state = self.lock();
        if let Some(message) = state.ahead.pop_front() {
            return Poll::Ready(Step::Message(message));
        }
        if self.end().is_some() {
            return Poll::Ready(Step::End);
        }
        let state = &mut *state;
        let ended = loop {
            match &mut state.answer {
                Answer::None => break Err(Status::internal("the call was not opened")),
                Answer::Head(head) => match ready!(std::pin::Pin::new(head).poll(cx)) {
                    Err(error) => {
                        let again = state.retries < TRANSPARENT_RETRIES
                            && self.0.request.is_some()
                            && self.0.killed.get().is_none()
                            && unprocessed(&error);
                        if again {
                            state.retries += 1;
                            state.answer = Answer::None;
                            state.send = None;
                            return Poll::Ready(Step::Retry);
                        }
                        break Err(self.explain(state, &error, "waiting for the answer"));
                    }
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        if !answer::is_grpc(&head) {
                            state.answer = Answer::None;
                            return Poll::Ready(Step::Foreign(Box::new(head), body));
                        }
                        if let Some(status) = status::from_headers(&head.headers) {
                            // A trailers-only answer.
                            break Ok((status, head.headers));
                        }
                        let encoding = match answer::encoding(&head) {
                            Ok(encoding) => encoding,
                            Err(status) => break Err(status),
                        };
                        let limit = self.0.hub.config.options.max_receive;
                        let _ = self.0.headers.set(head.headers);
                        state.answer = Answer::Body(body, Deframer::new(encoding, limit));
                        if to_headers {
                            return Poll::Ready(Step::Headers);
                        }
                    }
                },
                Answer::Body(body, deframer) => {
                    match deframer.next() {
                        Ok(Some(message)) => return Poll::Ready(Step::Message(message)),
                        Ok(None) => {}
                        Err(status) => break Err(status),
                    }
                    match ready!(body.poll_data(cx)) {
                        Some(Ok(data)) => {
                            answer::taken(body, &data);
                            deframer.push(data);
                        }
                        Some(Err(error)) => {
                            break Err(self.explain(state, &error, "receiving the answer"));
                        }
                        None => match ready!(body.poll_trailers(cx)) {
                            Ok(trailers) => {
                                let trailers = trailers.unwrap_or_default();
                                let status = status::from_headers(&trailers);
                                break match (deframer.finish(), status) {
                                    // An error that the server names is more than a cut message.
                                    (_, Some(status)) if status.code() != Code::Ok => Ok((status, trailers)),
                                    (Err(cut), _) => Err(cut),
                                    (Ok(()), Some(status)) => Ok((status, trailers)),
                                    (Ok(()), None) => Err(answer::no_trailers()),
                                };
                            }
                            Err(error) => {
                                break Err(self.explain(state, &error, "waiting for the trailers"));
                            }
                        },
                    }
                }
            }
        };
        let (status, trailers) = ended.unwrap_or_else(|status| (status, HeaderMap::new()));
        self.finish_locked(state, status, trailers);
        Poll::Ready(Step::End)
    }

    /// The status for an error of the HTTP/2 layer.
    fn explain(&self, state: &State, error: &h2::Error, doing: &str) -> Status {
        if let Some(status) = self.0.killed.get() {
            return status.clone();
        }
        let status = match &state.connection {
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
                Answer::None if state.connection.is_none() => match self.0.hub.last_failure() {
                    Some(why) => format!("before there was a connection: {why}"),
                    None => "before there was a connection".to_owned(),
                },
                Answer::None | Answer::Head(_) => "before the server answered".to_owned(),
                Answer::Body(..) => "before the call had ended".to_owned(),
            },
            Err(_) => "before the call had ended".to_owned(),
        };
        Status::deadline_exceeded(format!("the deadline of {} passed {state}", self.0.method.as_str()))
    }

    /// Sends a framed message. Waits while the server takes none.
    ///
    /// # Errors
    ///
    /// Where the call has ended or is about to: [`wait_end`](Self::wait_end) has its status.
    pub async fn send(&self, framed: Bytes) -> Result<(), Closed> {
        poll_fn(|cx| self.poll_writable(cx)).await?;
        self.send_now(framed)
    }

    /// Sends a framed message where the server takes one now, without waiting; else gives it back.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_send(&self, framed: Bytes) -> Result<Option<Bytes>, Closed> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match self.poll_writable(&mut cx) {
            Poll::Ready(Ok(())) => self.send_now(framed).map(|()| None),
            Poll::Ready(Err(closed)) => Err(closed),
            Poll::Pending => Ok(Some(framed)),
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        if self.end().is_some() || self.0.killed.get().is_some() || state.half_closed {
            return Poll::Ready(Err(Closed));
        }
        let Some(stream) = &mut state.send else { return Poll::Ready(Err(Closed)) };
        // One byte of window is enough: what is over it is buffered, one message at the most.
        stream.reserve_capacity(1);
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Closed)),
            }
        }
        // The stream may have been reset without h2 saying so here.
        match stream.poll_reset(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            Poll::Ready(_) => Poll::Ready(Err(Closed)),
        }
    }

    fn send_now(&self, framed: Bytes) -> Result<(), Closed> {
        let mut state = self.lock();
        let stream = state.send.as_mut().ok_or(Closed)?;
        stream.send_data(framed, false).map_err(|_| Closed)
    }

    /// Says that no more messages will be sent. Does nothing the second time.
    pub fn half_close(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.half_closed, true)
            && let Some(stream) = &mut state.send
        {
            // Fails where the call has ended: its status says so.
            let _ = stream.send_data(Bytes::new(), true);
        }
    }

    /// Whether [`half_close`](Self::half_close) was called, or the call has one request only.
    pub fn is_half_closed(&self) -> bool {
        self.lock().half_closed
    }

    /// Waits for the headers; none where the call ends without.
    pub async fn wait_headers(&self) -> HeaderMap {
        if self.0.headers.get().is_none()
            && self.end().is_none()
            && let Some(message) = self.advance(true).await
        {
            self.lock().ahead.push_front(message);
        }
        self.headers().cloned().unwrap_or_default()
    }

    /// Waits for the end of the call; messages that come meanwhile are kept.
    pub async fn wait_end(&self) -> (Status, HeaderMap) {
        let mut kept = std::mem::take(&mut self.lock().ahead);
        while let Some(message) = self.recv().await {
            kept.push_back(message);
        }
        self.lock().ahead = kept;
        self.end().cloned().unwrap_or_else(|| (Status::unknown("the call has no end"), HeaderMap::new()))
    }

    /// The headers the server sent, once they are here.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.headers.get()
    }

    /// Status and trailers, once the call has ended.
    pub fn end(&self) -> Option<&(Status, HeaderMap)> {
        self.0.end.get()
    }

    /// Whether the call has ended or its connection has: nothing more can be sent.
    pub fn is_over(&self) -> bool {
        self.end().is_some()
            || self.0.killed.get().is_some()
            || self.lock().connection.as_ref().is_some_and(Connection::is_ended)
    }

    /// The peer's address; the target while there is no connection.
    pub fn peer(&self) -> Arc<str> {
        self.connected_peer().unwrap_or_else(|| self.0.hub.config.target.text.as_str().into())
    }

    /// The peer's address, once there is a connection.
    pub fn connected_peer(&self) -> Option<Arc<str>> {
        self.lock().connection.as_ref().map(|connection| Arc::clone(connection.peer()))
    }

    /// Ends the call with CANCELLED, unless it has ended.
    pub fn cancel(&self) {
        self.end_with(Status::cancelled("the call was cancelled by this side"));
    }

    /// Ends the call with `status`, unless it has ended. A stream that was opened is reset.
    pub fn end_with(&self, status: Status) {
        self.kill(status);
    }

    /// Ends the call with `status` and resets the stream.
    fn kill(&self, status: Status) {
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

    fn finish(&self, status: Status, trailers: HeaderMap) {
        self.finish_locked(&mut self.lock(), status, trailers);
    }

    fn finish_locked(&self, state: &mut State, status: Status, trailers: HeaderMap) {
        if self.0.end.set((status, trailers)).is_ok() {
            // Dropping what is left of the stream resets it where it is not over.
            state.send = None;
            state.answer = Answer::None;
            state.busy = None;
            if let Some(guard) = self.0.guard.get() {
                guard.abort();
            }
        }
    }
}

/// Nothing more can be sent on the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.get() {
            guard.abort();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method.as_str()).finish_non_exhaustive()
    }
}
