//! Serving, draining, aborted: the phase of a server, and who must hear of a change.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Instant;

use tokio::sync::Notify;

use super::inbox::lock;

/// What a server is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// No new connections; those there are told to go away, and finish their calls.
    Draining,
    /// Everything is cut.
    Aborted,
}

/// The phase, and the tasks (accept loops and connections) that act on it.
///
/// A task reads the phase each time it is polled, which is one load, and leaves its waker here once:
/// a `watch` channel in each connection would cost a lock on every poll.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    phase: AtomicU8,
    tasks: Mutex<Tasks>,
    fewer: Notify,
}

#[derive(Debug, Default)]
struct Tasks {
    last: u64,
    wakers: HashMap<u64, Option<Waker>>,
}

impl Lifecycle {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Aborted,
        }
    }

    /// Goes on to `phase`; never back. Whether that was a change.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        let changed = self.phase.fetch_max(phase as u8, Ordering::AcqRel) < phase as u8;
        let wakers: Vec<Waker> = lock(&self.tasks).wakers.values().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
        self.fewer.notify_waiters();
        changed
    }

    /// Counts one more task, until the membership is dropped.
    pub(crate) fn join(self: &Arc<Self>) -> Membership {
        let mut tasks = lock(&self.tasks);
        tasks.last += 1;
        let id = tasks.last;
        tasks.wakers.insert(id, None);
        drop(tasks);
        Membership { lifecycle: Arc::clone(self), id, listening: false }
    }

    /// Resolves when the server serves no more and the last task has ended.
    pub(crate) async fn ended(&self) {
        loop {
            let mut fewer = std::pin::pin!(self.fewer.notified());
            fewer.as_mut().enable();
            if self.phase() != Phase::Serving && lock(&self.tasks).wakers.is_empty() {
                return;
            }
            fewer.await;
        }
    }
}

/// One task's place among those that hear of the phase.
#[derive(Debug)]
pub(crate) struct Membership {
    lifecycle: Arc<Lifecycle>,
    id: u64,
    listening: bool,
}

impl Membership {
    /// The phase; the task of `waker` is woken when it changes. The task must be the same each time.
    pub(crate) fn phase(&mut self, waker: &Waker) -> Phase {
        if !self.listening {
            lock(&self.lifecycle.tasks).wakers.insert(self.id, Some(waker.clone()));
            self.listening = true;
        }
        self.lifecycle.phase()
    }

    /// `work`, unless `until` passes or everything is cut before. Draining does not end it: a client in its handshake
    /// hears the GOAWAY when it is through, and a connection that broke instead could look like a call that was lost.
    pub(crate) async fn before<F: Future>(&mut self, until: Instant, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        let mut late = pin!(tokio::time::sleep_until(until.into()));
        poll_fn(|cx| {
            if self.phase(cx.waker()) == Phase::Aborted {
                return Poll::Ready(None);
            }
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            late.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Whether serving goes on.
    pub(crate) fn is_serving(&self) -> bool {
        self.lifecycle.phase() == Phase::Serving
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let left = {
            let mut tasks = lock(&self.lifecycle.tasks);
            tasks.wakers.remove(&self.id);
            tasks.wakers.len()
        };
        if left == 0 {
            self.lifecycle.fewer.notify_waiters();
        }
    }
}
