//! The exceptions of the namespace `Grpc`: SPL's own classes, as the official extension throws them.

use ext_php_rs::zend::{ClassEntry, ce};

use crate::errors::{self, Thrown};
use crate::zend::sys;

/// The code that the official extension gives its exceptions.
const CODE: i64 = 1;

/// An `\InvalidArgumentException`.
#[cold]
pub(crate) fn invalid_argument(message: &str) -> Thrown {
    // SAFETY: (of this and those below) set in SPL's MINIT, which runs before ours.
    errors::exception(class(unsafe { sys::spl_ce_InvalidArgumentException }), message, CODE, None)
}

/// A `\LogicException` with a code: one of the `CALL_ERROR_…`.
#[cold]
pub(crate) fn logic(message: &str, code: i64) -> Thrown {
    // SAFETY: as above.
    errors::exception(class(unsafe { sys::spl_ce_LogicException }), message, code, None)
}

/// A `\RuntimeException`.
#[cold]
pub(crate) fn runtime(message: &str) -> Thrown {
    // SAFETY: as above.
    errors::exception(class(unsafe { sys::spl_ce_RuntimeException }), message, CODE, None)
}

/// What reading arguments brought; a TypeError (that of a wrong number of arguments, too) becomes the
/// `\InvalidArgumentException` with `message`, and the TypeError what led to it. Other exceptions, of
/// a `__toString()` say, stay.
pub(crate) fn expecting<T>(message: &str, read: Result<T, Thrown>) -> Result<T, Thrown> {
    read.map_err(|thrown| refuse(message, thrown))
}

#[cold]
fn refuse(message: &str, thrown: Thrown) -> Thrown {
    match thrown.catch() {
        Ok(exception) if exception.get().is_a(ce::type_error()) => {
            // SAFETY: as above.
            let class = class(unsafe { sys::spl_ce_InvalidArgumentException });
            errors::exception(class, message, CODE, Some(exception))
        }
        Ok(other) => Thrown::Object(other),
        Err(thrown) => thrown,
    }
}

fn class(class: *mut ClassEntry) -> &'static ClassEntry {
    // SAFETY: null or a class of SPL, which lives as long as the process.
    unsafe { class.as_ref() }.unwrap_or_else(ce::exception)
}
