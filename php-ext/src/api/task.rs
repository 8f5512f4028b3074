//! `Viaduct\Task` and `Viaduct\async()`

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use tokio::sync::Notify;
use viaduct::Status;

use crate::callable::Callable;
use crate::errors::Thrown;
use crate::scheduler::{self, Scheduler, Strand, wait};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::collect::{Collector, Holds};
use crate::zend::object::Object;

/// A function that runs beside its caller.
pub(crate) struct Task {
    state: Rc<State>,
    strand: RefCell<Weak<Strand>>,
}

struct State {
    outcome: RefCell<Option<Result<Zval, Zval>>>,
    ended: Arc<Ended>,
}

/// What those who wait look at. It holds nothing of PHP's.
struct Ended {
    flag: AtomicBool,
    told: Notify,
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
            && let Some(Ok(value) | Err(value)) = &*outcome
        {
            to.see(value);
        }
    }
}

impl Task {
    /// Runs the function until it first waits.
    pub(crate) fn start(
        scheduler: &Rc<Scheduler>,
        function: Callable,
        arguments: Vec<Zval>,
        named: Option<Zval>,
    ) -> Result<Self, Thrown> {
        let ended = Arc::new(Ended { flag: AtomicBool::new(false), told: Notify::new() });
        let state = Rc::new(State { outcome: RefCell::default(), ended });
        let theirs = Rc::clone(&state);
        let job = Box::new(move || {
            let mut arguments = arguments;
            let outcome = function.call_named(&mut arguments, named.as_ref());
            drop((function, arguments, named));
            match outcome {
                Ok(value) => theirs.end(Ok(value)),
                Err(thrown) => match thrown.catch() {
                    Ok(exception) => theirs.end(Err(exception.into_value())),
                    // `exit()`, or the fiber is being destroyed: nobody will wait any more.
                    Err(pending) => pending.throw(),
                },
            }
        });
        let strand = scheduler.spawn(job)?;
        Ok(Self { state, strand: RefCell::new(Rc::downgrade(&strand)) })
    }

    /// Waits for the function to end.
    pub(crate) fn finished(&self) -> Result<(), Thrown> {
        if self.state.ended.is_set() {
            return Ok(());
        }
        let ended = Arc::clone(&self.state.ended);
        wait(&scheduler::scheduler()?, async move { ended.wait().await })
    }

    /// What it returned or threw.
    pub(crate) fn result(&self) -> Result<Zval, Thrown> {
        self.finished()?;
        let outcome = self.state.outcome.borrow();
        match &*outcome {
            Some(Ok(value)) => Ok(value.shallow_clone()),
            Some(Err(exception)) => Err(rethrown(exception)),
            None => Err(crate::errors::error("the task ended without a result".into())),
        }
    }
}

/// The same exception once more.
fn rethrown(exception: &Zval) -> Thrown {
    match Object::of(exception).map(Object::share) {
        Some(object) => Thrown::Object(object),
        None => crate::errors::error("the task's exception is no object".into()),
    }
}

impl State {
    fn end(&self, outcome: Result<Zval, Zval>) {
        self.outcome.replace(Some(outcome));
        self.ended.flag.store(true, Ordering::Release);
        self.ended.told.notify_waiters();
    }
}

impl Ended {
    fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    async fn wait(&self) {
        while !self.is_set() {
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable();
            if !self.is_set() {
                told.await;
            }
        }
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
    if let Some(strand) = strand.filter(|_| !this.state.ended.is_set()) {
        scheduler::scheduler()?.interrupt(&strand, Status::cancelled("the task was cancelled"));
    }
    Ok(())
}
