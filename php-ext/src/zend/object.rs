//! Objects: making them, their properties and methods.

use std::ptr::{self, NonNull};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::class::RegisteredClass;
use ext_php_rs::ffi::{
    IS_OBJECT_EX, ZEND_ACC_ABSTRACT, ZEND_ACC_PUBLIC, ZEND_ACC_STATIC, zend_call_known_function,
    zend_function, zend_hash_str_find, zend_read_property,
};
use ext_php_rs::types::{ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;

use super::{exception_pending, sys};
use crate::errors::Thrown;

/// A new object of a class; its constructor is not called.
pub(crate) fn instantiate(class: &'static ClassEntry) -> Result<ZBox<ZendObject>, Thrown> {
    let mut value = Zval::new();
    // SAFETY: the class entry is live; the engine initializes `value`.
    unsafe {
        sys::object_init_ex(&raw mut value, ptr::from_ref(class).cast_mut());
    }
    match take_object(value) {
        Some(object) if !exception_pending() => Ok(object),
        _ => Err(Thrown::Pending),
    }
}

/// The object out of a value, with the value's reference to it.
pub(crate) fn take_object(mut value: Zval) -> Option<ZBox<ZendObject>> {
    let object: *mut ZendObject = value.object_mut()?;
    // The value's reference becomes the box's.
    std::mem::forget(value);
    // SAFETY: just read from a value that held it.
    Some(unsafe { ZBox::from_raw(object) })
}

/// A value that holds the object, with the box's reference to it.
pub(crate) fn into_value(object: ZBox<ZendObject>) -> Zval {
    let mut value = Zval::new();
    value.value.obj = object.into_raw();
    value.u1.type_info = IS_OBJECT_EX;
    value
}

/// Writes a property, as code of the class `scope` would.
///
/// An object is shared, as PHP has it: no borrow of its Rust data or properties may be held.
pub(crate) fn write(scope: &'static ClassEntry, object: &ZendObject, name: &str, mut value: Zval) {
    // SAFETY: all pointers are live; the engine takes references of its own.
    unsafe {
        sys::zend_update_property(
            ptr::from_ref(scope).cast_mut(),
            ptr::from_ref(object).cast_mut(),
            name.as_ptr().cast(),
            name.len(),
            &raw mut value,
        );
    }
}

/// Reads a property, as code of the class `scope` would; null where it has no value.
pub(crate) fn read(scope: &'static ClassEntry, object: &ZendObject, name: &str) -> Zval {
    let mut temporary = Zval::new();
    // SAFETY: all pointers are live; what comes back is copied before anything else happens.
    unsafe {
        let value = zend_read_property(
            ptr::from_ref(scope).cast_mut(),
            ptr::from_ref(object).cast_mut(),
            name.as_ptr().cast(),
            name.len(),
            true,
            &raw mut temporary,
        );
        value.as_ref().map_or_else(Zval::null, |value| value.dereference().shallow_clone())
    }
}

/// A method that can be called on objects of a class.
#[derive(Clone, Copy)]
pub(crate) struct Method(NonNull<zend_function>);

impl Method {
    /// The public method of that name (in lower case), if the class has it.
    pub(crate) fn find(class: &ClassEntry, lower_name: &str) -> Option<Self> {
        // SAFETY: the function table of a live class holds pointers to functions.
        unsafe {
            let entry = zend_hash_str_find(
                &raw const class.function_table,
                lower_name.as_ptr().cast(),
                lower_name.len(),
            );
            let function = NonNull::new(entry.as_ref()?.value.func)?;
            Self::callable(function)
        }
    }

    /// The constructor, if the class has one that anybody may call. The outer `None`: it is private.
    pub(crate) fn constructor(class: &ClassEntry) -> Option<Option<Self>> {
        match NonNull::new(class.constructor) {
            None => Some(None),
            // SAFETY: as in `find`.
            Some(function) => unsafe { Self::callable(function) }.map(Some),
        }
    }

    /// # Safety
    ///
    /// The function must be live.
    unsafe fn callable(function: NonNull<zend_function>) -> Option<Self> {
        // SAFETY: every kind of function begins with the common part.
        let flags = unsafe { (*function.as_ptr()).common.fn_flags };
        let callable = flags & (ZEND_ACC_PUBLIC | ZEND_ACC_STATIC | ZEND_ACC_ABSTRACT) == ZEND_ACC_PUBLIC;
        callable.then_some(Self(function))
    }

    /// Calls the method. No borrow of Rust data that PHP code could reach may be held meanwhile.
    pub(crate) fn call(self, object: &ZendObject, arguments: &mut [Zval]) -> Result<Zval, Thrown> {
        // What is called may drop the last reference that others hold.
        let _held = share(object);
        let mut result = Zval::new();
        // SAFETY: the function belongs to the object's class or a parent of it; the arguments live
        // until it returns, and the engine copies what it keeps.
        unsafe {
            zend_call_known_function(
                self.0.as_ptr(),
                ptr::from_ref(object).cast_mut(),
                object.ce,
                &raw mut result,
                u32::try_from(arguments.len()).unwrap_or(0),
                arguments.as_mut_ptr(),
                ptr::null_mut(),
            );
        }
        if exception_pending() { Err(Thrown::Pending) } else { Ok(result) }
    }
}

/// The case of an int-backed enum that an object is.
pub(crate) fn case_of<E: RegisteredClass + TryFrom<i64>>(object: &ZendObject) -> Option<E> {
    if !ptr::eq(object.ce, E::get_metadata().ce()) {
        return None;
    }
    // SAFETY: a case of a backed enum has two properties, `name` and `value`, in this order. (The
    // way through `ZendObject::get_properties` builds a hash table for each case.)
    let value = unsafe { &*object.properties_table.as_ptr().add(1) };
    E::try_from(value.long()?).ok()
}

/// A value that holds a further reference to the object.
pub(crate) fn share(object: &ZendObject) -> Zval {
    let raw = ptr::from_ref(object).cast_mut();
    let mut value = Zval::new();
    // SAFETY: only the reference count is written, which every holder may do on this thread.
    unsafe { (*raw).gc.refcount += 1 };
    value.value.obj = raw;
    value.u1.type_info = IS_OBJECT_EX;
    value
}
