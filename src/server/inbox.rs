//! The queue between the runtime and the consumer.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::call::ServerCall;
use crate::codec::Message;

/// A call that waits for the consumer.
#[derive(Debug)]
pub struct Incoming {
    /// The id that [`Router::add`](super::Router::add) gave the method.
    pub method: u32,
    /// The call, to be answered.
    pub call: ServerCall,
    /// The request, for a method of [`RequestShape::One`](super::RequestShape::One).
    pub message: Option<Message>,
}

/// A bounded queue of calls. Clones are the same queue.
///
/// The runtime pushes; one consumer pops, from any thread, inside the runtime or outside. A pop takes
/// the lock that the runtime pushes under only once per batch.
///
/// The bound is for calls that wait. A call for which a handler is free does not wait, although it
/// stands here until the consumer has its turn. So calls count from their arrival to the end of their
/// handler, and the limit is the handlers and those that may wait.
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    limit: usize,
    /// What is in `arrived` and `batch`, and what the consumer holds a [`Place`] for. A pop leaves it as it is, so that
    /// it is never off.
    load: AtomicUsize,
    /// What is in `arrived` and `batch` together.
    queued: AtomicUsize,
    arrived: Mutex<Arrived>,
    /// What the consumer took at once and has not popped.
    batch: Mutex<VecDeque<Incoming>>,
}

#[derive(Default)]
struct Arrived {
    calls: VecDeque<Incoming>,
    waiting: Vec<Waker>,
}

impl Inbox {
    /// A queue for `capacity` calls, usually
    /// [`ServerConfig::max_queued`](super::ServerConfig::max_queued), and a consumer that may have none
    /// in hand.
    pub fn new(capacity: usize) -> Self {
        Self::with_handlers(capacity, 0)
    }

    /// The same for a consumer that runs up to `handlers` calls at a time, and holds the [`Place`] of
    /// each.
    pub fn with_handlers(capacity: usize, handlers: usize) -> Self {
        Self(Arc::new(Shared {
            limit: capacity.saturating_add(handlers),
            load: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            arrived: Mutex::default(),
            batch: Mutex::default(),
        }))
    }

    /// The next call, if one is there. Calls whose client has gone, or whose deadline has passed, are
    /// skipped.
    pub fn pop(&self) -> Option<Incoming> {
        self.take().map(|(next, _)| next)
    }

    /// As [`pop`](Self::pop). The call counts as running while its place is held.
    pub fn take(&self) -> Option<(Incoming, Place)> {
        Some((self.take_counted()?, Place(Arc::clone(&self.0))))
    }

    /// As [`take`](Self::take), for a consumer that has the inbox at hand: the call counts as running until
    /// [`release`](Self::release).
    pub fn take_counted(&self) -> Option<Incoming> {
        let mut batch = lock(&self.0.batch);
        loop {
            let next = match batch.pop_front() {
                Some(next) => next,
                None => {
                    if self.is_empty() {
                        return None;
                    }
                    std::mem::swap(&mut *batch, &mut lock(&self.0.arrived).calls);
                    batch.pop_front()?
                }
            };
            self.0.queued.fetch_sub(1, Ordering::Release);
            if !next.call.is_cancelled() {
                return Some(next);
            }
            self.release();
        }
    }

    /// A call of [`take_counted`](Self::take_counted) has ended.
    pub fn release(&self) {
        self.0.load.fetch_sub(1, Ordering::Release);
    }

    /// How many calls wait.
    pub fn len(&self) -> usize {
        self.0.queued.load(Ordering::Acquire)
    }

    /// Whether no call waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ready when a call waits. Several tasks may wait: all are woken, in the order in which they came to wait.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_empty() {
            return Poll::Ready(());
        }
        let mut arrived = lock(&self.0.arrived);
        // The push counts under this lock, so nothing comes between the look and the registration.
        if !self.is_empty() {
            return Poll::Ready(());
        }
        if !arrived.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            arrived.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until a call waits.
    pub async fn ready(&self) {
        poll_fn(|cx| self.poll_ready(cx)).await;
    }

    /// Adds a call; gives it back where the queue is full.
    // The call goes straight into the queue; boxing it for the rare refusal would cost each one.
    #[allow(clippy::result_large_err)]
    pub(super) fn push(&self, call: Incoming) -> Result<(), Incoming> {
        let mut arrived = lock(&self.0.arrived);
        // Only pushes add to it, under this lock.
        if self.0.load.load(Ordering::Acquire) >= self.0.limit {
            return Err(call);
        }
        self.0.load.fetch_add(1, Ordering::Relaxed);
        arrived.calls.push_back(call);
        self.0.queued.fetch_add(1, Ordering::Release);
        if let [one] = &*arrived.waiting {
            // Nearly always: the list keeps its memory.
            one.wake_by_ref();
            arrived.waiting.clear();
            return Ok(());
        }
        let waiting = std::mem::take(&mut arrived.waiting);
        drop(arrived);
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({}, {} of {})", self.len(), self.0.load.load(Ordering::Relaxed), self.0.limit)
    }
}

/// The place of a call that runs: the next may come when it is dropped.
pub struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Release);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// A panic elsewhere leaves our data whole: each change under a lock is one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
