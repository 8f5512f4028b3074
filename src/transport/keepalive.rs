//! Is somebody there? When to ask on a silent connection.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Has a PING sent after a time of silence, and waits for its answer, or for anything else.
///
/// Silence is told by a count of what was heard, looked at once a period: reading the clock at every read would cost
/// each call. So the PING leaves after one to two periods of silence.
#[derive(Debug)]
pub(crate) struct Silence {
    after: Duration,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    heard: u64,
    asked: bool,
}

impl Silence {
    /// `after` how much silence it is asked, and for how long the peer may think about that; `heard` so far.
    pub(crate) fn new(after: Duration, patience: Duration, heard: u64) -> Self {
        // Under 10 ms the timer's own step would make a storm of it.
        let after = after.max(Duration::from_millis(10));
        Self { after, patience, timer: Box::pin(tokio::time::sleep(after)), heard, asked: false }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether an answer is waited for.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked
    }

    /// Begins anew.
    pub(crate) fn rest(&mut self, heard: u64) {
        self.asked = false;
        self.heard = heard;
        self.timer.as_mut().reset(Instant::now() + self.after);
    }

    /// Ready when the peer is taken for dead. `ask` sends a PING; nobody is asked, or missed, where silence is not
    /// `wrong`.
    pub(crate) fn poll(
        &mut self,
        heard: u64,
        wrong: bool,
        mut ask: impl FnMut(),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if heard != self.heard || !wrong {
                self.rest(heard);
            } else if self.asked {
                return Poll::Ready(());
            } else {
                ask();
                self.asked = true;
                self.timer.as_mut().reset(Instant::now() + self.patience);
            }
        }
    }
}
