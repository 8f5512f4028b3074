//! `Viaduct\Task` and `Viaduct\async()`

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use viaduct::Status;
use viaduct::reactor::fork::generation;

use super::exceptions;
use crate::callable::Callable;
use crate::ended::Ended;
use crate::errors::{self, Thrown};
use crate::scheduler::{self, Run, Scheduler, Strand};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::collect::{Collector, Holds};
use crate::zend::object::Object;

/// A function that runs beside its caller.
pub(crate) struct Task {
    state: Rc<State>,
    strand: RefCell<Weak<Strand>>,
    /// The process in which it was started.
    generation: u32,
}

/// How a task ended.
enum Outcome {
    Returned(Zval),
    Threw(Zval),
    /// It called `exit()`.
    Exited,
    /// Its fiber was destroyed.
    Lost,
}

struct State {
    outcome: RefCell<Option<Outcome>>,
    /// Whether somebody has waited for it: then what it threw is theirs.
    awaited: Cell<bool>,
    /// Whether `cancel()` was called, or the task ends with its handler's call: then its CancelledException is no news.
    cancelled: Cell<bool>,
    ended: Arc<Ended>,
}

/// What a task runs. Its state ends, however the function does.
struct Work {
    function: RefCell<Option<Function>>,
    state: Rc<State>,
}

struct Function {
    callable: Callable,
    arguments: Vec<Zval>,
    named: Option<Zval>,
}

rust_class!(Task, "Viaduct\\Task");

impl Class for Task {
    fn methods() -> Methods {
        let method = |name, handler, of| FunctionBuilder::new(name, handler).returns(of, false, false);
        let public = MethodFlags::Public;
        vec![
            (method("wait", handler!(wait_for_result), DataType::Mixed), public),
            (method("done", handler!(done), DataType::Bool), public),
            (method("cancel", handler!(cancel), DataType::Void), public),
            crate::fiber::first_frame(),
        ]
    }
}

impl Holds for Task {
    fn show(&self, to: &mut Collector<'_>) {
        if let Ok(outcome) = self.state.outcome.try_borrow()
            && let Some(Outcome::Returned(value) | Outcome::Threw(value)) = &*outcome
        {
            to.see(value);
        }
    }
}

impl Task {
    /// Runs the function until it first waits. A task that is `detached` does not end with the handler that starts it.
    pub(crate) fn start(
        scheduler: &Rc<Scheduler>,
        function: Callable,
        arguments: Vec<Zval>,
        named: Option<Zval>,
        detached: bool,
    ) -> Result<Self, Thrown> {
        let state = Rc::new(State {
            outcome: RefCell::default(),
            awaited: Cell::new(false),
            cancelled: Cell::new(false),
            ended: Arc::default(),
        });
        let work = Work {
            function: RefCell::new(Some(Function { callable: function, arguments, named })),
            state: Rc::clone(&state),
        };
        let scope = if detached { None } else { scheduler.scope() };
        state.cancelled.set(scope.is_some());
        let strand = scheduler.spawn(Rc::new(work), scope)?;
        Ok(Self { state, strand: RefCell::new(Rc::downgrade(&strand)), generation: generation() })
    }

    /// Waits for the function to end.
    pub(crate) fn finished(&self) -> Result<(), Thrown> {
        if !self.state.ended.is_set() {
            if self.generation != generation() {
                return Err(errors::error(
                    "this wait can never end: the task was started before the fork and runs in the parent process"
                        .into(),
                ));
            }
            let Some(strand) = self.strand.borrow().upgrade() else { return Err(lost()) };
            let ended = Arc::clone(&self.state.ended);
            let waited = scheduler::wait_for_task(&scheduler::scheduler()?, strand, async move {
                ended.wait().await;
            });
            // In the child of a fork the task may have ended although the wait is the parent's.
            if !self.state.ended.is_set() || self.generation == generation() {
                waited?;
            }
        }
        self.state.awaited.set(true);
        Ok(())
    }

    /// What it returned or threw.
    pub(crate) fn result(&self) -> Result<Zval, Thrown> {
        self.finished()?;
        let outcome = self.state.outcome.borrow();
        match &*outcome {
            Some(Outcome::Returned(value)) => Ok(value.shallow_clone()),
            Some(Outcome::Threw(exception)) => Err(rethrown(exception)),
            Some(Outcome::Exited) => Err(errors::exit()),
            Some(Outcome::Lost) | None => Err(lost()),
        }
    }
}

fn lost() -> Thrown {
    errors::error("the task ended without a result: its fiber was destroyed".into())
}

/// The same exception once more.
fn rethrown(exception: &Zval) -> Thrown {
    match Object::of(exception).map(Object::share) {
        Some(object) => Thrown::Object(object),
        None => errors::error("the task's exception is no object".into()),
    }
}

impl State {
    fn end(&self, outcome: Outcome) {
        if self.ended.is_set() {
            return;
        }
        self.outcome.replace(Some(outcome));
        self.ended.set();
    }

    /// Says what the function threw where nobody waited for it.
    fn report(&self) {
        let outcome = self.outcome.take();
        let Some(Outcome::Threw(exception)) = &outcome else { return };
        let Some(thrown) = Object::of(exception).filter(|_| !self.awaited.get()) else { return };
        let expected = self.cancelled.get() && thrown.is_a(exceptions::CANCELLED.get());
        if !expected {
            errors::warn_of(thrown);
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.report();
    }
}

impl Run for Work {
    fn run(&self) {
        let outcome = match &mut *self.function.borrow_mut() {
            Some(function) => {
                let Function { callable, arguments, named } = function;
                callable.call_named(arguments, named.as_ref())
            }
            None => return,
        };
        // What the function holds goes before anybody hears that it has ended.
        let function = self.function.take();
        drop(function);
        match outcome {
            Ok(value) => self.state.end(Outcome::Returned(value)),
            Err(thrown) => match thrown.catch() {
                Ok(exception) => self.state.end(Outcome::Threw(exception.into_value())),
                Err(pending) => {
                    // Whoever waits for a task that calls `exit()` ends as well.
                    self.state.end(if errors::is_exit() { Outcome::Exited } else { Outcome::Lost });
                    pending.throw();
                }
            },
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.state.end(Outcome::Lost);
    }
}

fn wait_for_result(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    call.this::<Task>()?.result()
}

fn done(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    Ok(call.this::<Task>()?.state.ended.is_set())
}

fn cancel(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let this = call.this::<Task>()?;
    let strand = this.strand.borrow().upgrade();
    if let Some(strand) = strand.filter(|_| !this.state.ended.is_set() && this.generation == generation()) {
        this.state.cancelled.set(true);
        scheduler::scheduler()?.interrupt(&strand, Status::cancelled("the task was cancelled"));
    }
    Ok(())
}
