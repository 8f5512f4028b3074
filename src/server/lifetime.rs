//! How long a connection may live: idle, and at all.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::config::ServerConfig;
use super::inbox::lock;

/// Ages are off by up to this share, so that clients that came together do not all come back at once
/// (gRPC, `grpc.max_connection_age_ms`).
const JITTER: f64 = 0.1;

/// What is to be done to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It has been idle, or has lived, for as long as it may: GOAWAY.
    GoAway,
    /// Its calls have had their time after that.
    Cut,
}

/// The limits of one connection, with one timer for whichever comes next.
pub(super) struct Lifetime {
    busy: Arc<Busy>,
    idle: Option<Duration>,
    ends: Option<Instant>,
    grace: Option<Duration>,
    /// How long an idle connection may take over its GOAWAY.
    patience: Duration,
    phase: Phase,
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// It was told to go for its idleness; it must have no call when it is cut.
    Idle,
    /// It was told to go for its age.
    Old,
    /// Nothing more is due.
    Told,
}

impl Lifetime {
    /// None where the configuration sets no limit.
    pub(super) fn new(config: &ServerConfig) -> Option<Self> {
        let (idle, age) = (config.max_connection_idle, config.max_connection_age);
        if idle.is_none() && age.is_none() {
            return None;
        }
        let now = Instant::now();
        // A span that the clock cannot count is no limit.
        let ends = age.and_then(|age| now.checked_add(spread(age)));
        let mut all = Self {
            busy: Arc::new(Busy { calls: AtomicUsize::new(0), since: Mutex::new(now) }),
            idle: idle.filter(|idle| now.checked_add(*idle).is_some()),
            ends,
            grace: config.max_connection_age_grace,
            patience: config.keepalive_timeout,
            phase: Phase::Serving,
            timer: Box::pin(tokio::time::sleep_until(now)),
        };
        let first = all.next(now)?;
        all.timer.as_mut().reset(first);
        Some(all)
    }

    /// One more call, until the result is dropped.
    pub(super) fn begin(&self) -> Working {
        self.busy.calls.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(&self.busy))
    }

    /// Ready when something is due.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        while self.phase != Phase::Told && self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let (phase, due, wait) = match self.phase {
                Phase::Serving if self.ends.is_some_and(|at| at <= now) => {
                    (Phase::Old, Some(Due::GoAway), self.grace)
                }
                Phase::Serving if self.next(now).is_some_and(|at| at <= now) => {
                    (Phase::Idle, Some(Due::GoAway), Some(self.patience))
                }
                Phase::Serving => (Phase::Serving, None, self.next(now).map(|at| at - now)),
                // A call that crossed the GOAWAY goes on.
                Phase::Idle if self.busy.calls.load(Ordering::Relaxed) > 0 => {
                    (Phase::Idle, None, Some(self.patience))
                }
                Phase::Idle | Phase::Old | Phase::Told => (Phase::Told, Some(Due::Cut), None),
            };
            self.phase = phase;
            match wait.and_then(|wait| now.checked_add(wait)) {
                Some(at) => self.timer.as_mut().reset(at),
                None => self.phase = Phase::Told,
            }
            if let Some(due) = due {
                return Poll::Ready(due);
            }
        }
        Poll::Pending
    }

    /// When to look again: at the end of its age, or of the idle time, should no call come. While there
    /// is a call, an idle time from now on cannot be too late.
    fn next(&self, now: Instant) -> Option<Instant> {
        let idle = self.idle.and_then(|idle| {
            let since =
                if self.busy.calls.load(Ordering::Acquire) > 0 { now } else { *lock(&self.busy.since) };
            since.checked_add(idle)
        });
        [idle, self.ends].into_iter().flatten().min()
    }
}

/// The calls of one connection.
struct Busy {
    calls: AtomicUsize,
    /// When the last call ended; at first, when the connection began.
    since: Mutex<Instant>,
}

/// One call that is under way.
pub(super) struct Working(Arc<Busy>);

impl Drop for Working {
    fn drop(&mut self) {
        *lock(&self.0.since) = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::Release);
    }
}

/// A span that is off by up to a tenth.
#[allow(clippy::cast_precision_loss)] // any share will do
fn spread(age: Duration) -> Duration {
    use std::hash::{BuildHasher as _, Hasher as _};
    let chance = std::hash::RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    let seconds = age.as_secs_f64() * (1.0 - JITTER + 2.0 * JITTER * chance);
    Duration::try_from_secs_f64(seconds).unwrap_or(age)
}
