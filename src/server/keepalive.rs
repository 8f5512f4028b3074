//! PINGs on silent connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};

use crate::transport::keepalive::Silence;

/// Asks a silent client whether it is there.
pub(crate) struct Keepalive {
    pings: PingPong,
    reads: Arc<AtomicU64>,
    silence: Silence,
}

impl Keepalive {
    pub(crate) fn new(pings: PingPong, reads: Arc<AtomicU64>, after: Duration, patience: Duration) -> Self {
        let silence = Silence::new(after, patience, reads.load(Relaxed));
        Self { pings, reads, silence }
    }

    /// Ready when the peer is taken for dead.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reads = self.reads.load(Relaxed);
        if self.silence.has_asked() && matches!(self.pings.poll_pong(cx), Poll::Ready(Ok(_))) {
            self.silence.rest(reads);
        }
        // Refused only while one is under way: h2 takes the next one only after the answer.
        let ask = || drop(self.pings.send_ping(Ping::opaque()));
        self.silence.poll(reads, true, ask, cx)
    }
}
