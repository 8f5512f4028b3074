//! The PHP thread's loop: it waits on the reactor and switches fibers.
//!
//! Whatever waits, waits through [`wait`]. On the main stack that drives the reactor until the future
//! is done, and runs fibers that become ready meanwhile. In a fiber of ours the future is left with
//! the scheduler, the task is parked, and the loop on the main stack goes on; it polls the
//! future inside the reactor, so that nothing a fiber starts needs a wake-up across threads.
//!
//! Where fibers must not be switched (signal handlers, destructors before PHP 8.4, fibers that are being
//! destroyed, the comparison of `usort()`), a wait drives the reactor and runs nothing else: fibers that
//! become ready stay so until the thread is out of there.
//!
//! Futures never hold a Zval. Nothing is borrowed while PHP code runs or a fiber is switched to.

mod strand;
mod waits;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ext_php_rs::types::Zval;
use ext_php_rs::zend::{CatchError, try_catch};
use http::HeaderMap;
use viaduct::Status;
use viaduct::deadline::Deadline;
use viaduct::reactor::fork::abandon;
use viaduct::reactor::{Reactor, turn};

use crate::errors::{self, Thrown};
use crate::zend::switch::Raw;
use crate::zend::{exception_pending, is_fatal, switch};
use crate::{fiber, ini, signals};

pub(crate) use strand::Strand;
use strand::{Begin, fiber_main};
use waits::Waits;

/// How long PHP code may run before the reactor gets a turn.
const PHP_TIME: Duration = Duration::from_micros(200);
/// How many jobs may run before the reactor gets a turn.
const PHP_JOBS: u32 = 64;

/// Something for a fiber to run.
pub(crate) type Job = Box<dyn FnOnce()>;

/// A job that may outlive its request's end in a process that goes on: its fiber's stack only borrows it.
pub(crate) trait Run {
    /// Runs it. To be called once.
    fn run(&self);
}

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
    /// Set at the end of a request: fibers that have nothing to do end.
    ending: Cell<bool>,
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
    ini::first_use();
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
        ending: Cell::new(false),
    });
    signals::hook();
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
    scheduler.end_fibers();
    let waits = scheduler.waits.clear();
    let ready = scheduler.ready.take();
    let destroyed = scheduler.destroyed.take();
    scheduler.source.take();
    // After a fatal error the engine unwinds no fiber: what waits would keep its stack for as long as the process lives.
    let waiting = waits.iter().flatten().map(|wait| &wait.strand);
    for strand in waiting.chain(&ready) {
        strand.fiber.raw().free_stack();
    }
    drop((waits, ready, destroyed));
}

/// Ends the reactor, at the end of the process or thread.
pub(crate) fn shutdown() {
    signals::shutdown();
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
/// CancelledException where the handler's call or the task is cancelled meanwhile; what a signal's handler
/// throws; RpcException where the thread goes on in the child of a fork, and the future is its parent's.
pub(crate) fn wait<T: 'static>(
    scheduler: &Rc<Scheduler>,
    future: impl Future<Output = T> + 'static,
) -> Result<T, Thrown> {
    if scheduler.may_park() {
        return scheduler.wait_in_fiber(future);
    }
    let strand = scheduler.current.borrow().clone();
    scheduler.wait_here(strand.as_deref(), future)
}

/// Waits for `task`, which ends `future`.
///
/// # Errors
///
/// As [`wait`]; Error where the task cannot end before the wait is over.
pub(crate) fn wait_for_task(
    scheduler: &Rc<Scheduler>,
    task: Rc<Strand>,
    future: impl Future<Output = ()> + 'static,
) -> Result<(), Thrown> {
    if scheduler.current.borrow().as_ref().is_some_and(|waiting| task.leads_to(waiting)) {
        return Err(errors::error(
            "this wait can never end: the task waits for itself, alone or through others that wait for it"
                .into(),
        ));
    }
    if scheduler.may_park() {
        if let Some(waiting) = &*scheduler.current.borrow() {
            waiting.awaits.replace(Some(task));
        }
        return scheduler.wait_in_fiber(future);
    }
    if scheduler.current.borrow().is_none() && !switch::is_blocked() {
        // On the main stack tasks run on meanwhile.
        return scheduler.wait_here(None, future);
    }
    Err(errors::error(
        "this wait can never end: the task cannot run on here, where PHP does not switch fibers (a signal handler, a \
         destructor, a comparison of usort(), a fiber that is being destroyed)"
            .into(),
    ))
}

/// The functions of PHP's that have one place for the whole thread, where two that wait inside would disturb each other: those
/// that sort keep there what they call; the cycle collector (from PHP 8.4 on in a fiber) runs once at a time.
fn is_exclusive(name: &[u8]) -> bool {
    matches!(
        name,
        b"usort" | b"uasort" | b"uksort" | b"array_walk" | b"array_walk_recursive" | b"gc_destructor_fiber"
    ) || [&b"array_u"[..], b"array_diff_u", b"array_intersect_u"].iter().any(|start| name.starts_with(start))
}

impl Strand {
    /// Whether the task, which runs now, may leave the thread to others.
    fn may_park(&self) -> bool {
        !switch::is_blocked() && !self.fiber.raw().is_inside(is_exclusive)
    }
}

impl Scheduler {
    /// What calls that are made now inherit.
    pub(crate) fn scope(&self) -> Option<Rc<dyn Scope>> {
        match &*self.current.borrow() {
            Some(strand) => strand.scope.borrow().clone(),
            None => self.main_scope.borrow().clone(),
        }
    }

    /// Sets the scope of the job that runs now; returns the one before.
    pub(crate) fn set_scope(&self, scope: Option<Rc<dyn Scope>>) -> Option<Rc<dyn Scope>> {
        match &*self.current.borrow() {
            Some(strand) => strand.scope.replace(scope),
            None => self.main_scope.replace(scope),
        }
    }

    /// Whether a task runs now that may leave the thread to others.
    fn may_park(&self) -> bool {
        self.current.borrow().as_deref().is_some_and(Strand::may_park)
    }

    /// Parks the task that runs now until the future is done. Meanwhile its stack holds nothing: after a fatal error
    /// nobody comes back to free it.
    fn wait_in_fiber<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Result<T, Thrown> {
        let Some((fiber, wait)) = self.begin_wait(future) else {
            return Err(errors::error("a wait in a task began outside of one".into()));
        };
        let parked = fiber.park(|parked| {
            if let Some(strand) = &*self.current.borrow() {
                strand.parked.set(Some(parked));
            }
        });
        if parked.is_err() {
            // The fiber is being destroyed: nobody will look at the wait again.
            self.destroy(fiber, wait);
            return Err(Thrown::Pending);
        }
        // Whoever lets a task go on makes it the one that runs.
        let strand = self.current.borrow().clone();
        let (interrupt, outcome) = match &strand {
            Some(strand) => {
                strand.awaits.take();
                (strand.interrupt.take(), strand.outcome.take())
            }
            None => (None, None),
        };
        if self.reactor.is_stale() {
            return Err(errors::rpc_exception(&inherited(), &HeaderMap::new()));
        }
        if let Some(status) = interrupt {
            return Err(errors::cancelled_exception(&status, &HeaderMap::new()));
        }
        match outcome.map(Box::<dyn Any>::downcast) {
            Some(Ok(value)) => Ok(*value),
            _ => Err(errors::error("a task was resumed before its wait was over".into())),
        }
    }

    /// Leaves the future with the loop; returns the fiber of the task that runs now and the wait's number.
    fn begin_wait<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Option<(Raw, usize)> {
        let current = self.current.borrow();
        let strand = current.as_ref()?;
        let cancelled = strand.scope.borrow().as_ref().map(|scope| scope.cancelled());
        let waiting = Rc::downgrade(strand);
        let future = async move {
            let ended = match cancelled {
                None => Ok(future.await),
                Some(cancelled) => tokio::select! {
                    biased;
                    value = future => Ok(value),
                    status = cancelled => Err(status),
                },
            };
            let Some(strand) = waiting.upgrade() else { return };
            match ended {
                Ok(value) => strand.outcome.replace(Some(Box::new(value))).map(drop),
                Err(status) => strand.interrupt.replace(Some(status)).map(drop),
            };
        };
        // Without tokio's budget: a future that has used it up is woken at the end of the turn, and the
        // turn may end first when another fiber is ready. tokio then forgets to wake it.
        let wait = self.waits.add(Box::pin(tokio::task::unconstrained(future)), strand);
        Some((strand.fiber.raw(), wait))
    }

    /// Takes away what a task that waits has here, as the engine destroys its fiber.
    fn destroy(&self, fiber: Raw, wait: usize) {
        let strand = match self.waits.remove_of(fiber, wait) {
            Some(wait) if self.reactor.is_stale() => {
                let strand = Rc::clone(&wait.strand);
                abandon(wait);
                Some(strand)
            }
            Some(wait) => Some(wait.strand),
            // It is over already.
            None => self.ready.borrow().iter().find(|strand| strand.fiber.raw() == fiber).cloned(),
        };
        if let Some(strand) = strand {
            strand.awaits.take();
            self.destroyed.borrow_mut().push(strand);
        }
    }

    /// Waits without leaving the stack that runs now: the main one, or that of `strand` where it may not be parked.
    fn wait_here<T: 'static>(
        &self,
        strand: Option<&Strand>,
        future: impl Future<Output = T> + 'static,
    ) -> Result<T, Thrown> {
        let scope = match strand {
            Some(strand) => strand.scope.borrow().clone(),
            None => self.main_scope.borrow().clone(),
        };
        if scope.is_none() && !self.has_fibers() && !signals::are_watched() {
            return Ok(self.reactor.block_on(future));
        }
        let cancelled = scope.map(|s| s.cancelled());
        let may_switch = !switch::is_blocked() && strand.is_none_or(Strand::may_park);
        self.drive(may_switch, async move {
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

    /// Drives the reactor until the future is done; runs fibers that become ready where it `may_switch`.
    fn drive<T>(&self, may_switch: bool, future: impl Future<Output = T>) -> Result<T, Thrown> {
        let mut future = Box::pin(future);
        // A handler that waits on the main stack has the server's loop under it, which stands still:
        // what that does besides running handlers is done here.
        let source = self.source.borrow().clone();
        loop {
            if may_switch {
                let resumed = self.resume_ready();
                if self.reactor.is_stale() {
                    // A task has forked, and this is the child: what is waited for is the parent's.
                    abandon(future);
                    resumed.and_then(|()| self.resume_inherited())?;
                    return Err(errors::rpc_exception(&inherited(), &HeaderMap::new()));
                }
                resumed?;
            }
            let outcome = self.reactor.block_on(poll_fn(|cx| {
                if let Some(source) = &source {
                    source.flush();
                }
                if let Poll::Ready(value) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(value));
                }
                self.waits.poll(cx, &self.ready);
                if let Some(source) = &source {
                    source.poll_told(cx);
                }
                let ready = may_switch && !self.ready.borrow().is_empty();
                if ready || signals::poll_seen(cx).is_ready() { Poll::Ready(None) } else { Poll::Pending }
            }));
            if let Some(value) = outcome {
                return Ok(value);
            }
            signals::dispatch(source.is_some())?;
        }
    }

    /// Resumes fibers whose waits are over.
    fn resume_ready(&self) -> Result<(), Thrown> {
        loop {
            let next = self.ready.borrow_mut().pop_front();
            let Some(strand) = next else { return Ok(()) };
            self.resume(&strand)?;
            if self.reactor.is_stale() {
                return Ok(());
            }
        }
    }

    /// In the child of a fork: resumes tasks that wait for one that has ended here.
    fn resume_inherited(&self) -> Result<(), Thrown> {
        while let Some(strand) = self.waits.waits_for_ended() {
            // The parent's is not to be touched.
            abandon(self.waits.remove(&strand));
            self.switch(&strand)?;
        }
        Ok(())
    }

    /// Runs a task in a fiber: at once, until it first waits; later where fibers must not be switched now.
    ///
    /// # Errors
    ///
    /// RuntimeException where no fiber can be started.
    pub(crate) fn spawn(
        &self,
        task: Rc<dyn Run>,
        scope: Option<Rc<dyn Scope>>,
    ) -> Result<Rc<Strand>, Thrown> {
        self.begin(Begin::Task(task), scope)
    }

    fn begin(&self, job: Begin, scope: Option<Rc<dyn Scope>>) -> Result<Rc<Strand>, Thrown> {
        let strand = self.free_strand()?;
        *strand.job.borrow_mut() = Some(job);
        *strand.scope.borrow_mut() = scope;
        if switch::is_blocked() {
            self.ready.borrow_mut().push_back(Rc::clone(&strand));
        } else {
            self.switch(&strand)?;
        }
        Ok(strand)
    }

    fn free_strand(&self) -> Result<Rc<Strand>, Thrown> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            match idle {
                Some(strand) if strand.is_usable() => return Ok(strand),
                Some(_) => {}
                None if switch::is_blocked() => return Strand::new(),
                None => return self.fresh(),
            }
        }
    }

    /// Ends the fibers that have nothing to do.
    fn end_fibers(&self) {
        self.ending.set(true);
        for strand in self.idle.take() {
            if strand.is_usable() && !switch::is_blocked() {
                // It has nothing to say any more.
                let _ = self.switch(&strand);
            }
        }
        self.ending.set(false);
    }

    /// A new fiber, which waits for its first job.
    fn fresh(&self) -> Result<Rc<Strand>, Thrown> {
        let strand = Strand::new()?;
        self.switch(&strand)?;
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
        let fatal = is_fatal();
        match try_catch(AssertUnwindSafe(job)) {
            Ok(()) if !fatal && is_fatal() => Err(Thrown::Bailout),
            Ok(()) if exception_pending() => Err(Thrown::Pending),
            Ok(()) => Ok(()),
            Err(CatchError::Bailout) => Err(Thrown::Bailout),
            Err(other) => Err(errors::error(other.to_string())),
        }
    }

    /// Runs a strand whose wait is over, or that could not be started before.
    fn resume(&self, strand: &Rc<Strand>) -> Result<(), Thrown> {
        let fresh = strand.parked.get().is_none();
        match self.switch(strand) {
            Err(Thrown::Object(exception)) if fresh => {
                // There is no stack for it: whoever waits for the task hears that it is lost.
                errors::log(&format!("viaduct: a task was not run: {}", errors::message_of(exception.get())));
                let job = strand.job.take();
                drop(job);
                Ok(())
            }
            switched => switched,
        }
    }

    /// Runs a strand until it is parked or ends.
    fn switch(&self, strand: &Rc<Strand>) -> Result<(), Thrown> {
        if !strand.is_usable() {
            return Ok(());
        }
        let fatal = is_fatal();
        let before = self.current.replace(Some(Rc::clone(strand)));
        let mut switched = match strand.parked.take() {
            Some(parked) => strand.fiber.raw().unpark(parked),
            None => strand.fiber.start(fiber_main),
        };
        // A new fiber parks itself as soon as it has a stack.
        if switched.is_ok()
            && strand.job.borrow().is_some()
            && let Some(parked) = strand.parked.take()
        {
            switched = strand.fiber.raw().unpark(parked);
        }
        // User code has suspended the fiber itself, which nothing would resume.
        while switched.is_ok() && strand.fiber.raw().is_suspended() {
            switched = strand.fiber.throw(suspended(strand));
        }
        self.current.replace(before);
        // Exhausted memory unwinds like `exit()`.
        if !fatal && is_fatal() { Err(Thrown::Bailout) } else { switched }
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
            strand.awaits.take();
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
        self.source.borrow().is_none()
            && self.current.borrow().is_none()
            && !fiber::inside()
            && !switch::is_blocked()
    }

    fn serve_jobs(&self, source: &Rc<dyn Source>, fibers: bool) -> Result<(), Thrown> {
        loop {
            self.begin_turn();
            while self.may_run() {
                let strand = self.ready.borrow_mut().pop_front();
                match strand {
                    Some(strand) => self.resume(&strand)?,
                    None if fibers && source.has_next() && !self.has_fiber(source)? => break,
                    // A fiber that is given a job goes on to take jobs by itself.
                    None => match source.next() {
                        Some(job) if fibers => drop(self.begin(Begin::Job(job), None)?),
                        Some(job) => self.run_here(job)?,
                        None => break,
                    },
                }
                if self.reactor.is_stale() {
                    // A handler forked, and this is the child.
                    return self.resume_inherited();
                }
            }
            signals::dispatch(true)?;
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
                    if work || signals::poll_seen(cx).is_ready() { Poll::Ready(false) } else { Poll::Pending }
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

/// How what was waited for before a fork ends in the child.
fn inherited() -> Status {
    Status::unavailable("the wait began before the fork, and what it was for belongs to the parent process")
}

/// What is thrown where user code has suspended one of our fibers.
#[cold]
fn suspended(strand: &Strand) -> Zval {
    let place = strand.fiber.raw().place();
    let at = place.as_ref().map(|(file, line)| format!(" at {file}:{line}")).unwrap_or_default();
    let thrown = errors::error(format!(
        "Fiber::suspend() was called{at} in a task, a handler or a plugin of Viaduct's, where nothing would resume the \
         fiber; expected a wait of Viaduct's (a call, a message, Viaduct\\delay(), Viaduct\\await())"
    ));
    match thrown {
        Thrown::Object(exception) => {
            if let Some((file, line)) = place {
                errors::set_place(exception.get(), &file, line);
            }
            exception.into_value()
        }
        _ => Zval::null(),
    }
}
