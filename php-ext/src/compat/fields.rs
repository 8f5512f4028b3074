//! The objects that batches return: of `\stdClass`, their properties set once.
//!
//! Setting a property by a name of its own costs the engine a string, its hash and a look into the
//! object, for each property. The names here are made once per process, and a new object has none
//! that they could meet.

use std::sync::OnceLock;

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

/// Interned strings, which live as long as the process.
struct Interned([*mut zend_string; TEXTS.len()]);

// SAFETY: they are written before the first request, and are read only after that: what is interned
// has no count of references.
unsafe impl Send for Interned {}
// SAFETY: as above.
unsafe impl Sync for Interned {}

static NAMES: OnceLock<Interned> = OnceLock::new();

/// Makes the names; in MINIT, so that they are permanent.
pub(crate) fn register() {
    NAMES.get_or_init(|| Interned(TEXTS.map(|text| ZendStr::new_interned(text, true).into_raw().cast())));
}

/// An object that is being made.
pub(crate) struct Fields(ZBox<ZendHashTable>);

impl Fields {
    pub(crate) fn new() -> Self {
        Self(ZendHashTable::new())
    }

    /// Sets a property that was not set before.
    pub(crate) fn set(&mut self, name: Name, mut value: Zval) {
        let Some(name) = NAMES.get().and_then(|names| names.0.get(name as usize)) else { return };
        let table: *mut ZendHashTable = &raw mut *self.0;
        // SAFETY: table and name are live; the table takes the value over, reference and all.
        unsafe { zend_hash_add_new(table, *name, &raw mut value) };
        std::mem::forget(value);
    }

    /// # Errors
    ///
    /// Where there is an exception on its way.
    pub(crate) fn into_object(self) -> Result<ObjectBox, Thrown> {
        ObjectBox::with_properties(ce::stdclass(), self.0)
    }
}
