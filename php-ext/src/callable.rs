//! Callables of PHP, looked up once and called often.

use std::mem::MaybeUninit;
use std::ptr;

use ext_php_rs::ffi::{
    _call_user_function_impl, ZEND_ACC_CALL_VIA_TRAMPOLINE, zend_call_known_function, zend_fcall_info_cache,
    zend_is_callable_ex,
};
use ext_php_rs::types::Zval;

use crate::errors::Thrown;
use crate::zend::exception_pending;

unsafe extern "C" {
    fn zend_release_fcall_info_cache(cache: *mut zend_fcall_info_cache);
}

/// A callable and the function behind it.
///
/// It belongs into the request in which it was made.
pub(crate) struct Callable {
    /// Keeps closure, object and class alive.
    value: Zval,
    /// `None` for a method that `__call` answers: its function lives for one call only.
    cache: Option<zend_fcall_info_cache>,
}

impl Clone for Callable {
    /// With a reference of its own to the value.
    fn clone(&self) -> Self {
        Self { value: self.value.shallow_clone(), cache: self.cache }
    }
}

impl Callable {
    /// Looks `value` up. `None` where it cannot be called.
    pub(crate) fn new(value: &Zval) -> Option<Self> {
        let mut value = value.shallow_clone();
        let mut cache = MaybeUninit::<zend_fcall_info_cache>::zeroed();
        // SAFETY: the engine fills the cache where it says yes; all zeros is an empty one. A callable has
        // a function, and every kind of function begins with the common part.
        let cache = unsafe {
            let known = zend_is_callable_ex(
                &raw mut value,
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                cache.as_mut_ptr(),
                ptr::null_mut(),
            );
            if !known {
                return None;
            }
            let mut cache = cache.assume_init();
            if (*cache.function_handler).common.fn_flags & ZEND_ACC_CALL_VIA_TRAMPOLINE == 0 {
                Some(cache)
            } else {
                zend_release_fcall_info_cache(&raw mut cache);
                None
            }
        };
        Some(Self { value, cache })
    }

    /// The value that is called.
    pub(crate) fn value(&self) -> &Zval {
        &self.value
    }

    /// Calls it. No borrow of Rust data that PHP code could reach may be held meanwhile.
    pub(crate) fn call(&self, arguments: &mut [Zval]) -> Result<Zval, Thrown> {
        self.call_named(arguments, None)
    }

    /// As [`call`](Self::call), with an array of named arguments behind the others. No borrow of Rust data that PHP code could reach may be held meanwhile.
    pub(crate) fn call_named(&self, arguments: &mut [Zval], named: Option<&Zval>) -> Result<Zval, Thrown> {
        let named =
            named.and_then(Zval::array).map_or(ptr::null_mut(), |table| ptr::from_ref(table).cast_mut());
        let mut result = Zval::new();
        let count = u32::try_from(arguments.len()).unwrap_or(0);
        // SAFETY: `value` keeps everything in the cache alive; the arguments live until the call
        // returns, and the engine copies what it keeps.
        unsafe {
            match &self.cache {
                Some(cache) => zend_call_known_function(
                    cache.function_handler,
                    cache.object,
                    cache.called_scope,
                    &raw mut result,
                    count,
                    arguments.as_mut_ptr(),
                    named,
                ),
                None => {
                    let mut function = self.value.shallow_clone();
                    _call_user_function_impl(
                        ptr::null_mut(),
                        &raw mut function,
                        &raw mut result,
                        count,
                        arguments.as_mut_ptr(),
                        named,
                    );
                }
            }
        }
        if exception_pending() { Err(Thrown::Pending) } else { Ok(result) }
    }
}
