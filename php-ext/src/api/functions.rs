//! `Viaduct\await()`, `Viaduct\async()`, `Viaduct\delay()`, `Viaduct\shield()`

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::DataType;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, Zval};

use viaduct::Status;
use viaduct::deadline::Deadline;

use super::interfaces::UNARY_CALL_INTERFACE;
use super::range::seconds;
use super::task::Task;
use super::unary_call::UnaryCall;
use crate::callable::Callable;
use crate::errors::{self, Thrown};
use crate::scheduler::{self, Scheduler, Scope, wait};
use crate::zend::call::{self, Call, handler};
use crate::zend::class::Class as _;
use crate::zend::object::{Method, Object};
use crate::zend::type_name;

/// The argument of `async()` that its function does not get.
const DETACHED: &str = "detached";

/// The functions of the namespace.
pub(crate) fn functions() -> Vec<FunctionBuilder<'static>> {
    vec![
        FunctionBuilder::new("Viaduct\\await", handler!(await_all))
            .arg(
                Arg::new("awaitables", DataType::object("Viaduct\\UnaryCallInterface|Viaduct\\Task"))
                    .is_variadic(),
            )
            .returns(DataType::Array, false, false),
        FunctionBuilder::new("Viaduct\\async", handler!(start))
            .arg(Arg::new("function", DataType::Callable))
            .arg(Arg::new("arguments", DataType::Mixed).is_variadic())
            // The last one is variadic and does not count.
            .required_args(2)
            .returns(DataType::object("Viaduct\\Task"), false, false),
        FunctionBuilder::new("Viaduct\\delay", handler!(delay))
            .arg(Arg::new("seconds", DataType::Double))
            .returns(DataType::Void, false, false),
        FunctionBuilder::new("Viaduct\\shield", handler!(shield))
            .arg(Arg::new("function", DataType::Callable))
            .arg(Arg::new("timeout", DataType::Double).default("5.0"))
            .required_args(1)
            .returns(DataType::Mixed, false, false),
    ]
}

fn await_all(call: Call<'_>) -> Result<ZBox<ZendHashTable>, Thrown> {
    enum Awaitable<'a> {
        Call(&'a UnaryCall),
        Task(&'a Task),
        /// A call of somebody else's: a test's.
        Other(Object<'a>, Method),
    }
    let a = call.arguments(0..=u32::MAX)?;
    let nth = |n| {
        let value: &Zval = a.get(n)?;
        let object = Object::of(value);
        let call = object.and_then(Object::rust::<UnaryCall>).map(Awaitable::Call);
        let task = || object.and_then(Object::rust::<Task>).map(Awaitable::Task);
        let other = || {
            let object = object.filter(|object| object.is_a(UNARY_CALL_INTERFACE.0()))?;
            Some(Awaitable::Other(object, Method::find(object.class(), "wait")?))
        };
        call.or_else(task).or_else(other).ok_or_else(|| {
            errors::type_error(format!(
                "Viaduct\\await(): Argument #{} must be of type Viaduct\\UnaryCallInterface|Viaduct\\Task, {} given",
                n + 1,
                type_name(value)
            ))
        })
    };
    for n in 0..a.count() {
        nth(n)?;
    }
    // All run meanwhile: it does not matter which is waited for first.
    for n in 0..a.count() {
        match nth(n)? {
            Awaitable::Call(call) => drop(call.outcome()?),
            Awaitable::Task(task) => task.finished()?,
            Awaitable::Other(..) => {}
        }
    }
    let mut results = ZendHashTable::with_capacity(a.count());
    for n in 0..a.count() {
        let value = match nth(n)? {
            Awaitable::Call(call) => call.response()?,
            Awaitable::Task(task) => task.result()?,
            Awaitable::Other(call, wait) => wait.call(call, &mut [])?,
        };
        results.push(value).map_err(|e| errors::error(e.to_string()))?;
    }
    Ok(results)
}

fn start(call: Call<'_>) -> Result<ZBox<ZendClassObject<Task>>, Thrown> {
    let (a, named) = call.variadic(1)?;
    let function: call::Callable<'_> = a.get(0)?;
    let Some(function) = Callable::new(function.0) else {
        return Err(errors::invalid_argument("function cannot be called"));
    };
    let arguments =
        (1..a.count()).map(|n| a.get::<&Zval>(n).map(Zval::shallow_clone)).collect::<Result<Vec<_>, _>>()?;
    let (named, detached) = named.map(named_arguments).transpose()?.unwrap_or_default();
    Ok(Task::start(&scheduler::scheduler()?, function, arguments, named, detached)?.into_object())
}

/// The named arguments that are the function's, and `detached`, which is not.
fn named_arguments(table: &ZendHashTable) -> Result<(Option<Zval>, bool), Thrown> {
    let mut theirs = table.to_owned();
    let detached = match table.get(DETACHED) {
        None => false,
        Some(value) => {
            theirs.remove(DETACHED);
            value.dereference().bool().ok_or_else(|| {
                errors::type_error(format!(
                    "Viaduct\\async(): Argument $detached must be of type bool, {} given",
                    type_name(value)
                ))
            })?
        }
    };
    if theirs.is_empty() {
        return Ok((None, detached));
    }
    let mut named = Zval::new();
    named.set_hashtable(theirs);
    Ok((Some(named), detached))
}

/// What runs under `shield()`: nothing but its own time ends it.
struct Shielded(Deadline);

impl Scope for Shielded {
    fn deadline(&self) -> Option<Deadline> {
        Some(self.0)
    }

    fn cancelled(&self) -> Pin<Box<dyn Future<Output = Status>>> {
        let until = self.0.instant();
        Box::pin(async move {
            tokio::time::sleep_until(until.into()).await;
            Status::deadline_exceeded("the time of Viaduct\\shield() is over")
        })
    }
}

/// Puts the scope back that was there before.
struct Restore {
    scheduler: Rc<Scheduler>,
    scope: Option<Rc<dyn Scope>>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        let ours = self.scheduler.set_scope(self.scope.take());
        drop(ours);
    }
}

fn shield(call: Call<'_>) -> Result<Zval, Thrown> {
    let a = call.arguments(1..=2)?;
    let function: call::Callable<'_> = a.get(0)?;
    let timeout: Duration = seconds("timeout", a.get_or(1, 5.0)?)?;
    let Some(function) = Callable::new(function.0) else {
        return Err(errors::invalid_argument("function cannot be called"));
    };
    let scheduler = scheduler::scheduler()?;
    let scope = scheduler.set_scope(Some(Rc::new(Shielded(Deadline::after(timeout)))));
    let _restore = Restore { scheduler, scope };
    function.call(&mut [])
}

fn delay(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let span: Duration = seconds("seconds", a.get(0)?)?;
    wait(&scheduler::scheduler()?, async move { tokio::time::sleep(span).await })
}
