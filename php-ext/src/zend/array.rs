//! Walking a PHP array without copying its keys.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ptr;

use ext_php_rs::ffi::{zend_hash_get_current_data_ex, zend_hash_move_forward_ex};
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};

use super::sys::zend_hash_get_current_key_ex;

/// The key of an array's element.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    Number(i64),
    Text(&'a [u8]),
}

impl<'a> Key<'a> {
    /// The key as a text. PHP turns keys like "123" into numbers; here they are texts again.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Number(n) => n.to_string().into(),
            Self::Text(bytes) => String::from_utf8_lossy(bytes),
        }
    }
}

/// The elements of an array in order; references are followed.
///
/// The array must not change meanwhile: do not call PHP from the loop with an array that PHP can
/// reach by reference. An argument taken by value is safe, as writing to it separates it.
pub(crate) struct Entries<'a> {
    table: *mut ZendHashTable,
    position: u32,
    lifetime: PhantomData<&'a ZendHashTable>,
}

impl<'a> Entries<'a> {
    pub(crate) fn of(table: &'a ZendHashTable) -> Self {
        Self { table: ptr::from_ref(table).cast_mut(), position: 0, lifetime: PhantomData }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Key<'a>, &'a Zval);

    fn next(&mut self) -> Option<Self::Item> {
        // `zend_hash_key_type`
        const IS_STRING: i32 = 1;
        const IS_LONG: i32 = 2;
        let mut text: *mut ZendStr = ptr::null_mut();
        let mut number = 0;
        // SAFETY: the table is borrowed for 'a, and the functions skip what is empty by themselves.
        unsafe {
            let kind = zend_hash_get_current_key_ex(
                self.table,
                &raw mut text,
                &raw mut number,
                &raw const self.position,
            );
            let key = match kind {
                IS_STRING => Key::Text(text.as_ref()?.as_bytes()),
                IS_LONG => Key::Number(number.cast_signed()),
                _ => return None,
            };
            let value = zend_hash_get_current_data_ex(self.table, &raw mut self.position).as_ref()?;
            zend_hash_move_forward_ex(self.table, &raw mut self.position);
            Some((key, value.dereference()))
        }
    }
}
