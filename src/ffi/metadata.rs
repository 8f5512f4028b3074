//! Metadata: what is sent beside the messages, and what came.

use std::ffi::{CString, c_char};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::error::{Error, VIADUCT_RESULT_END, c_string, viaduct_result};
use super::fence::{fenced, free, read, with};
use super::handle::{self, Object};
use super::input::{Out, text, viaduct_bytes, zero};
use crate::metadata;

/// Keys and values. A key may have several values; they keep their order.
///
/// Keys are lower case. Values of keys that end in "-bin" are any bytes, others are printable ASCII.
/// Several threads may read one that nobody changes.
pub struct viaduct_metadata(Mutex<Inner>);

impl Object for viaduct_metadata {
    const KIND: u8 = handle::METADATA;
}

struct Inner {
    map: HeaderMap,
    /// What C reads. It is made when C reads, and its addresses stay until something is added.
    entries: Option<Vec<(CString, Vec<u8>)>>,
}

impl Inner {
    fn entries(&mut self) -> &[(CString, Vec<u8>)] {
        let map = &self.map;
        self.entries.get_or_insert_with(|| {
            metadata::entries(map).map(|(key, value)| (c_string(key), value)).collect()
        })
    }
}

impl viaduct_metadata {
    pub(super) fn of(map: HeaderMap) -> Self {
        Self(Mutex::new(Inner { map, entries: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metadata behind a pointer that may be NULL, for sending.
pub(super) fn map_of(metadata: *const viaduct_metadata) -> Result<HeaderMap, Error> {
    Ok(handle::get_optional(metadata)?.map(|metadata| metadata.lock().map.clone()).unwrap_or_default())
}

fn no_more(what: String) -> Error {
    Error::new(VIADUCT_RESULT_END, what)
}

/// Makes metadata without entries. The caller frees it with `viaduct_metadata_free`.
///
/// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_metadata_new(metadata: *mut *mut viaduct_metadata) -> viaduct_result {
    zero(metadata);
    fenced(|| {
        Out::new(metadata, "the metadata")?.set(handle::give(viaduct_metadata::of(HeaderMap::new())));
        Ok(())
    })
}

/// Frees metadata that the caller made. NULL is fine.
///
/// Gives VIADUCT_RESULT_OK, or VIADUCT_RESULT_WRONG_HANDLE for metadata that was read from a call or a status.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_metadata_free(metadata: *mut viaduct_metadata) -> viaduct_result {
    free(metadata)
}

/// Adds a value under a key. Both are copied.
///
/// The key is one or more of `0-9 a-z _ - .` (upper case is folded), does not start with "grpc-", and
/// is none of the protocol's. The value is any bytes where the key ends in "-bin", and printable ASCII
/// otherwise.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG or
/// VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_metadata_append(
    metadata: *mut viaduct_metadata,
    key: *const c_char,
    value: viaduct_bytes,
) -> viaduct_result {
    with(metadata, |metadata| {
        let (key, value) = (text(key, "the key")?, value.get("the value")?);
        let mut inner = metadata.lock();
        metadata::append(&mut inner.map, key, value)?;
        inner.entries = None;
        Ok(())
    })
}

/// How many entries there are; 0 where this is no metadata. A key with two values counts twice.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_metadata_count(metadata: *const viaduct_metadata) -> usize {
    read(metadata, 0, |metadata| metadata.lock().entries().len())
}

/// The entry number `index`, from 0 on. Key and value belong to the metadata, until something is added
/// to it or it is freed. `key` and `value` may be NULL.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where there are not so many.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_metadata_entry(
    metadata: *const viaduct_metadata,
    index: usize,
    key: *mut *const c_char,
    value: *mut viaduct_bytes,
) -> viaduct_result {
    zero(key);
    zero(value);
    with(metadata, |metadata| {
        let mut inner = metadata.lock();
        let (found, bytes) = inner
            .entries()
            .get(index)
            .ok_or_else(|| no_more(format!("the metadata has no entry number {index}")))?;
        if let Some(key) = Out::optional(key) {
            key.set(found.as_ptr());
        }
        if let Some(value) = Out::optional(value) {
            value.set(viaduct_bytes::of(bytes));
        }
        Ok(())
    })
}

/// The value number `nth` (from 0 on) of a key. It belongs to the metadata, as in
/// `viaduct_metadata_entry`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_END where the key has not
/// so many.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_metadata_find(
    metadata: *const viaduct_metadata,
    key: *const c_char,
    nth: usize,
    value: *mut viaduct_bytes,
) -> viaduct_result {
    zero(value);
    with(metadata, |metadata| {
        let key = text(key, "the key")?;
        let place = Out::new(value, "the value")?;
        let mut inner = metadata.lock();
        let (_, bytes) = inner
            .entries()
            .iter()
            .filter(|(found, _)| found.as_bytes().eq_ignore_ascii_case(key.as_bytes()))
            .nth(nth)
            .ok_or_else(|| no_more(format!("the metadata has no value number {nth} of \"{key}\"")))?;
        place.set(viaduct_bytes::of(bytes));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::*;
    use super::super::input::viaduct_text;
    use super::*;
    use std::ptr::null_mut;

    #[test]
    fn entries_are_added_counted_and_found() {
        let mut metadata = null_mut();
        assert_eq!(viaduct_metadata_new(&raw mut metadata), VIADUCT_RESULT_OK);
        let append = |key: &std::ffi::CStr, value: &std::ffi::CStr| {
            viaduct_metadata_append(metadata, key.as_ptr(), viaduct_text(value.as_ptr()))
        };
        assert_eq!(append(c"X-Tenant", c"a"), VIADUCT_RESULT_OK);
        assert_eq!(append(c"x-tenant", c"b"), VIADUCT_RESULT_OK);
        assert_eq!(append(c"trace-bin", c"\x01\xff"), VIADUCT_RESULT_OK);
        assert_eq!(append(c"grpc-timeout", c"1S"), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(append(c"x", c"\x01"), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(viaduct_metadata_count(metadata), 3);
        let mut value = viaduct_bytes::EMPTY;
        let mut find = |key: &std::ffi::CStr, nth| {
            let done = viaduct_metadata_find(metadata, key.as_ptr(), nth, &raw mut value);
            (done, value.get("x").unwrap().to_vec())
        };
        assert_eq!(find(c"x-tenant", 1), (VIADUCT_RESULT_OK, b"b".to_vec()));
        assert_eq!(find(c"TRACE-bin", 0), (VIADUCT_RESULT_OK, vec![1, 255]));
        assert_eq!(find(c"x-tenant", 2).0, VIADUCT_RESULT_END);
        assert_eq!(viaduct_metadata_entry(metadata, 3, null_mut(), null_mut()), VIADUCT_RESULT_END);
        assert_eq!(viaduct_metadata_entry(metadata, 2, null_mut(), null_mut()), VIADUCT_RESULT_OK);
        assert_eq!(viaduct_metadata_free(metadata), VIADUCT_RESULT_OK);
        assert_eq!(viaduct_metadata_new(null_mut()), VIADUCT_RESULT_NULL);
        assert_eq!(viaduct_metadata_count(null_mut()), 0);
    }
}
