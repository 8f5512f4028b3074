//! Values of PHP that Rust data holds, shown to PHP's cycle collector.
//!
//! The collector finds what an object refers to through its handlers, and those of ext-php-rs show
//! declared properties only. An exception that a task ended with leads through its trace back to the
//! task: without this, such circles would stay until the request ends.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Once;

use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, Zval};

use super::class::Class;

/// A class whose Rust data holds one value of PHP.
pub(crate) trait Holds: Class {
    /// Where the value is; it stays there while no PHP code runs. `None` while there is none.
    fn held(&self) -> Option<NonNull<Zval>>;
}

/// Shows the collector what objects of `T` hold. To be called before PHP sees the first of them.
pub(crate) fn install<T: Holds>(installed: &Once) {
    installed.call_once(|| {
        let handlers = ptr::from_ref(T::get_metadata().handlers()).cast_mut();
        // SAFETY: ext-php-rs knows its objects by the address of these handlers, so there is no way but
        // to write there. They are in a cell, live as long as the process, and only the engine reads
        // this field, once there is an object.
        unsafe { ptr::write_volatile(&raw mut (*handlers).get_gc, Some(get_gc::<T>)) };
    });
}

/// # Safety
///
/// The engine's: `object` is one of `T`'s class, and the two places can be written.
unsafe extern "C" fn get_gc<T: Holds>(
    object: *mut ZendObject,
    table: *mut *mut Zval,
    count: *mut c_int,
) -> *mut ZendHashTable {
    // SAFETY: the class is final and has no properties: what the object refers to is in its Rust data.
    let held = unsafe { object.as_ref() }
        .and_then(ZendClassObject::<T>::from_zend_obj)
        .and_then(|object| object.obj.as_ref())
        .and_then(|this| catch_unwind(AssertUnwindSafe(|| this.held())).ok().flatten());
    // SAFETY: the engine's places.
    unsafe {
        *table = held.map_or(ptr::null_mut(), NonNull::as_ptr);
        *count = c_int::from(held.is_some());
    }
    ptr::null_mut()
}
