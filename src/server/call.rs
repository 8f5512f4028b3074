//! One call, as the consumer holds it.
//!
//! A call is one allocation that the runtime and the consumer share. Its two directions are behind a
//! lock each: [`answer`](super::answer) is what goes out, [`body`](super::body) what comes in. Whoever
//! ends the call first (the consumer, the deadline, the client) takes both directions out; every later
//! answer is refused.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use tonic::{Code, Status};

use super::answer::{Answer, Refused};
use super::body::{Body, BodyError};
use super::inbox::lock;
use super::stream::PeerAddr;
use super::{Ground, counters::Counters, request};
use crate::codec::{Encoding, Message};
use crate::deadline::Deadline;
use crate::status;
use crate::waiting::Waiting;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    Open,
    /// By the consumer, or by the engine on its behalf.
    Answered,
    /// The client reset it or went away.
    Gone,
    /// Its deadline passed, and the engine said so.
    Deadline,
    /// The client broke the protocol, and the engine said so.
    Broken,
    /// By the engine, before the consumer saw it.
    Refused,
}

/// One call. Clones are the same call; when the last one is dropped without an answer, the client is
/// answered INTERNAL.
///
/// None of the methods blocks. Those that are not `async` can be called outside the runtime, and
/// those that return a future can be polled on any thread; the bytes move when the runtime next has
/// a turn.
#[derive(Clone)]
pub struct ServerCall(pub(super) Arc<Core>);

/// What is known about a call when it begins.
pub(super) struct Begin {
    pub(super) head: Parts,
    pub(super) peer: PeerAddr,
    pub(super) certificate: Option<Arc<[u8]>>,
    pub(super) deadline: Option<Deadline>,
    pub(super) encoding: Encoding,
    pub(super) listing: bool,
    /// The longest list of headers that the client accepts.
    pub(super) peer_headers: usize,
}

pub(super) struct Core {
    begin: Begin,
    pub(super) ground: Arc<Ground>,
    end: AtomicU8,
    answer: Mutex<Answer>,
    body: Mutex<Option<Body>>,
    waiting: OnceLock<Waiting>,
    /// When it began, where the log tells of calls.
    began: Option<Instant>,
}

/// The target of log lines.
const CALL: &str = "viaduct::call";

impl ServerCall {
    pub(super) fn new(begin: Begin, ground: Arc<Ground>, answer: Answer, body: Option<Body>) -> Self {
        ground.counters.calls_open.add();
        Self(Arc::new(Core {
            begin,
            ground,
            end: AtomicU8::new(End::Open as u8),
            answer: Mutex::new(answer),
            body: Mutex::new(body),
            waiting: OnceLock::new(),
            began: tracing::enabled!(target: CALL, tracing::Level::DEBUG).then(Instant::now),
        }))
    }

    /// The method's path, `/package.Service/Method`.
    pub fn path(&self) -> &str {
        self.0.begin.head.uri.path()
    }

    /// The `:authority` that the client asked for; empty where it named none.
    pub fn authority(&self) -> &str {
        let head = &self.0.begin.head;
        let host = || head.headers.get(http::header::HOST).and_then(|h| h.to_str().ok());
        head.uri.authority().map(|a| a.as_str()).or_else(host).unwrap_or_default()
    }

    /// The request's headers. [`metadata::entries`](crate::metadata::entries) passes over those of
    /// the protocol.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.begin.head.headers
    }

    /// Who calls: `ipv4:1.2.3.4:5`, `ipv6:[::1]:5` or `unix:`.
    pub fn peer(&self) -> String {
        self.0.begin.peer.to_string()
    }

    /// The certificate that the client has shown, in DER. It comes from the roots that the server
    /// trusts for this ([`ClientAuth`](crate::tls::ClientAuth)); `None` where none was shown.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.0.begin.certificate.as_deref()
    }

    /// When the call is over, if the client said so.
    pub fn deadline(&self) -> Option<Deadline> {
        self.0.begin.deadline
    }

    /// How response messages may be compressed: what [`codec::frame`](crate::codec::frame) is to be
    /// given.
    pub fn encoding(&self) -> Encoding {
        self.0.begin.encoding
    }

    /// Whether the client reads messages that are compressed with `encoding`.
    pub fn accepts(&self, encoding: Encoding) -> bool {
        encoding == Encoding::Identity || request::accepts(self.headers(), encoding)
    }

    /// Whether the client has gone, the deadline has passed, or the request broke the protocol: no
    /// answer is wanted any more.
    pub fn is_cancelled(&self) -> bool {
        match self.0.end() {
            End::Open if self.0.begin.deadline.is_some_and(Deadline::passed) => {
                // The runtime has had no turn to see it.
                let _ = self.0.finish(&deadline_exceeded(), HeaderMap::new(), End::Deadline);
                true
            }
            End::Open => self.0.look_for_reset().is_ready(),
            End::Answered => false,
            End::Gone | End::Deadline | End::Broken | End::Refused => true,
        }
    }

    /// Whether the call was answered or is cancelled, as far as is known by now.
    pub fn is_over(&self) -> bool {
        self.0.end() != End::Open
    }

    /// Resolves when the call is cancelled, with CANCELLED (the client reset it or went away),
    /// DEADLINE_EXCEEDED or INTERNAL (the request broke the protocol). `None` when it was answered
    /// and can be cancelled no more.
    pub async fn cancelled(&self) -> Option<Status> {
        poll_fn(|cx| self.poll_cancelled(cx)).await
    }

    /// [`cancelled`](Self::cancelled), polled.
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        if self.0.end() == End::Open {
            self.0.wait(cx);
            if self.0.end() == End::Open && self.0.look_for_reset().is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.0.why())
    }

    /// The next message of the request; `None` after the last.
    ///
    /// For methods of [`RequestShape::Many`](super::RequestShape::Many); one task may receive at a
    /// time.
    ///
    /// # Errors
    ///
    /// The status that the call ended with: CANCELLED, DEADLINE_EXCEEDED, or what was wrong with
    /// the request, which the client has been answered then.
    pub async fn recv(&self) -> Result<Option<Message>, Status> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv), polled.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        if let Poll::Ready(done) = self.try_recv() {
            return Poll::Ready(done);
        }
        self.0.wait(cx);
        self.try_recv()
    }

    /// The next message if it is here; otherwise pending, and nobody is woken.
    pub fn try_recv(&self) -> Poll<Result<Option<Message>, Status>> {
        let mut body = lock(&self.0.body);
        let polled = match &mut *body {
            Some(open) => open.poll_message(&mut Context::from_waker(self.0.waker())),
            None => return Poll::Ready(self.0.why().map_or(Ok(None), Err)),
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some(message))) => Poll::Ready(Ok(Some(message))),
            Poll::Ready(Ok(None)) => {
                *body = None;
                Poll::Ready(Ok(None))
            }
            Poll::Ready(Err(error)) => {
                drop(body);
                Poll::Ready(Err(self.0.fail(error)))
            }
        }
    }

    /// Sends the response's headers with `metadata`; without it they go with the first message.
    /// A `grpc-encoding` in it stands in [`encoding`](Self::encoding)'s place.
    ///
    /// # Errors
    ///
    /// The headers were sent already, or the call is over.
    pub fn send_headers(&self, metadata: HeaderMap) -> Result<(), Refused> {
        self.0.answering(|answer| answer.headers(metadata, &self.0))
    }

    /// Sends one message (framed with [`codec::frame`](crate::codec::frame)), as soon as less than
    /// the send buffer waits to be sent and the client's window is open.
    ///
    /// # Errors
    ///
    /// The call is over, or the message passes `max_send`; then the call goes on.
    pub async fn send(&self, message: Bytes) -> Result<(), Refused> {
        let mut message = Some(message);
        poll_fn(|cx| self.poll_send(cx, &mut message)).await
    }

    /// [`send`](Self::send), polled: takes `message` when it is ready.
    pub fn poll_send(&self, cx: &mut Context<'_>, message: &mut Option<Bytes>) -> Poll<Result<(), Refused>> {
        for registered in [false, true] {
            let Some(bytes) = message.take() else { return Poll::Ready(Ok(())) };
            *message = self.try_send(bytes)?;
            if message.is_some() && !registered {
                self.0.wait(cx);
            }
        }
        if message.is_some() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Sends one framed message if that need not wait; otherwise gives it back.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_send(&self, message: Bytes) -> Result<Option<Bytes>, Refused> {
        self.0.answering(|answer| answer.message(message, &self.0))
    }

    /// Ends the call with `status` and `trailers`. Before any header was sent, an error is one
    /// HEADERS frame.
    ///
    /// # Errors
    ///
    /// The call is over.
    pub fn finish(&self, status: Status, trailers: HeaderMap) -> Result<(), Refused> {
        self.0.finish(&status, trailers, End::Answered)
    }

    /// Answers with one framed message and OK: headers, message and trailers together, so that they
    /// leave in one write.
    ///
    /// # Errors
    ///
    /// The call is over. A message over `max_send` is answered RESOURCE_EXHAUSTED instead.
    pub fn reply(&self, message: Bytes, trailers: HeaderMap) -> Result<(), Refused> {
        self.0.reply(message, trailers)
    }

    /// The call without a hold on it.
    pub(super) fn downgrade(&self) -> WeakCall {
        WeakCall(Arc::downgrade(&self.0))
    }
}

impl Core {
    pub(super) fn end(&self) -> End {
        match self.end.load(Ordering::Acquire) {
            0 => End::Open,
            1 => End::Answered,
            2 => End::Gone,
            3 => End::Deadline,
            4 => End::Broken,
            _ => End::Refused,
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.begin.encoding
    }

    /// Whether the response's headers list the encodings that requests may have.
    pub(super) fn listing(&self) -> bool {
        self.begin.listing
    }

    /// The longest list of headers that the client accepts, in bytes as HTTP/2 counts them.
    pub(super) fn peer_headers(&self) -> usize {
        self.begin.peer_headers
    }

    /// The status of a cancelled call.
    fn why(&self) -> Option<Status> {
        match self.end() {
            End::Open | End::Answered | End::Refused => None,
            End::Gone => Some(Status::cancelled("the client went away or cancelled the call")),
            End::Deadline => Some(deadline_exceeded()),
            End::Broken => Some(Status::internal("the request broke the protocol")),
        }
    }

    /// Ends the call with `status`. The first end counts.
    pub(super) fn finish(&self, status: &Status, trailers: HeaderMap, end: End) -> Result<(), Refused> {
        self.ending(end, |answer| answer.finish(status, trailers, self))
    }

    fn reply(&self, message: Bytes, trailers: HeaderMap) -> Result<(), Refused> {
        if let Err(too_long) = self.ground.check_length(&message) {
            let status = Status::resource_exhausted(too_long.to_string());
            self.finish(&status, HeaderMap::new(), End::Answered)?;
            return Err(too_long);
        }
        self.ending(End::Answered, |answer| answer.reply(message, trailers, self))
    }

    /// Fails the call for what its body was; gives the status for the consumer.
    pub(super) fn fail(&self, error: BodyError) -> Status {
        match error {
            BodyError::Broken(status) => {
                let ended = self.finish(&status, HeaderMap::new(), End::Broken);
                if ended.is_ok() { status } else { self.why().unwrap_or(status) }
            }
            BodyError::Gone => {
                let mut answer = lock(&self.answer);
                let gone = std::mem::replace(&mut *answer, Answer::Ended);
                drop(answer);
                self.close(End::Gone, Code::Cancelled);
                drop(gone);
                self.why().unwrap_or_else(|| Status::cancelled("the call is over"))
            }
        }
    }

    /// Something to send. A failure of the HTTP/2 layer means that the client has gone.
    fn answering<T>(&self, send: impl FnOnce(&mut Answer) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut answer = lock(&self.answer);
        let result = send(&mut answer);
        if matches!(result, Err(Refused::Ended)) && !matches!(*answer, Answer::Ended) {
            *answer = Answer::Ended;
            drop(answer);
            self.close(End::Gone, Code::Cancelled);
        }
        result
    }

    /// The last thing to send; `send` gives the code that it says.
    fn ending(
        &self,
        end: End,
        send: impl FnOnce(&mut Answer) -> Result<Code, Refused>,
    ) -> Result<(), Refused> {
        let mut answer = lock(&self.answer);
        if matches!(*answer, Answer::Ended) {
            return Err(Refused::Ended);
        }
        let result = send(&mut answer);
        let done = std::mem::replace(&mut *answer, Answer::Ended);
        drop(answer);
        // Before the handle is dropped, as the request's body must go first: h2 resets what the
        // client still sends when the last handle goes.
        match &result {
            Ok(code) => self.close(end, *code),
            Err(_) => self.close(End::Gone, Code::Cancelled),
        }
        drop(done);
        result.map(drop)
    }

    /// Marks the end, lets go of the body and wakes who waits. Only the first end is marked.
    fn close(&self, end: End, code: Code) {
        let first = self
            .end
            .compare_exchange(End::Open as u8, end as u8, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !first {
            return;
        }
        // With the one in `wait`: either this end sees who waits, or who waits sees this end.
        fence(Ordering::SeqCst);
        let counters: &Counters = &self.ground.counters;
        counters.calls_open.sub();
        match end {
            // Counted where it was refused, by the reason.
            End::Open | End::Refused => 0,
            End::Answered => counters.answered.add(),
            End::Gone => counters.cancelled.add(),
            End::Deadline => counters.deadlines.add(),
            End::Broken => counters.bad_messages.add(),
        };
        let body = lock(&self.body).take();
        drop(body);
        if let Some(waiting) = self.waiting.get() {
            waiting.wake_all();
        }
        if let Some(began) = self.began {
            tracing::debug!(
                target: CALL,
                "{} from {} ended {} after {:.3} ms",
                self.begin.head.uri.path(),
                self.begin.peer,
                status::code_name(code),
                began.elapsed().as_secs_f64() * 1e3,
            );
        }
    }

    /// Looks whether the client has reset the call; if so, ends it.
    fn look_for_reset(&self) -> Poll<()> {
        let mut answer = lock(&self.answer);
        if answer.poll_gone(&mut Context::from_waker(self.waker())).is_pending() {
            return Poll::Pending;
        }
        let gone = std::mem::replace(&mut *answer, Answer::Ended);
        drop(answer);
        self.close(End::Gone, Code::Cancelled);
        drop(gone);
        Poll::Ready(())
    }

    /// The waker that h2 is given for this call: one that does nothing while nobody waits. To be read
    /// under the lock of the direction that it is used for.
    pub(super) fn waker(&self) -> &Waker {
        self.waiting.get().map_or(Waker::noop(), Waiting::waker)
    }

    /// Wakes the task of `cx` at whatever happens to the call next.
    fn wait(&self, cx: &mut Context<'_>) {
        self.waiting.get_or_init(Waiting::default).add(cx.waker());
        fence(Ordering::SeqCst);
    }
}

fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline passed before the call was answered")
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.end() == End::Open {
            let status = Status::internal("the handler ended without an answer");
            // There is nobody left to tell.
            let _ = self.finish(&status, HeaderMap::new(), End::Answered);
        }
    }
}

impl fmt::Debug for ServerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCall")
            .field("path", &self.path())
            .field("end", &self.0.end())
            .finish_non_exhaustive()
    }
}

/// A call that may be over, for timers.
pub(super) struct WeakCall(Weak<Core>);

impl WeakCall {
    pub(super) fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|call| call.end() == End::Open)
    }

    /// Answers DEADLINE_EXCEEDED where the call is still open.
    pub(super) fn expire(&self) {
        if let Some(call) = self.0.upgrade() {
            // It may have been answered in between.
            let _ = call.finish(&deadline_exceeded(), HeaderMap::new(), End::Deadline);
        }
    }
}
