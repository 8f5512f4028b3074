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
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    capacity: usize,
    /// What is in `arrived` and `batch` together.
    queued: AtomicUsize,
    arrived: Mutex<Arrived>,
    /// What the consumer took at once and has not popped.
    batch: Mutex<VecDeque<Incoming>>,
}

#[derive(Default)]
struct Arrived {
    calls: VecDeque<Incoming>,
    waiting: Option<Waker>,
}

impl Inbox {
    /// A queue for `capacity` calls, usually
    /// [`ServerConfig::max_queued`](super::ServerConfig::max_queued).
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Shared {
            capacity,
            queued: AtomicUsize::new(0),
            arrived: Mutex::default(),
            batch: Mutex::default(),
        }))
    }

    /// The next call, if one is there. Calls whose client has gone, or whose deadline has passed, are
    /// passed over.
    pub fn pop(&self) -> Option<Incoming> {
        let mut batch = lock(&self.0.batch);
        loop {
            let next = match batch.pop_front() {
                Some(next) => next,
                None => {
                    if self.is_empty() {
                        return None;
                    }
                    std::mem::swap(&mut lock(&self.0.arrived).calls, &mut *batch);
                    batch.pop_front()?
                }
            };
            self.0.queued.fetch_sub(1, Ordering::Release);
            if !next.call.is_cancelled() {
                return Some(next);
            }
        }
    }

    /// How many calls wait.
    pub fn len(&self) -> usize {
        self.0.queued.load(Ordering::Acquire)
    }

    /// Whether no call waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ready when a call waits. One task may wait at a time.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_empty() {
            return Poll::Ready(());
        }
        let mut arrived = lock(&self.0.arrived);
        // The push counts under this lock, so nothing comes between the look and the registration.
        if !self.is_empty() {
            return Poll::Ready(());
        }
        match &mut arrived.waiting {
            Some(old) => old.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
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
        if self.len() >= self.0.capacity {
            return Err(call);
        }
        arrived.calls.push_back(call);
        self.0.queued.fetch_add(1, Ordering::Release);
        let waiting = arrived.waiting.take();
        drop(arrived);
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} of {})", self.len(), self.0.capacity)
    }
}

/// A panic elsewhere leaves our data whole: each change under a lock is one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
