//! The deadlines of one connection's requests: a heap and one timer.
//!
//! A timer for each request would wake the runtime's driver each time that one comes first, and be gone long before it
//! is due. Here the timer stays where it is when a request ends; when it is due, what is left is looked at.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::Sleep;

use super::upstream::lock;
use crate::deadline::Deadline;

/// A deadline that a request waits for. It counts as long as this lives.
#[derive(Debug)]
pub(super) struct Limit(Arc<Due>);

#[derive(Debug)]
struct Due {
    at: Deadline,
    passed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Limit {
    pub(super) fn deadline(&self) -> Deadline {
        self.0.at
    }

    /// Ready once it has passed.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.passed.load(Acquire) {
            return Poll::Ready(());
        }
        let waker = &mut *lock(&self.0.waker);
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        // It may have passed before the waker was there.
        if self.0.passed.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What all requests of a connection put their deadlines into.
#[derive(Debug, Default)]
pub(super) struct Deadlines(Mutex<Heap>);

#[derive(Debug, Default)]
struct Heap {
    entries: BinaryHeap<Reverse<Entry>>,
    /// Where it is swept for requests that are over: at twice what was alive the last time.
    sweep_at: usize,
    /// What the timer is set to.
    armed: Option<Instant>,
    /// The connection's task, which has the timer.
    driver: Option<Waker>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    due: Weak<Due>,
}

/// The heap is not swept below this.
const SMALL: usize = 64;

impl Deadlines {
    pub(super) fn add(&self, at: Deadline) -> Limit {
        let due = Arc::new(Due { at, passed: AtomicBool::new(false), waker: Mutex::default() });
        let heap = &mut *lock(&self.0);
        if heap.entries.len() >= heap.sweep_at.max(SMALL) {
            heap.entries.retain(|Reverse(entry)| entry.due.strong_count() > 0);
            heap.sweep_at = heap.entries.len() * 2;
        }
        heap.entries.push(Reverse(Entry { at: at.instant(), due: Arc::downgrade(&due) }));
        if heap.armed.is_none_or(|armed| at.instant() < armed)
            && let Some(driver) = heap.driver.take()
        {
            driver.wake();
        }
        Limit(due)
    }

    /// Tells the requests whose time is over, and sets `timer` to the next deadline.
    pub(super) fn poll(&self, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) {
        let heap = &mut *lock(&self.0);
        while let Some(Reverse(next)) = heap.entries.peek() {
            if heap.armed.is_none_or(|armed| next.at < armed) {
                match &mut *timer {
                    Some(set) => set.as_mut().reset(next.at.into()),
                    none => *none = Some(Box::pin(tokio::time::sleep_until(next.at.into()))),
                }
                heap.armed = Some(next.at);
            }
            if let Some(set) = timer
                && set.as_mut().poll(cx).is_pending()
            {
                break;
            }
            heap.armed = None;
            let now = Instant::now();
            while let Some(Reverse(entry)) = heap.entries.peek() {
                if entry.at > now && entry.due.strong_count() > 0 {
                    break;
                }
                if let Some(Reverse(entry)) = heap.entries.pop()
                    && entry.at <= now
                    && let Some(due) = entry.due.upgrade()
                {
                    due.passed.store(true, Release);
                    let waker = lock(&due.waker).take();
                    waker.into_iter().for_each(Waker::wake);
                }
            }
        }
        if !heap.driver.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            heap.driver = Some(cx.waker().clone());
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[test]
    fn deadlines_pass_in_their_order_and_those_of_what_is_over_do_not_count() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let all = Arc::new(Deadlines::default());
            let theirs = Arc::clone(&all);
            tokio::spawn(async move {
                let mut timer = None;
                poll_fn(|cx| {
                    theirs.poll(&mut timer, cx);
                    Poll::<()>::Pending
                })
                .await;
            });
            let after = |millis| all.add(Deadline::after(Duration::from_millis(millis)));
            let far = after(3_600_000);
            let late = after(60);
            tokio::task::yield_now().await;
            // Earlier than what the timer is set to.
            let soon = after(20);
            drop(after(10));
            poll_fn(|cx| soon.poll(cx)).await;
            assert!(soon.deadline().passed());
            poll_fn(|cx| late.poll(cx)).await;
            assert!(late.deadline().passed());
            assert!(poll_fn(|cx| Poll::Ready(far.poll(cx))).await.is_pending());
        });
    }

    #[test]
    fn what_is_over_is_swept() {
        let all = Deadlines::default();
        for _ in 0..10_000 {
            drop(all.add(Deadline::after(Duration::from_secs(60))));
        }
        assert!(lock(&all.0).entries.len() <= 2 * SMALL);
    }
}
