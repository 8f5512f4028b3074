//! A client's HTTP/2 connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::Shared;
use super::accept::ListenPlan;
use super::deadlines::Deadlines;
use super::forward::forward;
use super::http2::{Config, Ended, Server, Tally};
use super::metrics::Counters;
use super::settings::Listen;
use super::upstream::Member;
use super::web::{self, Bridge};
use crate::server::lifecycle::{Membership, Phase};
use crate::server::stream::PeerAddr;

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
    let mut server = Server::new(io, config(listen, line.peer));
    match member.before(until, poll_fn(|cx| server.poll_preface(cx))).await {
        Some(Ok(())) => {}
        None if !member.is_serving() => return,
        _ => return Counters::add(&counters.unknown_protocol),
    }
    if let Some(silence) = listen.keepalive {
        server.keep_alive(silence, listen.keepalive_timeout);
    }
    let mut driver = Driver { line: Arc::clone(&line), member, draining: false, timer: None };
    poll_fn(|cx| driver.poll(&mut server, cx)).await;
}

fn config(listen: &Listen, peer: PeerAddr) -> Config {
    Config {
        window: WINDOWS.0,
        connection_window: WINDOWS.1,
        max_frame: 64 << 10,
        max_streams: listen.max_streams.max(1),
        max_headers: listen.max_headers as usize,
        local: matches!(peer, PeerAddr::Unix),
    }
}

struct Driver<'a> {
    line: Arc<Line>,
    member: &'a mut Membership,
    draining: bool,
    /// For the deadlines.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Driver<'_> {
    /// One turn. Ready when the connection is at its end.
    fn poll<IO>(&mut self, server: &mut Server<IO>, cx: &mut Context<'_>) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        match self.member.phase(cx.waker()) {
            Phase::Serving => {}
            Phase::Draining if self.draining => {}
            Phase::Draining => {
                self.draining = true;
                server.go_away();
            }
            Phase::Aborted => {
                server.cut();
                // One chance for the GOAWAY to leave.
                let _ = server.poll(cx, drop);
                return Poll::Ready(());
            }
        }
        let line = &self.line;
        let polled = server.poll(cx, |request| {
            let line = Arc::clone(line);
            if web::is_for(&line.listen.settings, request.method(), request.headers()) {
                tokio::spawn(web::over_http2(line, request));
            } else {
                // In a box: tokio moves what it is given some ten times.
                tokio::spawn(Box::pin(forward(line, request)));
            }
        });
        let counters = &line.shared.counters;
        if let Some(Tally { too_long, malformed, refused }) = server.tally() {
            counters.headers_too_long.fetch_add(too_long, Relaxed);
            counters.malformed.fetch_add(malformed, Relaxed);
            counters.streams_refused.fetch_add(refused, Relaxed);
        }
        match polled {
            Poll::Ready(ended) => {
                match ended {
                    Ended::Over => {}
                    Ended::Fault(why) => {
                        tracing::debug!(peer = %line.peer, why, "a client breaks the rules of HTTP/2");
                        Counters::add(&counters.protocol_errors);
                    }
                    Ended::Silent => Counters::add(&counters.keepalive_timeouts),
                }
                Poll::Ready(())
            }
            Poll::Pending => {
                line.deadlines.poll(&mut self.timer, cx);
                Poll::Pending
            }
        }
    }
}
