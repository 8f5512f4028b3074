//! Is somebody there? PINGs on silent connections.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

/// Sends a PING after a time of silence and waits for its answer, or for anything else.
///
/// Silence is told by the count of reads, looked at once a period: reading the clock at every read
/// would cost each call. So the PING leaves after one to two periods of silence.
pub(crate) struct Keepalive {
    pings: PingPong,
    reads: Arc<AtomicU64>,
    seen: u64,
    silence: Duration,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    asked: bool,
}

impl Keepalive {
    pub(crate) fn new(pings: PingPong, reads: Arc<AtomicU64>, silence: Duration, patience: Duration) -> Self {
        // Under 10 ms the timer's own step would make a storm of it.
        let silence = silence.max(Duration::from_millis(10));
        let seen = reads.load(Ordering::Relaxed);
        Self {
            pings,
            reads,
            seen,
            silence,
            patience,
            timer: Box::pin(tokio::time::sleep(silence)),
            asked: false,
        }
    }

    /// Ready when the peer is taken for dead.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked && matches!(self.pings.poll_pong(cx), Poll::Ready(Ok(_))) {
                self.rest();
            }
            ready!(self.timer.as_mut().poll(cx));
            let reads = self.reads.load(Ordering::Relaxed);
            if reads != self.seen {
                self.rest();
            } else if self.asked {
                return Poll::Ready(());
            } else {
                // Refused only while one is under way.
                let _ = self.pings.send_ping(Ping::opaque());
                self.asked = true;
                self.timer.as_mut().reset(Instant::now() + self.patience);
            }
        }
    }

    fn rest(&mut self) {
        // A PING without its answer stays asked: h2 takes the next one only after that.
        self.asked = false;
        self.seen = self.reads.load(Ordering::Relaxed);
        self.timer.as_mut().reset(Instant::now() + self.silence);
    }
}
