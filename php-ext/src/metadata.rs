//! Metadata between PHP (`array<string, string|list<string>>`) and the core (`HeaderMap`).

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::{ZendHashTable, Zval};
use http::HeaderMap;
use viaduct::error::quote;
use viaduct::metadata::{append, entries};

use crate::errors::{self, Thrown};
use crate::zend::array::{Entries, Key};
use crate::zend::class::array_or_empty;
use crate::zend::{string, type_name};

/// The most values that are taken. `HeaderMap` panics at 24,576; peers refuse long before: the
/// header list that gRPC implementations accept is 8 to 64 KiB.
const MOST: usize = 4096;

/// Reads metadata. `what` is the parameter's name, for messages. An empty array costs nothing.
pub(crate) fn from_php(array: &ZendHashTable, what: &str) -> Result<HeaderMap, Thrown> {
    let mut map = HeaderMap::new();
    let is_list =
        || (0..).zip(Entries::of(array)).all(|(n, (key, _))| matches!(key, Key::Number(key) if key == n));
    if !array.is_empty() && is_list() {
        return Err(errors::invalid_argument(format!("{what} is a list; expected ['key' => 'value', …]")));
    }
    for (key, value) in Entries::of(array) {
        if let Some(text) = value.zend_str() {
            add(&mut map, key, text.as_bytes(), what)?;
        } else if let Some(list) = value.array() {
            for (_, value) in Entries::of(list) {
                let Some(text) = value.zend_str() else {
                    return Err(wrong_type(key, "an element", value, what));
                };
                add(&mut map, key, text.as_bytes(), what)?;
            }
        } else {
            return Err(wrong_type(key, "the value", value, what));
        }
    }
    Ok(map)
}

fn add(map: &mut HeaderMap, key: Key<'_>, value: &[u8], what: &str) -> Result<(), Thrown> {
    if map.len() >= MOST {
        return Err(errors::invalid_argument(format!("{what} has more than {MOST} values")));
    }
    append(map, &key.text(), value).map_err(|e| {
        // The core's message begins with "metadata".
        if what == "metadata" { e.into() } else { errors::invalid_argument(format!("{what}: {e}")) }
    })
}

#[cold]
fn wrong_type(key: Key<'_>, which: &str, value: &Zval, what: &str) -> Thrown {
    errors::invalid_argument(format!(
        "{what}: {which} of {} is of type {}; expected a string or a list of strings",
        quote(&key.text()),
        type_name(value)
    ))
}

/// Reads metadata in the form that [`to_php`] makes, and passes over what is not in it.
pub(crate) fn from_normal_form(array: &ZendHashTable) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (key, list) in Entries::of(array) {
        let Some(list) = list.array() else { continue };
        for text in Entries::of(list).filter_map(|(_, value)| value.zend_str()) {
            let _ = add(&mut map, key, text.as_bytes(), "");
        }
    }
    map
}

/// Metadata as PHP sees it: `array<string, list<string>>`, binary values raw.
pub(crate) fn to_php(map: &HeaderMap) -> Zval {
    let mut array: Option<ZBox<ZendHashTable>> = None;
    let mut current: Option<(&str, ZBox<ZendHashTable>)> = None;
    // The map yields all values of a key one after the other.
    for (key, value) in entries(map) {
        match &mut current {
            Some((name, list)) if *name == key => {
                let _ = list.push(string(&value));
            }
            _ => {
                flush(&mut array, current.take());
                let mut list = ZendHashTable::with_capacity(1);
                let _ = list.push(string(&value));
                current = Some((key, list));
            }
        }
    }
    flush(&mut array, current);
    array_or_empty(array)
}

fn flush(array: &mut Option<ZBox<ZendHashTable>>, done: Option<(&str, ZBox<ZendHashTable>)>) {
    if let Some((name, list)) = done {
        // Setting an element to an array cannot fail.
        let _ = array.get_or_insert_with(ZendHashTable::new).insert(name, list);
    }
}
