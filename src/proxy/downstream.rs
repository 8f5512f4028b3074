//! A client's HTTP/2 connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::Reason;
use h2::server::Connection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::Shared;
use super::accept::ListenPlan;
use super::deadlines::Deadlines;
use super::forward::forward;
use super::metrics::Counters;
use super::settings::Listen;
use super::upstream::Member;
use super::web::{self, Bridge};
use crate::server::keepalive::Keepalive;
use crate::server::lifecycle::{Membership, Phase};
use crate::server::stream::{PeerAddr, wrap};
use crate::transport::wire::Flusher;

/// What one stream may send us before its backend has taken any of it, and all streams of a connection together.
const WINDOWS: (u32, u32) = (512 << 10, 16 << 20);

/// What all requests of a connection have in common.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: usize,
    pub(super) listen: Arc<ListenPlan>,
    pub(super) peer: PeerAddr,
    /// Where the client has connected to.
    pub(super) local: Option<SocketAddr>,
    pub(super) tls: bool,
    pub(super) deadlines: Deadlines,
    /// The member that the other end of this connection was made to reach, where it is the proxy's own.
    loops: OnceLock<Option<Arc<Member>>>,
    /// Where translated calls go on.
    pub(super) bridge: Bridge,
}

impl Line {
    pub(super) fn new(
        shared: Arc<Shared>,
        worker: usize,
        listen: Arc<ListenPlan>,
        (peer, local): (PeerAddr, Option<SocketAddr>),
        tls: bool,
    ) -> Self {
        let (deadlines, loops, bridge) = (Deadlines::default(), OnceLock::new(), Bridge::default());
        Self { shared, worker, listen, peer, local, tls, deadlines, loops, bridge }
    }

    /// The member that leads here, where this connection is one that the proxy itself has made.
    ///
    /// Asked at the first request: by then the end that made the connection has said that it is its own.
    pub(super) fn loops_from(&self) -> Option<&Arc<Member>> {
        self.loops.get_or_init(|| self.find_loop()).as_ref()
    }

    /// The same, as of now.
    pub(super) fn find_loop(&self) -> Option<Arc<Member>> {
        match (self.peer, self.local) {
            (PeerAddr::Ip(peer), Some(local)) => self.shared.own.find(peer, local),
            _ => None,
        }
    }
}

/// Serves a connection to its end. `until` is the time by which the client must have begun.
pub(super) async fn serve<IO>(io: IO, line: Arc<Line>, member: &mut Membership, until: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let listen = &line.listen.settings;
    let counters = &line.shared.counters;
    let reads = Arc::new(AtomicU64::new(0));
    let (wire, flusher) = wrap(io, Arc::clone(&reads));
    let handshake = http2(listen).handshake::<_, Bytes>(wire);
    let mut connection = match member.before(until, handshake).await {
        Some(Ok(connection)) => connection,
        None if !member.is_serving() => return,
        _ => return Counters::add(&counters.unknown_protocol),
    };
    let keepalive = listen.keepalive.and_then(|silence| {
        Some(Keepalive::new(connection.ping_pong()?, reads, silence, listen.keepalive_timeout))
    });
    let mut driver = Driver { line: Arc::clone(&line), member, draining: false, keepalive, timer: None };
    poll_fn(|cx| driver.poll(&mut connection, &flusher, cx)).await;
}

fn http2(listen: &Listen) -> h2::server::Builder {
    let streams = listen.max_streams.max(1);
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_concurrent_streams(streams)
        .max_frame_size(64 << 10)
        .max_header_list_size(listen.max_headers)
        .max_send_buffer_size(256 << 10)
        // Streams of small messages are legal however slowly they are read: the windows bound them.
        .data_frame_budget(usize::MAX >> 1)
        // A client may cancel all its calls at once, and send on for a while where it was answered early.
        .max_pending_accept_reset_streams(streams as usize)
        .max_concurrent_reset_streams(streams as usize);
    builder
}

struct Driver<'a> {
    line: Arc<Line>,
    member: &'a mut Membership,
    draining: bool,
    keepalive: Option<Keepalive>,
    /// For the deadlines.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Driver<'_> {
    /// One turn; what it has to say leaves in one write. Ready when the connection is at its end.
    fn poll<IO, S>(
        &mut self,
        connection: &mut Connection<IO, Bytes>,
        flusher: &Flusher<S>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        S: AsyncWrite + Unpin,
    {
        let step = self.step(connection, cx);
        match flusher.poll_flush(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            _ => step,
        }
    }

    fn step<IO>(&mut self, connection: &mut Connection<IO, Bytes>, cx: &mut Context<'_>) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let counters = &self.line.shared.counters;
        match self.member.phase(cx.waker()) {
            Phase::Serving => {}
            Phase::Draining if self.draining => {}
            Phase::Draining => {
                self.draining = true;
                connection.graceful_shutdown();
            }
            Phase::Aborted => {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                // One chance for the GOAWAY to leave.
                let _ = connection.poll_closed(cx);
                return Poll::Ready(());
            }
        }
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let line = Arc::clone(&self.line);
                    if web::is_for(&line.listen.settings, request.method(), request.headers()) {
                        tokio::spawn(web::over_http2(line, request, respond));
                    } else {
                        // In a box: tokio moves what it is given some ten times, and this is 2 KB. Of 64 KB that were
                        // copied for a call of 100 bytes, 19 KB were that.
                        tokio::spawn(Box::pin(forward(line, request, respond)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    if !error.is_io() && !error.is_remote() {
                        Counters::add(&counters.protocol_errors);
                    }
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.line.deadlines.poll(&mut self.timer, cx);
        if let Some(keepalive) = &mut self.keepalive
            && keepalive.poll(cx).is_ready()
        {
            Counters::add(&counters.keepalive_timeouts);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
