//! Who waits for something of a call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The tasks that wait for a call, and the one waker that wakes them all.
///
/// h2 keeps one waker for each direction of a stream, and the last to register wins: a task that
/// waits for the cancellation and one that sends would push each other out. So h2 is given this one.
/// It holds no call, so there is no circle of a call, its stream, and the stream's waker.
pub(crate) struct Waiting {
    tasks: Arc<Tasks>,
    waker: Waker,
}

impl Waiting {
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// `waker` is woken at the next event, once.
    pub(crate) fn add(&self, waker: &Waker) {
        let mut list = lock(&self.tasks.0);
        if !list.iter().any(|w| w.will_wake(waker)) {
            list.push(waker.clone());
        }
    }

    pub(crate) fn wake_all(&self) {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those who wait for one direction of a call: nearly always one, whose own waker h2 is given then.
#[derive(Default)]
pub(crate) struct Waiters {
    first: Option<Waker>,
    all: Option<Waiting>,
}

impl Waiters {
    /// `waker` waits, too. `None` where h2 can be given it as it is; else the waker that wakes all.
    pub(crate) fn join(&mut self, waker: &Waker) -> Option<Waker> {
        if self.all.is_none() {
            match &self.first {
                None => {
                    self.first = Some(waker.clone());
                    return None;
                }
                Some(first) if first.will_wake(waker) => return None,
                Some(_) => {}
            }
        }
        let first = self.first.take();
        let all = self.all.get_or_insert_default();
        if let Some(first) = first {
            all.add(&first);
        }
        all.add(waker);
        Some(all.waker().clone())
    }

    /// What h2 was given, where somebody waits.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.all.as_ref().map(Waiting::waker).or(self.first.as_ref()).cloned()
    }

    /// Wakes all but who polls now, who knows: something has come by another way than from h2.
    pub(crate) fn wake_all(&mut self) {
        if let Some(all) = &self.all {
            all.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn one_waits_by_itself_and_two_are_woken_together() {
        let (one, two) = (Arc::<Count>::default(), Arc::<Count>::default());
        let (first, second) = (Waker::from(Arc::clone(&one)), Waker::from(Arc::clone(&two)));
        let mut waiters = Waiters::default();
        assert!(waiters.join(&first).is_none() && waiters.join(&first).is_none());
        let both = waiters.join(&second).unwrap();
        both.wake_by_ref();
        assert_eq!((one.0.load(Ordering::SeqCst), two.0.load(Ordering::SeqCst)), (1, 1));
        // Each is woken once for each time that it waits.
        both.wake_by_ref();
        assert_eq!((one.0.load(Ordering::SeqCst), two.0.load(Ordering::SeqCst)), (1, 1));
        assert!(waiters.join(&first).unwrap().will_wake(&both));
        waiters.wake_all();
        assert_eq!((one.0.load(Ordering::SeqCst), two.0.load(Ordering::SeqCst)), (2, 1));
    }
}
