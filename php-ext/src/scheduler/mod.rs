//! The PHP thread's loop: it waits on the reactor and switches fibers.
//!
//! Whatever waits, waits through [`wait`]. On the main stack that drives the reactor until the future
//! is done, and runs fibers that become ready meanwhile. In a fiber of ours the future is left with
//! the scheduler, the fiber suspends itself, and the loop on the main stack goes on; it polls the
//! future inside the reactor, so that nothing a fiber starts needs a wake-up across threads.
//!
//! Futures never hold a Zval. Nothing is borrowed while PHP code runs or a fiber is switched to.

mod strand;
mod waits;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ext_php_rs::zend::{CatchError, try_catch};
use http::HeaderMap;
use viaduct::Status;
use viaduct::deadline::Deadline;
use viaduct::reactor::fork::abandon;
use viaduct::reactor::{Reactor, turn};

use crate::callable::Callable;
use crate::errors::{self, Thrown};
use crate::fiber;
use crate::zend::exception_pending;

pub(crate) use strand::Strand;
use strand::fiber_main;
use waits::Waits;

/// How long PHP code may run before the reactor gets a turn.
const PHP_TIME: Duration = Duration::from_micros(200);
/// How many jobs may run before the reactor gets a turn.
const PHP_JOBS: u32 = 64;

/// Something for a fiber to run.
pub(crate) type Job = Box<dyn FnOnce()>;

/// Where jobs come from while a server runs.
pub(crate) trait Source {
    /// The next job, if one is waiting and may start now.
    fn next(&self) -> Option<Job>;
    /// Whether [`next`](Self::next) has something.
    fn has_next(&self) -> bool;
    /// Ready once [`next`](Self::next) has something.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// To be called on the reactor before it waits: sends what jobs have left to be sent.
    fn flush(&self);
    /// Whether a signal has come for which PHP code has a handler.
    fn interrupted(&self) -> bool;
    /// Whether [`interrupted`](Self::interrupted) would say yes.
    fn has_interrupt(&self) -> bool;
    /// Looks whether the server was told to stop, and begins to drain it then.
    fn poll_told(&self, cx: &mut Context<'_>);
    /// No fiber can be started for the next job, and why. It waits until one that runs ends; where none
    /// runs it is refused.
    fn starve(&self, _why: &str) {}
    /// Ready once the loop shall end.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What a handler's outgoing calls and waits inherit.
pub(crate) trait Scope {
    /// When the handler's call is over.
    fn deadline(&self) -> Option<Deadline>;
    /// Resolves with the reason once the handler's call is over before its time.
    fn cancelled(&self) -> Pin<Box<dyn Future<Output = Status>>>;
}

/// This thread's scheduler and its reactor.
pub(crate) struct Scheduler {
    pub(crate) reactor: Reactor,
    waits: Waits,
    ready: RefCell<VecDeque<Rc<Strand>>>,
    current: RefCell<Option<Rc<Strand>>>,
    idle: RefCell<Vec<Rc<Strand>>>,
    /// Fibers that the engine destroyed while they waited. It does not free an object whose last
    /// reference goes inside its own destructor: they go at the end of the request.
    destroyed: RefCell<Vec<Rc<Strand>>>,
    source: RefCell<Option<Rc<dyn Source>>>,
    /// The scope of a job that runs on the main stack.
    main_scope: RefCell<Option<Rc<dyn Scope>>>,
    jobs_left: Cell<u32>,
    turn_at: Cell<Instant>,
}

thread_local! {
    static SCHEDULER: RefCell<Option<Rc<Scheduler>>> = const { RefCell::new(None) };
}

/// This thread's scheduler; made at the first use in a process.
///
/// # Errors
///
/// In a fiber whose stack is too small for what may run on it.
pub(crate) fn scheduler() -> Result<Rc<Scheduler>, Thrown> {
    if fiber::inside() {
        fiber::check_stack_size()?;
    }
    let known = SCHEDULER.with_borrow(|s| s.as_ref().filter(|s| !s.reactor.is_stale()).map(Rc::clone));
    match known {
        Some(scheduler) => Ok(scheduler),
        None => start(),
    }
}

/// The scheduler, if there is one already.
pub(crate) fn running() -> Option<Rc<Scheduler>> {
    SCHEDULER.with_borrow(|s| s.as_ref().filter(|s| !s.reactor.is_stale()).map(Rc::clone))
}

#[cold]
fn start() -> Result<Rc<Scheduler>, Thrown> {
    // For the benchmark that says what the inline reactor is worth.
    let threaded = std::env::var_os("VIADUCT_REACTOR").is_some_and(|v| v == "thread");
    let reactor = if threaded { Reactor::threaded() } else { Reactor::inline() };
    let reactor = reactor.map_err(|e| errors::runtime(format!("the reactor cannot be started: {e}")))?;
    let scheduler = Rc::new(Scheduler {
        reactor,
        waits: Waits::default(),
        ready: RefCell::default(),
        current: RefCell::default(),
        idle: RefCell::default(),
        destroyed: RefCell::default(),
        source: RefCell::default(),
        main_scope: RefCell::default(),
        jobs_left: Cell::new(PHP_JOBS),
        turn_at: Cell::new(Instant::now()),
    });
    if let Some(inherited) = SCHEDULER.replace(Some(Rc::clone(&scheduler))) {
        // A forked child: its futures belong to the parent's reactor and are not to be touched.
        abandon(inherited);
    }
    Ok(scheduler)
}

/// Ends the request's fibers. The reactor and its connections live on.
pub(crate) fn end_request() {
    let Some(scheduler) = SCHEDULER.with_borrow(|s| s.as_ref().map(Rc::clone)) else { return };
    if scheduler.reactor.is_stale() {
        return;
    }
    let waits = scheduler.waits.clear();
    let ready = scheduler.ready.take();
    let idle = scheduler.idle.take();
    let destroyed = scheduler.destroyed.take();
    scheduler.source.take();
    drop((waits, ready, idle, destroyed));
}

/// Ends the reactor, at the end of the process or thread.
pub(crate) fn shutdown() {
    if let Some(scheduler) = SCHEDULER.take() {
        if scheduler.reactor.is_stale() {
            abandon(scheduler);
        } else {
            // What was said last, a reset or a half-close, still goes out.
            scheduler.reactor.turn();
        }
    }
}

/// Waits for a future: see the module.
///
/// # Errors
///
/// CancelledException where the handler's call or the task is cancelled meanwhile.
pub(crate) fn wait<T: 'static>(
    scheduler: &Rc<Scheduler>,
    future: impl Future<Output = T> + 'static,
) -> Result<T, Thrown> {
    match scheduler.current_strand() {
        Some(strand) => scheduler.wait_in_fiber(&strand, future),
        None => scheduler.wait_on_main(future),
    }
}

impl Scheduler {
    /// The strand that runs now; none on the main stack, and none in a fiber of somebody else's.
    fn current_strand(&self) -> Option<Rc<Strand>> {
        let current = self.current.borrow();
        let strand = current.as_ref()?;
        strand.fiber.is_running().then(|| Rc::clone(strand))
    }

    /// What calls that are made now inherit.
    pub(crate) fn scope(&self) -> Option<Rc<dyn Scope>> {
        match &*self.current.borrow() {
            Some(strand) => strand.scope.borrow().clone(),
            None => self.main_scope.borrow().clone(),
        }
    }

    /// Sets the scope of the job that runs now.
    pub(crate) fn set_scope(&self, scope: Option<Rc<dyn Scope>>) {
        match &*self.current.borrow() {
            Some(strand) => *strand.scope.borrow_mut() = scope,
            None => *self.main_scope.borrow_mut() = scope,
        }
    }

    fn wait_in_fiber<T: 'static>(
        &self,
        strand: &Rc<Strand>,
        future: impl Future<Output = T> + 'static,
    ) -> Result<T, Thrown> {
        let slot = Rc::new(Cell::new(None));
        let theirs = Rc::clone(&slot);
        let scope = strand.scope.borrow().clone();
        let cancelled = scope.map(|s| s.cancelled());
        let target = Rc::downgrade(strand);
        let future = async move {
            match cancelled {
                None => theirs.set(Some(future.await)),
                Some(cancelled) => tokio::select! {
                    biased;
                    value = future => theirs.set(Some(value)),
                    status = cancelled => {
                        if let Some(strand) = target.upgrade() {
                            *strand.interrupt.borrow_mut() = Some(status);
                        }
                    }
                },
            }
        };
        // Without tokio's budget: a future that has used it up is woken at the end of the turn, and the
        // turn may end first when another fiber is ready. tokio then forgets to wake it.
        self.waits.add(Box::pin(tokio::task::unconstrained(future)), strand);
        if fiber::suspend().is_err() {
            // The fiber is being destroyed: nobody will look at the wait again.
            drop(self.waits.remove(strand));
            self.destroyed.borrow_mut().push(Rc::clone(strand));
            return Err(Thrown::Pending);
        }
        if let Some(status) = strand.interrupt.take() {
            return Err(errors::cancelled_exception(&status, &HeaderMap::new()));
        }
        slot.take().ok_or_else(|| {
            // The wait is not over and would resume the fiber in the middle of something else.
            drop(self.waits.remove(strand));
            errors::error("a fiber of viaduct's was resumed by somebody else".into())
        })
    }

    fn wait_on_main<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Result<T, Thrown> {
        let scope = self.main_scope.borrow().clone();
        if scope.is_none() && !self.has_fibers() {
            return Ok(self.reactor.block_on(future));
        }
        let cancelled = scope.map(|s| s.cancelled());
        self.drive(async move {
            match cancelled {
                None => Ok(future.await),
                Some(cancelled) => tokio::select! {
                    biased;
                    value = future => Ok(value),
                    status = cancelled => Err(status),
                },
            }
        })?
        .map_err(|status| errors::cancelled_exception(&status, &HeaderMap::new()))
    }

    fn has_fibers(&self) -> bool {
        !self.ready.borrow().is_empty() || !self.waits.is_empty()
    }

    /// Drives the reactor until the future is done, and runs fibers that become ready.
    fn drive<T>(&self, future: impl Future<Output = T>) -> Result<T, Thrown> {
        let mut future = std::pin::pin!(future);
        // A handler that waits on the main stack has the server's loop under it, which stands still:
        // what that does besides running handlers is done here.
        let source = self.source.borrow().clone();
        loop {
            self.resume_ready()?;
            let outcome = self.reactor.block_on(poll_fn(|cx| {
                if let Some(source) = &source {
                    source.flush();
                }
                if let Poll::Ready(value) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(value));
                }
                self.waits.poll(cx, &self.ready);
                let interrupted = source.as_ref().is_some_and(|source| {
                    source.poll_told(cx);
                    source.has_interrupt()
                });
                if self.ready.borrow().is_empty() && !interrupted { Poll::Pending } else { Poll::Ready(None) }
            }));
            if let Some(value) = outcome {
                return Ok(value);
            }
            if source.as_ref().is_some_and(|source| source.interrupted()) {
                dispatch_signals()?;
            }
        }
    }

    /// Resumes fibers whose waits are over, for as long as PHP may run.
    fn resume_ready(&self) -> Result<(), Thrown> {
        loop {
            let next = self.ready.borrow_mut().pop_front();
            let Some(strand) = next else { return Ok(()) };
            self.switch(&strand, false)?;
        }
    }

    /// Runs a job in a fiber: at once, until it first waits.
    ///
    /// # Errors
    ///
    /// RuntimeException where no fiber can be started.
    pub(crate) fn spawn(&self, job: Job) -> Result<Rc<Strand>, Thrown> {
        let idle = self.idle.borrow_mut().pop();
        let strand = idle.map_or_else(|| self.fresh(), Ok)?;
        *strand.job.borrow_mut() = Some(job);
        // What a handler starts beside itself has the handler's deadline, too.
        let scope = self.scope();
        *strand.scope.borrow_mut() = scope;
        self.switch(&strand, false)?;
        Ok(strand)
    }

    /// A new fiber, which waits for its first job.
    fn fresh(&self) -> Result<Rc<Strand>, Thrown> {
        let strand = Strand::new()?;
        self.switch(&strand, true)?;
        Ok(strand)
    }

    /// Whether there is a fiber for the next job. Where none can be started the source hears of it.
    fn has_fiber(&self, source: &Rc<dyn Source>) -> Result<bool, Thrown> {
        if self.idle.borrow().is_empty() {
            match self.fresh() {
                Ok(strand) => self.idle.borrow_mut().push(strand),
                Err(Thrown::Object(exception)) => {
                    source.starve(&errors::message_of(exception.get()));
                    return Ok(false);
                }
                Err(thrown) => return Err(thrown),
            }
        }
        Ok(true)
    }

    /// Runs a job on the main stack.
    fn run_here(&self, job: Job) -> Result<(), Thrown> {
        self.jobs_left.set(self.jobs_left.get().saturating_sub(1));
        match try_catch(AssertUnwindSafe(job)) {
            Ok(()) if exception_pending() => Err(Thrown::Pending),
            Ok(()) => Ok(()),
            Err(CatchError::Bailout) => Err(Thrown::Bailout),
            Err(other) => Err(errors::error(other.to_string())),
        }
    }

    fn switch(&self, strand: &Rc<Strand>, fresh: bool) -> Result<(), Thrown> {
        let before = self.current.replace(Some(Rc::clone(strand)));
        let switched = if fresh { strand.fiber.start(fiber_main) } else { strand.fiber.resume() };
        self.current.replace(before);
        switched
    }

    /// Sees to it that what was just queued leaves soon: at once where the reactor has not had a turn
    /// for a while, else together with what follows.
    pub(crate) fn nudge(&self) {
        if self.is_due() {
            self.reactor.turn();
            self.turn_at.set(Instant::now());
        }
    }

    /// Whether [`nudge`](Self::nudge) gives the reactor its turn now. While a server runs its loop comes
    /// round by itself.
    pub(crate) fn is_due(&self) -> bool {
        self.source.borrow().is_none() && self.turn_at.get().elapsed() > PHP_TIME
    }

    /// Ends the wait of a suspended job with `status`. Nothing where it does not wait.
    pub(crate) fn interrupt(&self, strand: &Rc<Strand>, status: Status) {
        if self.waits.remove(strand).is_some() {
            *strand.interrupt.borrow_mut() = Some(status);
            self.ready.borrow_mut().push_back(Rc::clone(strand));
        }
    }

    /// Serves jobs from `source` until it ends. A frame of its own, by which valgrind knows what a fatal error leaves:
    /// tests-php/support/fatal.supp.
    #[inline(never)]
    pub(crate) fn serve(&self, source: &Rc<dyn Source>, fibers: bool) -> Result<(), Thrown> {
        *self.source.borrow_mut() = Some(Rc::clone(source));
        let outcome = self.serve_jobs(source, fibers);
        *self.source.borrow_mut() = None;
        outcome
    }

    /// Whether a server may run here: on the main stack, and one at a time.
    pub(crate) fn may_serve(&self) -> bool {
        self.source.borrow().is_none() && self.current.borrow().is_none() && !fiber::inside()
    }

    fn serve_jobs(&self, source: &Rc<dyn Source>, fibers: bool) -> Result<(), Thrown> {
        loop {
            self.begin_turn();
            while self.may_run() {
                let strand = self.ready.borrow_mut().pop_front();
                match strand {
                    Some(strand) => self.switch(&strand, false)?,
                    None if fibers && source.has_next() && !self.has_fiber(source)? => break,
                    // A fiber that is given a job goes on to take jobs by itself.
                    None => match source.next() {
                        Some(job) if fibers => drop(self.spawn(job)?),
                        Some(job) => self.run_here(job)?,
                        None => break,
                    },
                }
                if self.reactor.is_stale() {
                    // A handler forked, and this is the child.
                    return Ok(());
                }
            }
            if source.interrupted() {
                dispatch_signals()?;
            }
            let busy = source.has_next() || !self.ready.borrow().is_empty();
            let ended = self.reactor.block_on(async {
                source.flush();
                if busy {
                    // Work is waiting, but the reactor comes first: what was sent must leave, and
                    // what has come must be seen.
                    turn().await;
                }
                poll_fn(|cx| {
                    self.waits.poll(cx, &self.ready);
                    if source.poll_end(cx).is_ready() {
                        return Poll::Ready(true);
                    }
                    let work = source.poll_ready(cx).is_ready() || !self.ready.borrow().is_empty();
                    if work { Poll::Ready(false) } else { Poll::Pending }
                })
                .await
            });
            if ended {
                return Ok(());
            }
        }
    }

    fn begin_turn(&self) {
        self.jobs_left.set(PHP_JOBS);
        self.turn_at.set(Instant::now());
    }

    fn may_run(&self) -> bool {
        self.jobs_left.get() > 0 && self.turn_at.get().elapsed() < PHP_TIME
    }

    /// The next job for a fiber that has ended one.
    fn next_job(&self) -> Option<Job> {
        let left = self.jobs_left.get().checked_sub(1)?;
        self.jobs_left.set(left);
        // Fibers that wait no longer come before new jobs.
        if !self.may_run() || !self.ready.borrow().is_empty() {
            return None;
        }
        let source = self.source.borrow().clone()?;
        source.next()
    }
}

/// Lets PHP's signal handlers run.
fn dispatch_signals() -> Result<(), Thrown> {
    let name = crate::zend::string(b"pcntl_signal_dispatch");
    match Callable::new(&name) {
        Some(dispatch) => dispatch.call(&mut []).map(drop),
        None => Ok(()),
    }
}
