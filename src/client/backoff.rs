//! Failures, and the pauses after them (gRPC, "Connection Backoff Protocol").

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use tokio::time::Instant;

use super::options::ChannelOptions;

/// Each pause is this much longer than the one before it.
const GROWTH: f64 = 1.6;
/// Each pause is off by up to this share, so that clients do not come back all at once.
const JITTER: f64 = 0.2;

/// What went wrong last, and how long to wait next time.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
    failure: Option<Failure>,
}

/// A failed attempt. It is remembered until one succeeds.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) at: Instant,
    pub(super) retry_at: Instant,
}

impl Backoff {
    pub(super) fn new(options: &ChannelOptions) -> Self {
        Self { pause: options.initial_backoff, failure: None }
    }

    /// An attempt that began at `started` has failed.
    pub(super) fn failed(&mut self, started: Instant, why: String, options: &ChannelOptions) {
        let retry_at = started + jitter(self.pause);
        self.pause = self.pause.mul_f64(GROWTH).min(options.max_backoff);
        self.failure = Some(Failure { why, at: Instant::now(), retry_at });
    }

    pub(super) fn succeeded(&mut self, options: &ChannelOptions) {
        *self = Self::new(options);
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether an attempt has failed since `began`. A call that does not wait for ready needs no other.
    pub(super) fn failed_since(&self, began: Option<Instant>) -> bool {
        matches!((&self.failure, began), (Some(failure), Some(began)) if failure.at >= began)
    }

    /// Whether a call that began at `began` (none: it waits for ready) may start an attempt now.
    pub(super) fn may_try(&self, now: Instant, began: Option<Instant>) -> bool {
        self.failure.as_ref().is_none_or(|f| f.retry_at <= now) && !self.failed_since(began)
    }
}

/// A span that is off by up to a fifth.
pub(super) fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * random())
}

/// A share between 0 and 1.
#[allow(clippy::cast_precision_loss)] // 53 bits are enough
fn random() -> f64 {
    entropy() as f64 / u64::MAX as f64
}

/// Bits that differ between processes and between calls. Not for secrets.
pub(super) fn entropy() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
