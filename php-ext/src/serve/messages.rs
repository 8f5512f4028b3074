//! Walking over what a streaming handler returns: an array or anything that `foreach` takes.

use ext_php_rs::ffi::zend_object_iterator;
use ext_php_rs::types::Zval;

use crate::errors::{self, Thrown};
use crate::zend::{array, exception_pending, type_name};

unsafe extern "C" {
    fn zend_iterator_dtor(iterator: *mut zend_object_iterator);
}

/// The elements of an iterable, one after the other.
pub(super) struct Messages {
    walk: Walk,
    /// Keeps what is walked over alive.
    _whole: Zval,
}

enum Walk {
    Array(std::vec::IntoIter<Zval>),
    Iterator { raw: *mut zend_object_iterator, started: bool },
}

impl Messages {
    /// Starts a walk.
    pub(super) fn of(whole: Zval) -> Result<Self, Thrown> {
        if let Some(list) = whole.array() {
            let elements: Vec<Zval> =
                array::Entries::of(list).map(|(_, value)| value.shallow_clone()).collect();
            return Ok(Self { walk: Walk::Array(elements.into_iter()), _whole: whole });
        }
        let mut whole = whole;
        let raw = match whole.traversable() {
            Some(iterator) => std::ptr::from_mut(iterator),
            None if exception_pending() => return Err(Thrown::Pending),
            None => {
                return Err(errors::invalid_argument(format!(
                    "the handler returned a value of type {}; expected an iterable of messages",
                    type_name(&whole)
                )));
            }
        };
        Ok(Self { walk: Walk::Iterator { raw, started: false }, _whole: whole })
    }

    /// The next element. Runs PHP code.
    pub(super) fn next(&mut self) -> Result<Option<Zval>, Thrown> {
        let (raw, started) = match &mut self.walk {
            Walk::Array(elements) => return Ok(elements.next()),
            Walk::Iterator { raw, started } => (*raw, started),
        };
        // SAFETY: the iterator lives until `drop`, and nobody else has it.
        let iterator = unsafe { &mut *raw };
        let moved = if *started { iterator.move_forward() } else { iterator.rewind() };
        *started = true;
        if moved
            && iterator.valid()
            && let Some(value) = iterator.get_current_data()
        {
            return Ok(Some(value.dereference().shallow_clone()));
        }
        if exception_pending() { Err(Thrown::Pending) } else { Ok(None) }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        if let Walk::Iterator { raw, .. } = &self.walk {
            // SAFETY: gives back the reference that `traversable` made.
            unsafe { zend_iterator_dtor(*raw) };
        }
    }
}
