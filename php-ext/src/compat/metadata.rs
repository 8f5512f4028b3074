//! Metadata as the namespace `Grpc` has it: `array<string, list<string>>` in and out, values of `-bin`
//! keys raw.
//!
//! It differs from that of `Viaduct`: keys must be written in lower case, `grpc-` keys may be set, and
//! what the official extension shows of the protocol's headers is shown (`user-agent`,
//! `grpc-status-details-bin`).

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::{ZendHashTable, Zval};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use viaduct::codec::Encoding;
use viaduct::metadata::{binary_value, decode_binary, is_reserved};

use crate::zend::array::{Entries, Key};
use crate::zend::class::array_or_empty;
use crate::zend::string;

/// The most values that are taken. `HeaderMap` panics at 24,576; peers refuse long before.
const MOST: usize = 4096;

/// How messages of one call are compressed, said in its initial metadata. It does not travel.
const ENCODING_REQUEST: &str = "grpc-internal-encoding-request";

/// The path of a method that was given without a slash in front, as no path travels so. Neither side shows it.
pub(crate) const GIVEN_PATH: &str = "x-viaduct-given-path";

/// Reads metadata; `None` where a key or a value is not legal. What the protocol itself sets is passed
/// over, as it is in the official core, which writes over it.
pub(crate) fn from_php(value: &Zval) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (key, list) in Entries::of(value.array()?) {
        let Key::Text(key) = key else { return None };
        let name = name_of(key)?;
        for (_, value) in Entries::of(list.array()?) {
            let value = value_of(&name, value.zend_str()?.as_bytes())?;
            if map.len() >= MOST {
                return None;
            }
            if !is_reserved(name.as_str()) || name == "grpc-status-details-bin" {
                map.append(&name, value);
            }
        }
    }
    Some(map)
}

/// A key of metadata: `[0-9a-z_.-]+`.
pub(crate) fn name_of(key: &[u8]) -> Option<HeaderName> {
    let legal = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-' | b'.');
    if key.is_empty() || !key.iter().all(legal) {
        return None;
    }
    HeaderName::from_bytes(key).ok()
}

/// A value as it stands on the wire: printable ASCII, or base64 for keys that end in `-bin`.
pub(crate) fn value_of(name: &HeaderName, value: &[u8]) -> Option<HeaderValue> {
    if name.as_str().ends_with("-bin") {
        return Some(binary_value(value));
    }
    let legal = value.iter().all(|b| (0x20..=0x7e).contains(b));
    HeaderValue::from_bytes(value).ok().filter(|_| legal)
}

/// Takes out what the metadata says of compression. A name that is not known means none.
pub(crate) fn take_encoding(map: &mut HeaderMap) -> Option<Encoding> {
    let value = map.remove(ENCODING_REQUEST)?;
    Some(Encoding::from_name(value.as_bytes()).unwrap_or_default())
}

/// Metadata that has arrived.
pub(crate) fn to_php(map: &HeaderMap) -> Zval {
    let mut array: Option<ZBox<ZendHashTable>> = None;
    for name in map.keys() {
        let shown = !is_reserved(name.as_str()) || name == "user-agent" || name == "grpc-status-details-bin";
        if !shown || name == GIVEN_PATH {
            continue;
        }
        let mut list = ZendHashTable::new();
        for value in map.get_all(name) {
            let bytes = value.as_bytes();
            // Adding to a list cannot fail.
            let _ = if name.as_str().ends_with("-bin") {
                // Several may be joined by commas; what is not base64 is passed over.
                bytes
                    .split(|b| *b == b',')
                    .filter_map(|one| decode_binary(one.trim_ascii()))
                    .try_for_each(|one| list.push(string(&one)))
            } else {
                list.push(string(bytes))
            };
        }
        if list.is_empty() {
            continue;
        }
        // Nor can setting an element to a list.
        let _ = array.get_or_insert_with(ZendHashTable::new).insert(name.as_str(), list);
    }
    array_or_empty(array)
}
