//! `foreach` over objects of ours, without calling their PHP methods.
//!
//! The engine walks an object of a class that implements `\Iterator` by calling `valid()`, `current()`
//! and `next()` for every element. That is what a message costs most. An internal class may give the
//! engine functions instead, and those are called directly.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use ext_php_rs::ffi::{
    zend_class_entry, zend_object_iterator, zend_object_iterator_funcs, zend_throw_error, zval,
};
use ext_php_rs::types::Zval;

use super::call::panic_message;
use super::object::Object;
use crate::api::iteration::HasMessages;
use crate::errors::{self, Thrown};

unsafe extern "C" {
    fn zend_iterator_init(iterator: *mut zend_object_iterator);
    fn _emalloc(size: usize) -> *mut std::ffi::c_void;
}

/// Where a class remembers that its `foreach` is native.
#[derive(Debug)]
pub(crate) struct Installed(AtomicBool);

impl Installed {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }
}

/// Makes `foreach` over objects of `T` native. To be called before PHP sees the first of them.
pub(crate) fn install<T: HasMessages>(installed: &Installed) {
    if !installed.0.swap(true, Ordering::AcqRel) {
        let class = ptr::from_ref(T::get_metadata().ce()).cast_mut();
        // SAFETY: the class is ours and lives as long as the process. Nobody walks an object of it
        // before there is one.
        unsafe { ptr::write_volatile(&raw mut (*class).get_iterator, Some(get_iterator::<T>)) };
    }
}

/// The engine's iterator, with the object's Rust side at hand.
#[repr(C)]
struct Walk<T> {
    base: zend_object_iterator,
    /// Lives as long as `base.data`, which holds the object.
    this: *const T,
}

struct Functions<T>(PhantomData<T>);

impl<T: HasMessages> Functions<T> {
    const TABLE: &'static zend_object_iterator_funcs = &zend_object_iterator_funcs {
        dtor: Some(release),
        valid: Some(valid::<T>),
        get_current_data: Some(current::<T>),
        get_current_key: Some(key::<T>),
        move_forward: Some(forward::<T>),
        rewind: Some(rewind::<T>),
        invalidate_current: None,
        get_gc: None,
    };
}

/// # Safety
///
/// The engine's: `object` is one of `T`'s class.
unsafe extern "C" fn get_iterator<T: HasMessages>(
    _: *mut zend_class_entry,
    object: *mut zval,
    by_ref: i32,
) -> *mut zend_object_iterator {
    if by_ref != 0 {
        let text = c"An iterator cannot be used with foreach by reference";
        // SAFETY: the text has no format characters.
        unsafe { zend_throw_error(ptr::null_mut(), text.as_ptr()) };
        return ptr::null_mut();
    }
    // SAFETY: the engine gives a live object; the iterator is allocated as the engine frees it, and
    // each of its fields is written before it is read.
    unsafe {
        let Some(object) = Object::of(&*object) else { return ptr::null_mut() };
        let Some(this) = object.rust::<T>() else {
            errors::error(format!("the {} was not constructed", T::CLASS_NAME)).throw();
            return ptr::null_mut();
        };
        let walk = _emalloc(size_of::<Walk<T>>()).cast::<Walk<T>>();
        zend_iterator_init(&raw mut (*walk).base);
        (&raw mut (*walk).base.data).write(object.share().into_value());
        (*walk).base.funcs = Functions::<T>::TABLE;
        (*walk).this = this;
        walk.cast()
    }
}

/// # Safety
///
/// The engine's: the iterator is one that `get_iterator` made.
unsafe extern "C" fn release(iterator: *mut zend_object_iterator) {
    // SAFETY: written by `get_iterator`, and not used after this.
    unsafe { ptr::drop_in_place(&raw mut (*iterator).data) };
}

/// Runs a step; what it throws is thrown, and a panic too.
///
/// # Safety
///
/// As for `release`.
unsafe fn step<T: HasMessages, R>(
    iterator: *mut zend_object_iterator,
    otherwise: R,
    work: impl FnOnce(&T) -> Result<R, Thrown>,
) -> R {
    // SAFETY: `data` holds the object meanwhile.
    let this = unsafe { &*(*iterator.cast::<Walk<T>>()).this };
    match catch_unwind(AssertUnwindSafe(|| work(this))) {
        Ok(Ok(value)) => value,
        Ok(Err(thrown)) => {
            thrown.throw();
            otherwise
        }
        Err(panic) => {
            errors::error(panic_message(&*panic)).throw();
            otherwise
        }
    }
}

const SUCCESS: i32 = 0;
const FAILURE: i32 = -1;

unsafe extern "C" fn valid<T: HasMessages>(iterator: *mut zend_object_iterator) -> i32 {
    // SAFETY: the engine's.
    unsafe { step(iterator, FAILURE, |this: &T| Ok(if this.load()? { SUCCESS } else { FAILURE })) }
}

unsafe extern "C" fn current<T: HasMessages>(iterator: *mut zend_object_iterator) -> *mut zval {
    // SAFETY: the engine's. It copies the value before it does anything else.
    unsafe {
        step(iterator, ptr::null_mut(), |this: &T| {
            this.load()?;
            this.iteration().show();
            Ok(this.iteration().current_ptr())
        })
    }
}

unsafe extern "C" fn key<T: HasMessages>(iterator: *mut zend_object_iterator, key: *mut zval) {
    // SAFETY: the engine's; `key` has no value yet.
    unsafe {
        step(iterator, (), |this: &T| {
            let mut number = Zval::new();
            number.set_long(this.iteration().key());
            key.write(number);
            Ok(())
        });
    }
}

unsafe extern "C" fn forward<T: HasMessages>(iterator: *mut zend_object_iterator) {
    // SAFETY: the engine's.
    unsafe { step(iterator, (), |this: &T| this.advance()) };
}

unsafe extern "C" fn rewind<T: HasMessages>(iterator: *mut zend_object_iterator) {
    // SAFETY: the engine's.
    unsafe { step(iterator, (), |this: &T| this.iteration().check_rewind()) };
}
