//! Something that ends once, and those who wait for it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// What those who wait look at. It holds nothing of PHP's.
#[derive(Default)]
pub(crate) struct Ended {
    flag: AtomicBool,
    told: Notify,
}

impl Ended {
    /// It has ended.
    pub(crate) fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    /// Whether it has ended.
    pub(crate) fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) {
        while !self.is_set() {
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable();
            if !self.is_set() {
                told.await;
            }
        }
    }
}
