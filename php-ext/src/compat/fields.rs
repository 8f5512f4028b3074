//! The objects that batches return: of `\stdClass`, their properties set once.
//!
//! Setting a property by a name of its own costs the engine a string, its hash and a look into the
//! object, for each property. The names here are made once per process, and a new object has none
//! that they could meet.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::ffi::zend_string;
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::ce;

use crate::errors::Thrown;
use crate::zend::object::ObjectBox;
use crate::zend::sys::zend_hash_add_new;

/// The properties of what `startBatch()` returns, and of statuses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name {
    SendMetadata,
    SendMessage,
    SendClose,
    SendStatus,
    Metadata,
    Message,
    Status,
    Cancelled,
    Code,
    Details,
}

const TEXTS: [&str; 10] = [
    "send_metadata",
    "send_message",
    "send_close",
    "send_status",
    "metadata",
    "message",
    "status",
    "cancelled",
    "code",
    "details",
];

/// Interned strings, which live until MSHUTDOWN: Apache starts and ends its modules once more before it
/// serves, and at each graceful restart. They have no count of references.
static NAMES: [AtomicPtr<zend_string>; TEXTS.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; TEXTS.len()];

/// Makes the names; in MINIT, so that they are permanent.
pub(crate) fn register() {
    for (name, text) in NAMES.iter().zip(TEXTS) {
        name.store(ZendStr::new_interned(text, true).into_raw().cast(), Ordering::Release);
    }
}

/// An object that is being made.
pub(crate) struct Fields(ZBox<ZendHashTable>);

impl Fields {
    pub(crate) fn new() -> Self {
        Self(ZendHashTable::new())
    }

    /// Sets a property that was not set before.
    pub(crate) fn set(&mut self, name: Name, mut value: Zval) {
        let Some(name) = NAMES.get(name as usize).map(|name| name.load(Ordering::Acquire)) else { return };
        let table: *mut ZendHashTable = &raw mut *self.0;
        // SAFETY: table and name are live; the table takes the value over, reference and all.
        unsafe { zend_hash_add_new(table, name, &raw mut value) };
        std::mem::forget(value);
    }

    /// # Errors
    ///
    /// Where there is an exception on its way.
    pub(crate) fn into_object(self) -> Result<ObjectBox, Thrown> {
        ObjectBox::with_properties(ce::stdclass(), self.0)
    }
}
