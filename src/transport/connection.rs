//! A client's HTTP/2 connection and the task that drives it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::flow::{BASE_WINDOW, Flow, MAX_HEADER_LIST, MAX_WINDOW, Side, Windows};
use super::wire::{Complaint, Flusher, Wire, wire};
use crate::status;

/// What a stream may send us before we have taken any of it, and what all may beyond that where they are read.
const WINDOWS: Windows = Windows { base: BASE_WINDOW, budget: 64 << 20 };
/// The frames we take: fewer reads for large messages.
const MAX_FRAME: u32 = 64 * 1024;

/// The interval of PINGs beyond [`Keep::max_pings`], as in gRPC.
const LIMITED_INTERVAL: Duration = Duration::from_secs(60);

/// How a connection is kept.
#[derive(Debug, Clone)]
pub struct Keep {
    /// PING after this much silence.
    pub keepalive: Option<Duration>,
    /// Give the connection up where a PING is not answered within this.
    pub keepalive_timeout: Duration,
    /// PING while no call runs, too.
    pub without_calls: bool,
    /// After so many PINGs without DATA or HEADERS of ours in between, one a minute; 0: no limit.
    pub max_pings: u32,
    /// Close the connection after this long without a call.
    pub idle: Option<Duration>,
    /// The headers or trailers we take, in bytes as HTTP/2 counts them.
    pub max_headers: u32,
}

/// A connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    send: SendRequest<Bytes>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    peer: Arc<str>,
    calls: AtomicUsize,
    /// Why this side ends the connection, where it does.
    ended: OnceLock<Status>,
    /// The error that h2 ended it with.
    broken: OnceLock<String>,
    /// Whether the peer closed it for too many PINGs.
    too_many_pings: AtomicBool,
    end: Notify,
    /// The peer wants no more calls here.
    leave: Notify,
    /// Whether it ends with its last call.
    draining: AtomicBool,
    complaint: Complaint,
    flow: Flow,
}

/// Counts a call on its connection while it lives.
#[derive(Debug)]
pub struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Relaxed) == 1 && self.0.draining.load(Relaxed) {
            self.0.finish(drained());
        }
    }
}

impl Shared {
    fn finish(&self, status: Status) {
        if self.ended.set(status).is_ok() {
            self.end.notify_one();
        }
    }
}

fn drained() -> Status {
    Status::unavailable("the server's address has gone, and the connection has been closed")
}

impl Connection {
    /// Speaks HTTP/2 over `stream`, and waits until the peer does: a server that has accepted a
    /// connection may end before it looks at it, and a call on that would be lost (gRPC, "Connectivity
    /// Semantics and API": READY is after the HTTP/2 handshake). The future that comes with the
    /// connection drives it and must be spawned; it resolves once the connection is over.
    ///
    /// # Errors
    ///
    /// A sentence: what the peer said instead, or that it closed the connection.
    pub async fn new<S>(
        stream: S,
        peer: String,
        keep: Keep,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let flow = Flow::new(Side::Client, WINDOWS, keep.max_headers);
        let (wire, flusher) = wire(stream, flow.clone());
        let (send, mut conn) = h2::client::Builder::new()
            .enable_push(false)
            // The wire tells the peer others.
            .initial_window_size(MAX_WINDOW)
            .initial_connection_window_size(MAX_WINDOW)
            .max_frame_size(MAX_FRAME)
            .max_header_list_size(keep.max_headers.max(MAX_HEADER_LIST))
            // Streams of small messages are legal however slowly they are read: the windows bound them.
            .data_frame_budget(usize::MAX >> 1)
            // Calls may be cancelled in any number. What still comes for them must be known as theirs, and
            // is no fault of the server's.
            .max_concurrent_reset_streams(10_000)
            .max_local_error_reset_streams(None)
            .handshake::<_, Bytes>(wire)
            .await
            .map_err(|error| explain_handshake(&error))?;
        let shared = Arc::new(Shared {
            peer: peer.into(),
            calls: AtomicUsize::new(0),
            ended: OnceLock::new(),
            broken: OnceLock::new(),
            too_many_pings: AtomicBool::new(false),
            end: Notify::new(),
            leave: Notify::new(),
            draining: AtomicBool::new(false),
            complaint: flusher.complaint(),
            flow,
        });
        let pings = conn.ping_pong();
        poll_fn(|cx| match poll_both(&mut conn, &flusher, cx) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending if flusher.is_greeted() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await
        .map_err(|failure| {
            let failure = failure.as_ref().map(explain_handshake);
            shared.complaint.get().cloned().or(failure).unwrap_or_else(closed_early)
        })?;
        let theirs = Arc::clone(&shared);
        // Only now: until here the time of the attempt is the limit.
        let watch = Watch::new(keep, pings);
        let mut driver = Driver { conn, flusher, watch, shared: Arc::clone(&shared) };
        let drive = async move {
            tokio::select! {
                () = &mut driver => {}
                () = theirs.end.notified() => {}
            }
        };
        Ok((Self { send, shared }, drive))
    }

    /// The peer's address as gRPC names it.
    pub fn peer(&self) -> &Arc<str> {
        &self.shared.peer
    }

    /// A handle to send one request with; `None` where the connection takes no more.
    pub fn sender(&self) -> Option<SendRequest<Bytes>> {
        if self.shared.ended.get().is_some() {
            return None;
        }
        let mut send = self.send.clone();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        // A fresh handle has nothing pending: it is ready, or the connection is over.
        matches!(send.poll_ready(&mut cx), Poll::Ready(Ok(()))).then_some(send)
    }

    /// Resolves when the peer has said that it takes no more calls here (GOAWAY). Those that run go on.
    /// This does not hold the connection; one task may wait.
    pub fn left(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        async move { shared.leave.notified().await }
    }

    /// Says afterwards why it ended, where that was no end in order, and whether for too many PINGs. This does not hold the connection.
    pub fn end_reason(&self) -> impl FnOnce() -> (Option<String>, bool) + Send + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        move || {
            let why = match (shared.ended.get(), shared.complaint.get(), shared.broken.get()) {
                (Some(status), _, _) => Some(status.message().to_owned()),
                (_, Some(why), _) | (_, _, Some(why)) => Some(why.clone()),
                _ => None,
            };
            (why, shared.too_many_pings.load(Relaxed))
        }
    }

    /// Whether this side has ended it.
    pub fn is_ended(&self) -> bool {
        self.shared.ended.get().is_some()
    }

    /// The flow control of what it receives.
    pub fn flow(&self) -> &Flow {
        &self.shared.flow
    }

    /// How many calls it has now.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Relaxed)
    }

    /// Counts a call.
    pub fn busy(&self) -> Busy {
        self.shared.calls.fetch_add(1, Relaxed);
        Busy(Arc::clone(&self.shared))
    }

    /// Ends the connection; its calls end with `status`.
    pub fn end(&self, status: Status) {
        self.shared.finish(status);
    }

    /// Lets the calls go on, and ends with the last of them. h2 ends a connection that has neither calls
    /// nor handles, so this only has to see to handles that ended calls keep.
    pub fn drain(self) {
        self.shared.draining.store(true, Relaxed);
    }

    /// The status for a call that ended with `error` while it was `doing`.
    pub fn explain(&self, error: &h2::Error, doing: &str) -> Status {
        match (self.shared.ended.get(), self.shared.complaint.get()) {
            (Some(status), _) => status.clone(),
            (None, Some(complaint)) => Status::unavailable(complaint.clone()),
            (None, None) => status::from_h2(error, doing),
        }
    }
}

/// The connection's task.
struct Driver<S> {
    conn: h2::client::Connection<Wire<S>, Bytes>,
    flusher: Flusher<S>,
    watch: Watch,
    shared: Arc<Shared>,
}

/// One turn of h2; what it has gathered in it goes out in one write. Ready where the connection is over,
/// with what h2 ended with where that was no end in order.
fn poll_both<S: AsyncRead + AsyncWrite + Unpin>(
    conn: &mut h2::client::Connection<Wire<S>, Bytes>,
    flusher: &Flusher<S>,
    cx: &mut Context<'_>,
) -> Poll<Option<h2::Error>> {
    let polled = Pin::new(conn).poll(cx);
    let broken = matches!(flusher.poll_flush(cx), Poll::Ready(Err(_)));
    match polled {
        Poll::Ready(ended) => Poll::Ready(ended.err()),
        Poll::Pending if broken => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Poll::Ready(error) = poll_both(&mut this.conn, &this.flusher, cx) {
            if let Some(error) = error {
                this.shared.too_many_pings.store(is_of_pings(&error), Relaxed);
                let _ = this.shared.broken.set(error.to_string());
            }
            return Poll::Ready(());
        }
        if this.flusher.told_to_go() {
            this.shared.leave.notify_one();
        }
        let calls = this.shared.calls.load(Relaxed);
        if let Poll::Ready(reason) = this.watch.poll(cx, calls, &this.flusher) {
            let _ = this.shared.ended.set(reason);
            return Poll::Ready(());
        }
        // A PING of the watch is written by h2's next turn.
        if std::mem::take(&mut this.watch.pinged) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Keepalive and the idle timeout. Costs nothing where neither is asked for.
struct Watch {
    keep: Keep,
    pings: Option<PingPong>,
    /// When to look next.
    timer: Option<Pin<Box<Sleep>>>,
    /// The PING that is out must be answered by then.
    answer_by: Option<Instant>,
    /// Since when no call has run.
    idle_since: Option<Instant>,
    /// How many PINGs there were since we sent DATA or HEADERS, and when the last was.
    in_vain: u32,
    last: Option<Instant>,
    pinged: bool,
}

impl Watch {
    fn new(keep: Keep, pings: Option<PingPong>) -> Self {
        let timer = Self::interval(&keep).map(|d| Box::pin(tokio::time::sleep(d)));
        let idle_since = Some(Instant::now());
        Self { keep, pings, timer, answer_by: None, idle_since, in_vain: 0, last: None, pinged: false }
    }

    fn interval(keep: &Keep) -> Option<Duration> {
        [keep.keepalive, keep.idle].into_iter().flatten().min()
    }

    /// Ready with the reason where the connection must end.
    fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        calls: usize,
        flusher: &Flusher<S>,
    ) -> Poll<Status> {
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        if calls > 0 {
            self.idle_since = None;
        }
        if self.answer_by.is_some()
            && self.pings.as_mut().is_some_and(|p| matches!(p.poll_pong(cx), Poll::Ready(Ok(_))))
        {
            self.answer_by = None;
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.answer_by.is_some_and(|by| by <= now) {
                return Poll::Ready(Status::unavailable(format!(
                    "the peer did not answer a keepalive PING within {:?}",
                    self.keep.keepalive_timeout
                )));
            }
            if calls == 0 {
                let since = *self.idle_since.get_or_insert(now);
                if self.keep.idle.is_some_and(|idle| since + idle <= now) {
                    return Poll::Ready(Status::unavailable("the connection was idle and has been closed"));
                }
            }
            let mut next = Self::interval(&self.keep).map(|d| now + d);
            let heard = flusher.heard();
            if flusher.sent() {
                self.in_vain = 0;
            }
            let limited = self.keep.max_pings > 0
                && self.in_vain >= self.keep.max_pings
                && self.last.is_some_and(|at| now < at + LIMITED_INTERVAL);
            if self.keep.keepalive.is_some()
                && self.answer_by.is_none()
                && !heard
                && !limited
                && (calls > 0 || self.keep.without_calls)
                && self.pings.as_mut().is_some_and(|p| p.send_ping(Ping::opaque()).is_ok())
            {
                self.pinged = true;
                self.in_vain = self.in_vain.saturating_add(1);
                self.last = Some(now);
                self.answer_by = Some(now + self.keep.keepalive_timeout);
                // Registers for the answer.
                if let Some(pings) = &mut self.pings {
                    let _ = pings.poll_pong(cx);
                }
            }
            next = [next, self.answer_by].into_iter().flatten().min();
            match next {
                Some(at) => timer.as_mut().reset(at),
                None => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}

/// Whether the peer has certainly not processed a stream that ended with `error`.
///
/// RFC 9113, sections 6.8 and 8.7.
pub fn unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.reason() == Some(h2::Reason::REFUSED_STREAM)
            || (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)))
}

/// Whether a connection ended because the peer had got more PINGs than it wants (gRPC's proposal A8).
fn is_of_pings(error: &h2::Error) -> bool {
    error.is_remote()
        && error.is_go_away()
        && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
        // What the peer says beside the code is nowhere else.
        && format!("{error:?}").contains("too_many_pings")
}

/// For a connection that ended before it was one.
pub(crate) fn closed_early() -> String {
    "the peer closed the connection during the HTTP/2 handshake".into()
}

/// The error of a handshake, as one sentence for people.
fn explain_handshake(error: &h2::Error) -> String {
    match error.get_io() {
        Some(io) if io.kind() == io::ErrorKind::UnexpectedEof => closed_early(),
        _ => format!("the HTTP/2 handshake failed: {error}"),
    }
}
