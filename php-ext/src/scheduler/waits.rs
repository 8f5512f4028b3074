//! The futures that suspended fibers wait for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use super::Strand;
use crate::zend::switch::Raw;

/// A future that leaves its value where the fiber finds it.
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// All waits of a thread.
#[derive(Default)]
pub(super) struct Waits {
    woken: Arc<Woken>,
    list: RefCell<Vec<Option<Wait>>>,
    free: RefCell<Vec<usize>>,
}

/// One fiber's wait.
pub(super) struct Wait {
    /// `None` while it is polled.
    future: Option<Work>,
    pub(super) strand: Rc<Strand>,
    waker: Waker,
}

/// Which waits shall be polled, and who shall be told.
#[derive(Default)]
struct Woken(Mutex<WokenList>);

#[derive(Default)]
struct WokenList {
    waits: Vec<usize>,
    root: Option<Waker>,
}

struct WaitWaker {
    wait: usize,
    woken: Arc<Woken>,
}

impl Wake for WaitWaker {
    fn wake(self: Arc<Self>) {
        self.woken.add(self.wait);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.add(self.wait);
    }
}

impl Woken {
    fn add(&self, wait: usize) {
        let root = {
            let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            list.waits.push(wait);
            list.root.take()
        };
        if let Some(root) = root {
            root.wake();
        }
    }

    /// Takes what has been woken, and registers whom to tell of more.
    fn take(&self, root: &Waker) -> Vec<usize> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !list.root.as_ref().is_some_and(|known| known.will_wake(root)) {
            list.root = Some(root.clone());
        }
        std::mem::take(&mut list.waits)
    }
}

impl Waits {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.list.borrow().len() == self.free.borrow().len()
    }

    /// Adds the wait of a strand that is about to suspend itself. Its first poll is the loop's, inside
    /// the reactor. Returns the wait's number, which another may have after it.
    pub(super) fn add(&self, future: Work, strand: &Rc<Strand>) -> usize {
        let mut list = self.list.borrow_mut();
        let id = self.free.borrow_mut().pop().unwrap_or_else(|| {
            list.push(None);
            list.len() - 1
        });
        let waker = Waker::from(Arc::new(WaitWaker { wait: id, woken: Arc::clone(&self.woken) }));
        if let Some(slot) = list.get_mut(id) {
            *slot = Some(Wait { future: Some(future), strand: Rc::clone(strand), waker });
        }
        strand.waiting.set(Some(id));
        self.woken.add(id);
        id
    }

    /// Takes the wait away that was given this number, if it is still that of the fiber.
    pub(super) fn remove_of(&self, fiber: Raw, id: usize) -> Option<Wait> {
        let list = self.list.borrow();
        let theirs = list.get(id)?.as_ref()?.strand.fiber.raw() == fiber;
        drop(list);
        if theirs { self.take(id) } else { None }
    }

    /// Takes a strand's wait away, if it is not over.
    pub(super) fn remove(&self, strand: &Strand) -> Option<Wait> {
        self.take(strand.waiting.take()?)
    }

    /// A strand whose wait is for a task that has ended.
    pub(super) fn waits_for_ended(&self) -> Option<Rc<Strand>> {
        let list = self.list.borrow();
        let ended =
            |strand: &&Rc<Strand>| strand.awaits.borrow().as_ref().is_some_and(|task| !task.is_usable());
        list.iter().flatten().map(|wait| &wait.strand).find(ended).map(Rc::clone)
    }

    /// Takes all away.
    pub(super) fn clear(&self) -> Vec<Option<Wait>> {
        self.free.take();
        self.list.take()
    }

    fn take(&self, id: usize) -> Option<Wait> {
        let wait = self.list.borrow_mut().get_mut(id).and_then(Option::take)?;
        self.free.borrow_mut().push(id);
        wait.strand.waiting.set(None);
        Some(wait)
    }

    /// Polls those that were woken; strands whose waits are over become ready. To be called inside the
    /// reactor.
    pub(super) fn poll(&self, cx: &mut Context<'_>, ready: &RefCell<VecDeque<Rc<Strand>>>) {
        for id in self.woken.take(cx.waker()) {
            // The future is taken out while it is polled: a waker may come back here.
            let taken = self
                .list
                .borrow_mut()
                .get_mut(id)
                .and_then(Option::as_mut)
                .and_then(|wait| Some((wait.future.take()?, wait.waker.clone())));
            let Some((mut future, waker)) = taken else { continue };
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                if let Some(Some(wait)) = self.list.borrow_mut().get_mut(id) {
                    wait.future = Some(future);
                }
            } else if let Some(wait) = self.take(id) {
                ready.borrow_mut().push_back(wait.strand);
            }
        }
    }
}
