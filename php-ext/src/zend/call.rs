//! A call from PHP: its arguments, and the way back.

use std::any::Any;
use std::ffi::CString;
use std::marker::PhantomData;
use std::ops::{Deref, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use ext_php_rs::class::RegisteredClass;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{zend_is_callable, zend_wrong_parameters_count_error};
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::{ExecuteData, ce};

use super::exception_pending;
use super::object::Object;
use super::sys::{self, expected};
use crate::errors::{self, Thrown};

/// Makes a function that PHP can call of `fn(Call<'_>) -> Result<impl IntoZval, Thrown>`.
///
/// It is a path, as in `handler!(Channel::unary)` (not `Self::unary`).
macro_rules! handler {
    ($function:path) => {{
        extern "C" fn handler(
            frame: &mut ::ext_php_rs::zend::ExecuteData,
            result: &mut ::ext_php_rs::types::Zval,
        ) {
            $crate::zend::call::enter(frame, result, $function);
        }
        handler
    }};
}
pub(crate) use handler;

/// Runs a function for PHP. A panic becomes an `Error`; a bailout of the engine (a fatal error in
/// PHP code that the function calls) passes over it, as it passes over functions written in C.
pub(crate) fn enter<R: IntoZval>(
    frame: &mut ExecuteData,
    result: &mut Zval,
    function: impl FnOnce(Call<'_>) -> Result<R, Thrown>,
) {
    let call = Call::new(frame);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let value = function(call)?;
        value.set_zval(result, false).map_err(|e| errors::error(format!("cannot return the value: {e}")))
    }));
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(thrown)) => thrown.throw(),
        Err(panic) => errors::error(panic_message(&*panic)).throw(),
    }
}

/// What a panic said, for an exception.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("internal error in the extension grpc (please report it): {text}")
}

/// A call from PHP. It lasts until the function returns, across suspensions of the fiber too.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    // Not `&'a`: the engine converts arguments where they are.
    frame: NonNull<ExecuteData>,
    lifetime: PhantomData<&'a Zval>,
}

impl<'a> Call<'a> {
    /// `frame` as the engine gave it.
    pub(crate) fn new(frame: &'a mut ExecuteData) -> Self {
        Self { frame: NonNull::from(frame), lifetime: PhantomData }
    }

    /// The object whose method is called.
    pub(crate) fn object(self) -> Result<Object<'a>, Thrown> {
        // SAFETY: the frame is live.
        Object::of(unsafe { &(*self.frame.as_ptr()).This })
            .ok_or_else(|| errors::error("the method needs an object".into()))
    }

    /// The Rust side of the object whose method is called.
    pub(crate) fn this<T: RegisteredClass>(self) -> Result<&'a T, Thrown> {
        self.object()?
            .rust::<T>()
            .ok_or_else(|| errors::error(format!("the {} was not constructed", T::CLASS_NAME)))
    }

    /// The arguments, after a look at their number.
    pub(crate) fn arguments(self, range: RangeInclusive<u32>) -> Result<Arguments<'a>, Thrown> {
        if self.named().is_some() {
            // SAFETY: throws, and keeps nothing.
            unsafe { sys::zend_unexpected_extra_named_error() };
            return Err(Thrown::Pending);
        }
        self.numbered(range)
    }

    /// The arguments of a variadic function, at least `least`; and those with names that no
    /// parameter has. Only variadic functions can get such.
    pub(crate) fn variadic(self, least: u32) -> Result<(Arguments<'a>, Option<&'a ZendHashTable>), Thrown> {
        Ok((self.numbered(least..=u32::MAX)?, self.named()))
    }

    fn named(self) -> Option<&'a ZendHashTable> {
        // SAFETY: the frame is live; the table is there where the flag says so.
        unsafe {
            let frame = self.frame.as_ptr();
            if (*frame).This.u1.type_info & sys::CALL_HAS_EXTRA_NAMED_PARAMS == 0 {
                return None;
            }
            (*frame).extra_named_params.as_ref()
        }
    }

    fn numbered(self, range: RangeInclusive<u32>) -> Result<Arguments<'a>, Thrown> {
        // SAFETY: the frame is live, and the union's members are all u32.
        let count = unsafe { (*self.frame.as_ptr()).This.u2.num_args };
        if range.contains(&count) {
            return Ok(Arguments { frame: self.frame, count, lifetime: PhantomData });
        }
        // SAFETY: throws, and keeps nothing.
        unsafe { zend_wrong_parameters_count_error(*range.start(), *range.end()) };
        Err(Thrown::Pending)
    }

    /// For functions without parameters.
    pub(crate) fn no_arguments(self) -> Result<(), Thrown> {
        self.arguments(0..=0).map(drop)
    }
}

/// The arguments of a call, numbered from 0.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a> {
    frame: NonNull<ExecuteData>,
    count: u32,
    lifetime: PhantomData<&'a Zval>,
}

impl<'a> Arguments<'a> {
    /// How many there are.
    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// The argument's place in the frame; `None` where it was not passed.
    fn slot(self, n: u32) -> Option<*mut Zval> {
        // ZEND_CALL_FRAME_SLOT
        const HEAD: usize = size_of::<ExecuteData>().div_ceil(size_of::<Zval>());
        if n >= self.count {
            return None;
        }
        // SAFETY: the arguments follow the frame's head; there are `count`.
        let mut slot = unsafe { self.frame.as_ptr().cast::<Zval>().add(HEAD + n as usize) };
        // SAFETY: as above; a reference holds a value.
        unsafe {
            if let Some(inner) = (*slot).reference_mut() {
                slot = inner;
            }
        }
        Some(slot)
    }

    /// An argument that the signature demands.
    pub(crate) fn get<T: Argument<'a>>(self, n: u32) -> Result<T, Thrown> {
        match self.slot(n) {
            // SAFETY: the slot is live.
            Some(slot) => unsafe { T::read(slot, n + 1) }.map_err(|Refused| refuse::<T>(slot, n + 1, false)),
            None => Err(errors::error(format!("argument {} is missing", n + 1))),
        }
    }

    /// An argument with a default.
    pub(crate) fn get_or<T: Argument<'a>>(self, n: u32, default: T) -> Result<T, Thrown> {
        if n < self.count { self.get(n) } else { Ok(default) }
    }

    /// An argument that may be null, or may be missing and is then null.
    pub(crate) fn nullable<T: Argument<'a>>(self, n: u32) -> Result<Option<T>, Thrown> {
        let Some(slot) = self.slot(n) else { return Ok(None) };
        // SAFETY: the slot is live.
        unsafe {
            if (*slot).is_null() {
                return Ok(None);
            }
            T::read(slot, n + 1).map(Some).map_err(|Refused| refuse::<T>(slot, n + 1, true))
        }
    }
}

fn refuse<'a, T: Argument<'a>>(slot: *mut Zval, number: u32, nullable: bool) -> Thrown {
    if !exception_pending() {
        // SAFETY: the slot is live.
        unsafe { T::refuse(slot, number, nullable) };
    }
    Thrown::Pending
}

/// The argument is not of the type wanted.
#[derive(Debug)]
pub(crate) struct Refused;

/// A type that arguments can have.
pub(crate) trait Argument<'a>: Sized {
    /// Reads, and converts as PHP does.
    ///
    /// # Safety
    ///
    /// `slot` is an argument of the running call, without a reference around it.
    unsafe fn read(slot: *mut Zval, number: u32) -> Result<Self, Refused>;

    /// Throws the TypeError.
    ///
    /// # Safety
    ///
    /// As for `read`.
    unsafe fn refuse(slot: *mut Zval, number: u32, nullable: bool);
}

/// A type that the engine has a word for. The expression reads it; `None` refuses.
macro_rules! engine_type {
    ($type:ty, $expected:expr, |$slot:ident, $number:ident| $read:expr) => {
        impl<'a> Argument<'a> for $type {
            #[inline]
            unsafe fn read($slot: *mut Zval, $number: u32) -> Result<Self, Refused> {
                // SAFETY: the slot is live, as the caller says; what the conversions fill is read
                // only where they say that they filled it.
                let value: Option<Self> = unsafe { $read };
                value.ok_or(Refused)
            }

            #[cold]
            unsafe fn refuse(slot: *mut Zval, number: u32, nullable: bool) {
                // SAFETY: the caller's.
                unsafe {
                    sys::zend_wrong_parameter_type_error(number, $expected + u32::from(nullable), slot)
                };
            }
        }
    };
}

engine_type!(&'a ZendStr, expected::STRING, |slot, number| {
    if (*slot).is_string() {
        (*slot).value.str_.as_ref()
    } else {
        let mut out = ptr::null_mut();
        if sys::zend_parse_arg_str_slow(slot, &raw mut out, number) { out.as_ref() } else { None }
    }
});
engine_type!(&'a [u8], expected::STRING, |slot, number| {
    <&'a ZendStr>::read(slot, number).ok().map(|text| text.as_bytes())
});
engine_type!(i64, expected::LONG, |slot, number| {
    (*slot).long().or_else(|| {
        let mut out = 0;
        sys::zend_parse_arg_long_slow(slot, &raw mut out, number).then_some(out)
    })
});
engine_type!(f64, expected::DOUBLE, |slot, number| {
    (*slot).double().or_else(|| {
        let mut out = 0.0;
        sys::zend_parse_arg_double_slow(slot, &raw mut out, number).then_some(out)
    })
});
engine_type!(bool, expected::BOOL, |slot, number| {
    (*slot).bool().or_else(|| {
        let mut out = false;
        sys::zend_parse_arg_bool_slow(slot, &raw mut out, number).then_some(out)
    })
});
engine_type!(&'a ZendHashTable, expected::ARRAY, |slot, _number| (*slot).array());
engine_type!(Object<'a>, expected::OBJECT, |slot, _number| Object::of(&*slot));
// `mixed`: never refused.
engine_type!(&'a Zval, expected::OBJECT, |slot, _number| slot.as_ref());
engine_type!(Callable<'a>, expected::CALLABLE, |slot, _number| {
    zend_is_callable(slot, 0, ptr::null_mut()).then_some(Callable(&*slot))
});

/// An argument that PHP can call.
pub(crate) struct Callable<'a>(pub(crate) &'a Zval);

/// An argument that is a case of an enum of ours.
pub(crate) struct Case<E>(pub(crate) E);

/// An argument that is an object of a class of ours.
pub(crate) struct Instance<'a, T>(pub(crate) &'a T);

impl<T> Deref for Instance<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

impl<'a, E: RegisteredClass + TryFrom<i64>> Argument<'a> for Case<E> {
    unsafe fn read(slot: *mut Zval, _: u32) -> Result<Self, Refused> {
        // SAFETY: the caller's.
        Object::of(unsafe { &*slot }).and_then(Object::case).map(Case).ok_or(Refused)
    }

    #[cold]
    unsafe fn refuse(slot: *mut Zval, number: u32, nullable: bool) {
        // SAFETY: the caller's.
        unsafe { wrong_class(E::CLASS_NAME, slot, number, nullable) };
    }
}

impl<'a, T: RegisteredClass> Argument<'a> for Instance<'a, T> {
    unsafe fn read(slot: *mut Zval, _: u32) -> Result<Self, Refused> {
        // SAFETY: the caller's; the frame holds the object for 'a.
        let object = Object::of(unsafe { &*slot });
        object.and_then(Object::rust::<T>).map(Instance).ok_or(Refused)
    }

    #[cold]
    unsafe fn refuse(slot: *mut Zval, number: u32, nullable: bool) {
        // SAFETY: the caller's.
        unsafe { wrong_class(T::CLASS_NAME, slot, number, nullable) };
    }
}

/// An argument that is a `\Throwable`.
pub(crate) struct Throwable<'a>(pub(crate) Object<'a>);

impl<'a> Argument<'a> for Throwable<'a> {
    unsafe fn read(slot: *mut Zval, _: u32) -> Result<Self, Refused> {
        // SAFETY: the caller's; the frame holds the object for 'a.
        let object = Object::of(unsafe { &*slot }).filter(|object| object.is_a(ce::throwable()));
        object.map(Throwable).ok_or(Refused)
    }

    #[cold]
    unsafe fn refuse(slot: *mut Zval, number: u32, nullable: bool) {
        // SAFETY: the caller's.
        unsafe { wrong_class("Throwable", slot, number, nullable) };
    }
}

/// # Safety
///
/// `slot` is an argument of the running call.
unsafe fn wrong_class(class: &str, slot: *mut Zval, number: u32, nullable: bool) {
    let class = CString::new(class).unwrap_or_default();
    // SAFETY: the name lives until the function returns, which copies it.
    unsafe {
        if nullable {
            sys::zend_wrong_parameter_class_or_null_error(number, class.as_ptr(), slot);
        } else {
            sys::zend_wrong_parameter_class_error(number, class.as_ptr(), slot);
        }
    }
}
