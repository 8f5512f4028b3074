//! Fibers that serve one job after the other.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use viaduct::Status;

use super::{Job, Scope, running};
use crate::errors::Thrown;
use crate::fiber::{self, Fiber};
use crate::zend::exception_pending;

/// Fibers that are kept for the next job. Each holds its stack.
const IDLE_FIBERS: usize = 256;

/// A fiber and what it does.
pub(crate) struct Strand {
    pub(super) fiber: Fiber,
    pub(super) job: RefCell<Option<Job>>,
    pub(super) scope: RefCell<Option<Rc<dyn Scope>>>,
    /// The wait that it is suspended in, until that is over.
    pub(super) waiting: Cell<Option<usize>>,
    /// Why the wait ends without its value.
    pub(super) interrupt: RefCell<Option<Status>>,
}

impl Strand {
    pub(super) fn new() -> Result<Rc<Self>, Thrown> {
        Ok(Rc::new(Self {
            fiber: Fiber::new()?,
            job: RefCell::default(),
            scope: RefCell::default(),
            waiting: Cell::new(None),
            interrupt: RefCell::default(),
        }))
    }
}

/// What every fiber of ours runs: first nothing, as its maker has a job for it only once there is a stack; then one job
/// after the other.
///
/// While it is suspended or runs a job, its stack holds neither the scheduler nor the strand: both
/// must be able to go before it.
pub(super) fn fiber_main() {
    let Some(strand) = running().and_then(|scheduler| scheduler.current.borrow().as_ref().map(Rc::downgrade))
    else {
        return;
    };
    if fiber::suspend().is_err() {
        return;
    }
    loop {
        match next_job_of(&strand) {
            Next::Run(job) => job(),
            Next::Rest => {
                if fiber::suspend().is_err() {
                    return;
                }
            }
            Next::End => return,
        }
    }
}

/// What a fiber does next.
enum Next {
    Run(Job),
    Rest,
    End,
}

fn next_job_of(strand: &Weak<Strand>) -> Next {
    // A forked child has no scheduler here, and this fiber no business there. A pending exception is
    // `exit()`, or the fiber is being destroyed.
    let (Some(scheduler), Some(strand)) = (running(), strand.upgrade()) else { return Next::End };
    if exception_pending() {
        return Next::End;
    }
    strand.scope.take();
    if let Some(job) = strand.job.take().or_else(|| scheduler.next_job()) {
        return Next::Run(job);
    }
    let mut idle = scheduler.idle.borrow_mut();
    if idle.len() >= IDLE_FIBERS {
        return Next::End;
    }
    idle.push(strand);
    Next::Rest
}
