//! Is somebody there? PINGs on silent connections.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::drive::Drive;

/// Sends a PING after a time of silence and waits for its answer, or for anything else.
///
/// Silence is told by the count of reads, looked at once a period: reading the clock at every read would cost each
/// request. So the PING leaves after one to two periods of silence.
#[derive(Debug)]
pub(super) struct Keepalive {
    silence: Duration,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    seen: u64,
    asked: bool,
}

impl Keepalive {
    pub(super) fn new(silence: Duration, patience: Duration) -> Self {
        // Under 10 ms the timer's own step would make a storm of it.
        let silence = silence.max(Duration::from_millis(10));
        Self { silence, patience, timer: Box::pin(tokio::time::sleep(silence)), seen: 0, asked: false }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Ready when the peer is taken for dead. `idle`: it is asked while no stream runs, too.
    pub(super) fn poll<IO>(&mut self, drive: &mut Drive<IO>, idle: bool, cx: &mut Context<'_>) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let silent = drive.heard == self.seen;
            self.seen = drive.heard;
            if !silent || !idle && drive.shared().lock().streams.open() == 0 {
                self.asked = false;
                self.timer.as_mut().reset(Instant::now() + self.silence);
            } else if self.asked {
                return Poll::Ready(());
            } else {
                drive.shared().lock().ping();
                self.asked = true;
                self.timer.as_mut().reset(Instant::now() + self.patience);
            }
        }
    }
}
