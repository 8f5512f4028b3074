//! Fibers that serve one job after the other.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use viaduct::Status;
use viaduct::reactor::fork::generation;

use super::{Job, Scope, running};
use crate::errors::Thrown;
use crate::fiber::Fiber;
use crate::zend::exception_pending;
use crate::zend::switch::{Parked, Raw};

/// Fibers that are kept for the next job. Each holds its stack.
const IDLE_FIBERS: usize = 256;

/// A fiber and what it does.
pub(crate) struct Strand {
    pub(super) fiber: Fiber,
    /// Where it goes on; `None` while it runs, and before it was started.
    pub(super) parked: Cell<Option<Parked>>,
    pub(super) job: RefCell<Option<Job>>,
    pub(super) scope: RefCell<Option<Rc<dyn Scope>>>,
    /// The wait that it is parked in, until that is over.
    pub(super) waiting: Cell<Option<usize>>,
    /// The task that it waits for.
    pub(super) awaits: RefCell<Option<Rc<Strand>>>,
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
            scope: RefCell::default(),
            waiting: Cell::new(None),
            awaits: RefCell::default(),
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
/// While it is parked or runs a job, its stack holds neither the scheduler nor the strand: both
/// must be able to go before it.
pub(super) fn fiber_main() {
    let current = running().and_then(|scheduler| scheduler.current.borrow().clone());
    let Some(strand) = current else { return };
    let raw = strand.fiber.raw();
    let strand = {
        let weak = Rc::downgrade(&strand);
        drop(strand);
        weak
    };
    let mut next = Next::Rest(raw);
    loop {
        match next {
            Next::Run(job) => job(),
            Next::Rest(raw) => {
                let rested = raw.park(|parked| {
                    if let Some(strand) = strand.upgrade() {
                        strand.parked.set(Some(parked));
                    }
                });
                if rested.is_err() {
                    return;
                }
            }
            Next::End => return,
        }
        next = next_job_of(&strand);
    }
}

/// What a fiber does next.
enum Next {
    Run(Job),
    Rest(Raw),
    End,
}

fn next_job_of(strand: &Weak<Strand>) -> Next {
    // A forked child has no scheduler here, and this fiber no business there. A pending exception is
    // `exit()`, or the fiber is being destroyed.
    let (Some(scheduler), Some(strand)) = (running(), strand.upgrade()) else { return Next::End };
    if exception_pending() || strand.generation != generation() || !strand.is_usable() {
        return Next::End;
    }
    if let Some(job) = strand.job.take() {
        // With the scope that it was given with it.
        return Next::Run(job);
    }
    strand.scope.take();
    if let Some(job) = scheduler.next_job() {
        return Next::Run(job);
    }
    let mut idle = scheduler.idle.borrow_mut();
    if idle.len() >= IDLE_FIBERS || scheduler.ending.get() {
        return Next::End;
    }
    let raw = strand.fiber.raw();
    idle.push(strand);
    Next::Rest(raw)
}
