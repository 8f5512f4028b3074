//! `Grpc\Timeval`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendClassObject, Zval};
use viaduct::deadline::Deadline;

use super::exceptions::{expecting, invalid_argument};
use crate::errors::Thrown;
use crate::scheduler::{self, wait};
use crate::zend::call::{Call, Instance, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};

/// The infinities, at which calculations saturate.
const FUTURE: i64 = i64::MAX;
const PAST: i64 = i64::MIN;

/// A span, or a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeval {
    micros: i64,
    /// Whether it is a span. Points in time count from 1970.
    span: bool,
}

rust_class!(Timeval, "Grpc\\Timeval");

impl Timeval {
    /// A point in time, in microseconds since 1970.
    pub(crate) fn at(micros: i64) -> Self {
        Self { micros, span: false }
    }

    /// The point in time that a deadline is; none is the infinite future.
    pub(crate) fn of_deadline(deadline: Option<Deadline>) -> Self {
        let Some(deadline) = deadline else { return Self::at(FUTURE) };
        let left = i64::try_from(deadline.remaining().as_micros()).unwrap_or(FUTURE);
        Self::now().add(Self { micros: left, span: true })
    }

    /// Now, by the system's clock.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(i64::try_from(since.as_micros()).unwrap_or(FUTURE))
    }

    /// The number of microseconds; the least and the greatest number are the infinities.
    pub(crate) fn micros(&self) -> i64 {
        self.micros
    }

    /// How long it is until then: nothing for what has passed, `None` for the infinite future. A span
    /// begins now, as in the official extension.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        if self.micros == FUTURE {
            return None;
        }
        let left = if self.span { self.micros } else { self.micros.saturating_sub(Self::now().micros) };
        Some(Duration::from_micros(u64::try_from(left).unwrap_or(0)))
    }

    /// The deadline of a call or a wait; `None` for the infinite future.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.remaining().map(Deadline::after)
    }

    fn is_infinite(self) -> bool {
        self.micros == FUTURE || self.micros == PAST
    }

    fn add(self, other: Self) -> Self {
        let span = self.span && other.span;
        let micros = match (self.is_infinite(), other.is_infinite()) {
            (true, _) => self.micros,
            (false, true) => other.micros,
            (false, false) => self.micros.saturating_add(other.micros),
        };
        Self { micros, span }
    }

    fn subtract(self, other: Self) -> Self {
        let micros = match (self.is_infinite(), other.micros) {
            (true, _) => self.micros,
            (false, FUTURE) => PAST,
            (false, PAST) => FUTURE,
            (false, micros) => self.micros.saturating_sub(micros),
        };
        // Between two points in time there is a span.
        Self { micros, span: self.span || !other.span }
    }

    /// Whether two are not further than `threshold` from each other.
    fn similar(self, other: Self, threshold: Self) -> bool {
        if self.is_infinite() || other.is_infinite() {
            return self.micros == other.micros;
        }
        threshold.micros == FUTURE
            || i64::try_from(self.micros.abs_diff(other.micros)).is_ok_and(|apart| apart <= threshold.micros)
    }
}

impl Class for Timeval {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;
    const FLAGS: ClassFlags = OPEN;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        constructor.arg(untyped("microseconds"))
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        const EXPECTED: &str = "Timeval expects a long or double";
        let read = || {
            let a = call.arguments(1..=1)?;
            let value: &Zval = a.get(0)?;
            match value.long() {
                Some(whole) => Ok(whole),
                None => a.get::<f64>(0).and_then(|n| whole(n).ok_or_else(|| invalid_argument(EXPECTED))),
            }
        };
        Ok(Self { micros: expecting(EXPECTED, read())?, span: true })
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        let on_class = MethodFlags::Public | MethodFlags::Static;
        vec![
            (FunctionBuilder::new("add", handler!(add)).arg(untyped("timeval")), public),
            (
                FunctionBuilder::new("compare", handler!(compare))
                    .arg(untyped("a_timeval"))
                    .arg(untyped("b_timeval")),
                on_class,
            ),
            (FunctionBuilder::new("infFuture", handler!(inf_future)), on_class),
            (FunctionBuilder::new("infPast", handler!(inf_past)), on_class),
            (FunctionBuilder::new("now", handler!(now)), on_class),
            (
                FunctionBuilder::new("similar", handler!(similar))
                    .arg(untyped("a_timeval"))
                    .arg(untyped("b_timeval"))
                    .arg(untyped("threshold_timeval")),
                on_class,
            ),
            (FunctionBuilder::new("sleepUntil", handler!(sleep_until)), public),
            (FunctionBuilder::new("subtract", handler!(subtract)).arg(untyped("timeval")), public),
            (FunctionBuilder::new("zero", handler!(zero)), on_class),
        ]
    }
}

type Object = ZBox<ZendClassObject<Timeval>>;

/// Cuts the fraction off. What is beyond the numbers is infinite.
#[allow(clippy::cast_possible_truncation)] // `as` saturates, and that is wanted
fn whole(n: f64) -> Option<i64> {
    (!n.is_nan()).then_some(n as i64)
}

fn others<const N: usize>(call: Call<'_>, expected: &str) -> Result<[Timeval; N], Thrown> {
    let read = || {
        let count = u32::try_from(N).unwrap_or(0);
        let a = call.arguments(count..=count)?;
        let mut all = [Timeval::at(0); N];
        for (n, one) in (0..).zip(&mut all) {
            *one = *a.get::<Instance<'_, Timeval>>(n)?;
        }
        Ok(all)
    };
    expecting(expected, read())
}

fn add(call: Call<'_>) -> Result<Object, Thrown> {
    let [other] = others(call, "add expects a Timeval")?;
    Ok(call.this::<Timeval>()?.add(other).into_object())
}

fn subtract(call: Call<'_>) -> Result<Object, Thrown> {
    let [other] = others(call, "subtract expects a Timeval")?;
    Ok(call.this::<Timeval>()?.subtract(other).into_object())
}

fn compare(call: Call<'_>) -> Result<i64, Thrown> {
    let [a, b] = others(call, "compare expects two Timevals")?;
    Ok(a.micros().cmp(&b.micros()) as i64)
}

fn similar(call: Call<'_>) -> Result<bool, Thrown> {
    let [a, b, threshold] = others(call, "compare expects three Timevals")?;
    Ok(a.similar(b, threshold))
}

fn now(call: Call<'_>) -> Result<Object, Thrown> {
    call.no_arguments()?;
    Ok(Timeval::now().into_object())
}

fn zero(call: Call<'_>) -> Result<Object, Thrown> {
    call.no_arguments()?;
    Ok(Timeval::at(0).into_object())
}

fn inf_future(call: Call<'_>) -> Result<Object, Thrown> {
    call.no_arguments()?;
    Ok(Timeval::at(FUTURE).into_object())
}

fn inf_past(call: Call<'_>) -> Result<Object, Thrown> {
    call.no_arguments()?;
    Ok(Timeval::at(PAST).into_object())
}

fn sleep_until(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let Some(left) = call.this::<Timeval>()?.remaining() else {
        return wait(&scheduler::scheduler()?, std::future::pending());
    };
    match scheduler::running() {
        // Calls go on meanwhile.
        Some(scheduler) => wait(&scheduler, async move { tokio::time::sleep(left).await }),
        None => {
            std::thread::sleep(left);
            Ok(())
        }
    }
}
