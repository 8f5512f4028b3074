//! Who waits for something of a call.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use super::inbox::lock;

/// The tasks that wait for a call, and the one waker that wakes them all.
///
/// h2 keeps one waker for each direction of a stream, and the last to register wins: a task that
/// waits for the cancellation and one that sends would push each other out. So h2 is given this one.
/// It holds no call, so there is no circle of a call, its stream, and the stream's waker.
pub(super) struct Waiting {
    tasks: Arc<Tasks>,
    waker: Waker,
}

impl Waiting {
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// `waker` is woken at the next event, once.
    pub(super) fn add(&self, waker: &Waker) {
        let mut list = lock(&self.tasks.0);
        if !list.iter().any(|w| w.will_wake(waker)) {
            list.push(waker.clone());
        }
    }

    pub(super) fn wake_all(&self) {
        self.tasks.wake_all();
    }
}

impl Default for Waiting {
    fn default() -> Self {
        let tasks = Arc::<Tasks>::default();
        Self { waker: Waker::from(Arc::clone(&tasks)), tasks }
    }
}

#[derive(Default)]
struct Tasks(Mutex<Vec<Waker>>);

impl Tasks {
    fn wake_all(&self) {
        // Not under the lock: a woken task may come back at once.
        let list = std::mem::take(&mut *lock(&self.0));
        list.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
