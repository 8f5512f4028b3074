//! Values of PHP that Rust data holds, shown to PHP's cycle collector.
//!
//! The collector finds what an object refers to through its handlers, and those of ext-php-rs show
//! declared properties only. An exception that a task ended with leads through its trace back to the
//! task, a plugin of call credentials to the object that holds them: without this, such circles would
//! stay until the request ends.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, Zval};

use super::class::Class;

/// A class whose Rust data holds values of PHP.
pub(crate) trait Holds: Class {
    /// Shows the values that this object has a reference of its own to, each once. What several objects
    /// share must not be shown by any of them: the collector counts.
    fn show(&self, to: &mut Collector<'_>);
}

/// Who is shown values.
pub(crate) struct Collector<'a>(&'a mut Vec<ManuallyDrop<Zval>>);

impl Collector<'_> {
    /// One value.
    pub(crate) fn see(&mut self, value: &Zval) {
        // SAFETY: a copy of the bits, that is never dropped and only looked at while the value is there.
        self.0.push(ManuallyDrop::new(unsafe { ptr::read(value) }));
    }
}

thread_local! {
    /// What the engine is given. It takes all out before it asks the next object, and has one such buffer
    /// itself for all classes of its own.
    static BUFFER: UnsafeCell<Vec<ManuallyDrop<Zval>>> = const { UnsafeCell::new(Vec::new()) };
}

/// Shows the collector what objects of `T` hold. To be called when the class is registered.
pub(crate) fn install<T: Holds>() {
    let handlers = ptr::from_ref(T::get_metadata().handlers()).cast_mut();
    // SAFETY: ext-php-rs knows its objects by the address of these handlers, so there is no way but
    // to write there. They are in a cell, live as long as the process, and only the engine reads
    // this field, once there is an object.
    unsafe { ptr::write_volatile(&raw mut (*handlers).get_gc, Some(get_gc::<T>)) };
}

/// # Safety
///
/// The engine's: `object` is one of `T`'s class or of one that extends it, and the two places can be written.
unsafe extern "C" fn get_gc<T: Holds>(
    object: *mut ZendObject,
    table: *mut *mut Zval,
    count: *mut c_int,
) -> *mut ZendHashTable {
    BUFFER.with(|buffer| {
        // SAFETY: the collector runs no PHP code while it asks, so nobody else is here.
        let buffer = unsafe { &mut *buffer.get() };
        buffer.clear();
        let mut shown = Collector(buffer);
        // SAFETY: the engine's object is live. Declared properties stand behind it, unless they have moved
        // into the table.
        let properties = unsafe {
            let properties = (*object).properties;
            if properties.is_null() {
                let first = (&raw const (*object).properties_table).cast::<Zval>();
                for n in 0..usize::try_from((*(*object).ce).default_properties_count).unwrap_or(0) {
                    shown.see(&*first.add(n));
                }
            }
            properties
        };
        // SAFETY: as above. An object whose constructor never ran has no Rust side.
        let this = unsafe { object.as_ref() }
            .and_then(ZendClassObject::<T>::from_zend_obj)
            .and_then(|object| object.obj.as_ref());
        if let Some(this) = this {
            let _ = catch_unwind(AssertUnwindSafe(|| this.show(&mut shown)));
        }
        // SAFETY: the engine's places. A ManuallyDrop is what it holds.
        unsafe {
            *table = buffer.as_mut_ptr().cast();
            *count = c_int::try_from(buffer.len()).unwrap_or(0);
        }
        properties
    })
}
