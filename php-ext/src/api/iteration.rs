//! What all classes that yield messages have in common: `receive()` and the five methods of `\Iterator`.

use std::cell::{Cell, RefCell};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, Zval};
use ext_php_rs::zend::ExecuteData;

use crate::errors::{self, Thrown};
use crate::zend::call::Call;
use crate::zend::class::Class;
use crate::zend::iterator::{self, Installed};

/// Where an iterator stands.
#[derive(Default)]
pub(crate) struct Iteration {
    /// The message that it stands on, once somebody has asked for it.
    current: RefCell<Option<Zval>>,
    /// Whether `current()` has shown it: then `receive()` goes on to the one after it.
    seen: Cell<bool>,
    /// Whether `receive()` has left the message that the iterator stood on: the loop's `next()` is done by that.
    left: Cell<bool>,
    key: Cell<i64>,
    /// Whether a loop has gone past a message.
    passed: Cell<bool>,
}

impl Iteration {
    pub(crate) fn key(&self) -> i64 {
        self.key.get()
    }

    /// Where the loaded message is, for the engine to copy; null where there is none.
    pub(crate) fn current_ptr(&self) -> *mut Zval {
        // SAFETY: nothing borrows it while the engine looks; this thread does nothing else meanwhile.
        match unsafe { &mut *self.current.as_ptr() } {
            Some(message) => message,
            None => std::ptr::null_mut(),
        }
    }

    /// The message is shown to a loop.
    pub(crate) fn show(&self) {
        self.seen.set(true);
        self.left.set(false);
    }

    pub(crate) fn check_rewind(&self) -> Result<(), Thrown> {
        if self.passed.get() {
            return Err(errors::logic("a stream cannot be rewound: a loop has gone past its first message"));
        }
        Ok(())
    }
}

/// A class whose objects yield messages.
pub(crate) trait HasMessages: Class {
    /// The object whose method is called.
    fn of<'a>(call: Call<'a>) -> Result<&'a Self, Thrown>;

    /// Where its iterator stands.
    fn iteration(&self) -> &Iteration;

    /// The next message; `None` at the end.
    fn receive(&self) -> Result<Option<Zval>, Thrown>;

    /// A PHP object around it, which `foreach` walks natively.
    fn into_iterator(self) -> ZBox<ZendClassObject<Self>> {
        iterator::install::<Self>(Self::installed());
        self.into_object()
    }

    /// The class' mark: `static` in the implementation.
    fn installed() -> &'static Installed;

    /// Passes over the message that the iterator stands on, unless `receive()` has done so.
    fn advance(&self) -> Result<(), Thrown> {
        let at = self.iteration();
        if at.left.replace(false) {
            at.passed.set(true);
        } else if self.load()? {
            at.passed.set(true);
            // The message's destructor may run PHP code.
            drop(self.leave());
        }
        Ok(())
    }

    /// Loads the message that the iterator stands on. `false` at the end.
    fn load(&self) -> Result<bool, Thrown> {
        let at = self.iteration();
        if at.current.borrow().is_some() {
            return Ok(true);
        }
        let message = self.receive()?;
        let found = message.is_some();
        at.seen.set(false);
        at.current.replace(message);
        Ok(found)
    }

    /// Leaves the message that the iterator stands on, and returns it.
    fn leave(&self) -> Option<Zval> {
        let at = self.iteration();
        let message = at.current.take()?;
        at.key.set(at.key.get() + 1);
        Some(message)
    }
}

/// The methods: `iterator_methods!(ServerStream)`.
macro_rules! iterator_methods {
    ($type:ty) => {{
        use $crate::api::iteration::{self, method};
        vec![
            method("receive", handler!(iteration::receive::<$type>), DataType::Mixed, false),
            method("current", handler!(iteration::current::<$type>), DataType::Mixed, false),
            method("next", handler!(iteration::next::<$type>), DataType::Void, false),
            method("key", handler!(iteration::key::<$type>), DataType::Long, false),
            method("valid", handler!(iteration::valid::<$type>), DataType::Bool, false),
            method("rewind", handler!(iteration::rewind::<$type>), DataType::Void, false),
        ]
    }};
}
pub(super) use iterator_methods;

/// A public method without parameters.
pub(super) fn method(
    name: &'static str,
    handler: extern "C" fn(&mut ExecuteData, &mut Zval),
    of: DataType,
    nullable: bool,
) -> (FunctionBuilder<'static>, MethodFlags) {
    (FunctionBuilder::new(name, handler).returns(of, false, nullable), MethodFlags::Public)
}

fn null() -> Zval {
    let mut value = Zval::new();
    value.set_null();
    value
}

pub(super) fn receive<T: HasMessages>(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = T::of(call)?;
    let at = this.iteration();
    let seen = at.seen.get();
    let loaded = this.leave();
    if loaded.is_some() {
        at.left.set(true);
    }
    if let Some(unseen) = loaded.filter(|_| !seen) {
        return Ok(unseen);
    }
    let message = this.receive()?;
    if message.is_some() {
        at.key.set(at.key.get() + 1);
    }
    Ok(message.unwrap_or_else(null))
}

pub(super) fn current<T: HasMessages>(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = T::of(call)?;
    if !this.load()? {
        return Ok(null());
    }
    let at = this.iteration();
    at.show();
    Ok(at.current.borrow().as_ref().map_or_else(null, Zval::shallow_clone))
}

pub(super) fn next<T: HasMessages>(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    T::of(call)?.advance()
}

pub(super) fn key<T: HasMessages>(call: Call<'_>) -> Result<i64, Thrown> {
    call.no_arguments()?;
    Ok(T::of(call)?.iteration().key.get())
}

pub(super) fn valid<T: HasMessages>(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    T::of(call)?.load()
}

pub(super) fn rewind<T: HasMessages>(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    T::of(call)?.iteration().check_rewind()
}
