//! Fibers that serve one job after the other.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use viaduct::Status;
use viaduct::reactor::fork::generation;

use super::{Job, Run, Scope, running};
use crate::errors::Thrown;
use crate::fiber::Fiber;
use crate::zend::exception_pending;
use crate::zend::switch::{Parked, Raw};

/// Fibers that are kept for the next job. Each holds its stack.
const IDLE_FIBERS: usize = 256;

/// What a strand is given to run.
pub(super) enum Begin {
    Job(Job),
    Task(Rc<dyn Run>),
}

/// A fiber and what it does.
pub(crate) struct Strand {
    pub(super) fiber: Fiber,
    /// Where it goes on; `None` while it runs, and before it was started.
    pub(super) parked: Cell<Option<Parked>>,
    pub(super) job: RefCell<Option<Begin>>,
    /// The task that runs, or has run last.
    task: RefCell<Option<Rc<dyn Run>>>,
    pub(super) scope: RefCell<Option<Rc<dyn Scope>>>,
    /// The wait that it is parked in, until that is over.
    pub(super) waiting: Cell<Option<usize>>,
    /// The task that it waits for.
    pub(super) awaits: RefCell<Option<Rc<Strand>>>,
    /// The value that the wait has ended with.
    pub(super) outcome: RefCell<Option<Box<dyn Any>>>,
    /// Why the wait ends without its value.
    pub(super) interrupt: RefCell<Option<Status>>,
    /// The process in which it was made.
    generation: u32,
}

impl Strand {
    pub(super) fn new() -> Result<Rc<Self>, Thrown> {
        Ok(Rc::new(Self {
            fiber: Fiber::new()?,
            parked: Cell::new(None),
            job: RefCell::default(),
            task: RefCell::default(),
            scope: RefCell::default(),
            waiting: Cell::new(None),
            awaits: RefCell::default(),
            outcome: RefCell::default(),
            interrupt: RefCell::default(),
            generation: generation(),
        }))
    }

    /// Whether it can be given a job: the engine may have destroyed it meanwhile.
    pub(super) fn is_usable(&self) -> bool {
        let raw = self.fiber.raw();
        !raw.is_dead() && !raw.is_destroyed()
    }

    /// Whether a wait of `waiting` for this one would be a wait for itself.
    pub(super) fn leads_to(self: &Rc<Self>, waiting: &Rc<Self>) -> bool {
        let mut next = Some(Rc::clone(self));
        while let Some(strand) = next {
            if Rc::ptr_eq(&strand, waiting) {
                return true;
            }
            next = strand.awaits.borrow().clone();
        }
        false
    }
}

/// What every fiber of ours runs: first nothing, as its maker has a job for it only once there is a stack; then one job
/// after the other.
///
/// While it is parked or runs a job, its stack holds neither the scheduler nor the strand: both must be able to go before
/// it, and after a fatal error nobody comes back to it.
pub(super) fn fiber_main() {
    let Some(raw) = current().map(|strand| strand.fiber.raw()) else { return };
    let mut next = Next::Rest;
    loop {
        match next {
            Next::Job(job) => job(),
            // SAFETY: the strand holds the task until the next is due, and the scheduler holds the strand: while the fiber
            // runs by whoever has switched to it, while it waits with the wait, and once the engine has destroyed it until
            // the request ends.
            Next::Task(task) => unsafe { (*task).run() },
            Next::Rest => {
                let rested = raw.park(|parked| {
                    if let Some(strand) = current() {
                        strand.parked.set(Some(parked));
                    }
                });
                if rested.is_err() {
                    return;
                }
            }
            Next::End => return,
        }
        next = next_job(raw);
    }
}

/// The strand that runs now.
fn current() -> Option<Rc<Strand>> {
    running()?.current.borrow().clone()
}

/// What a fiber does next.
enum Next {
    Job(Job),
    Task(*const dyn Run),
    Rest,
    End,
}

fn next_job(fiber: Raw) -> Next {
    // A forked child has no scheduler here, and this fiber no business there. A fiber that is being destroyed is not the
    // one that the scheduler lets run. A pending exception is `exit()`.
    let Some(scheduler) = running() else { return Next::End };
    let current = scheduler.current.borrow().clone();
    let Some(strand) = current.filter(|strand| strand.fiber.raw() == fiber) else { return Next::End };
    if exception_pending() || strand.generation != generation() || !strand.is_usable() {
        return Next::End;
    }
    let ended = strand.task.take();
    drop(ended);
    match strand.job.take() {
        // With the scope that it was given with it.
        Some(Begin::Job(job)) => return Next::Job(job),
        Some(Begin::Task(task)) => {
            let running = Rc::as_ptr(&task);
            strand.task.replace(Some(task));
            return Next::Task(running);
        }
        None => {}
    }
    strand.scope.take();
    if let Some(job) = scheduler.next_job() {
        return Next::Job(job);
    }
    let mut idle = scheduler.idle.borrow_mut();
    if idle.len() >= IDLE_FIBERS || scheduler.ending.get() {
        return Next::End;
    }
    idle.push(strand);
    Next::Rest
}
