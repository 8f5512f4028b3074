//! Retry throttling: where too many calls fail, more attempts would only make it worse.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::service_config::RetryThrottling;

/// What a failure costs, in thousandths of a token.
const FAILURE: u32 = 1000;

/// A channel's tokens, as A6 counts them ("Throttling Retry Attempts and Hedged RPCs").
#[derive(Debug)]
pub(super) struct Throttle {
    config: RetryThrottling,
    tokens: AtomicU32,
}

impl Throttle {
    pub(super) fn new(config: RetryThrottling) -> Self {
        Self { config, tokens: AtomicU32::new(config.max_tokens) }
    }

    /// Whether calls may be sent again.
    pub(super) fn allows(&self) -> bool {
        self.tokens.load(Relaxed) > self.config.max_tokens / 2
    }

    pub(super) fn succeeded(&self) {
        let more =
            |tokens: u32| Some(tokens.saturating_add(self.config.token_ratio).min(self.config.max_tokens));
        // The closure always has a value.
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, more);
    }

    pub(super) fn failed(&self) {
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, |tokens| Some(tokens.saturating_sub(FAILURE)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_stop_retries_and_successes_bring_them_back() {
        let throttle = Throttle::new(RetryThrottling { max_tokens: 4000, token_ratio: 500 });
        throttle.failed();
        assert!(throttle.allows());
        throttle.failed();
        assert!(!throttle.allows(), "half is not more than half");
        throttle.succeeded();
        assert!(throttle.allows());
        for _ in 0..10 {
            throttle.failed();
        }
        for _ in 0..4 {
            throttle.succeeded();
        }
        assert!(!throttle.allows(), "it began at nothing, not below");
        for _ in 0..100 {
            throttle.succeeded();
        }
        throttle.failed();
        throttle.failed();
        assert!(!throttle.allows(), "there are never more than at the beginning");
    }
}
