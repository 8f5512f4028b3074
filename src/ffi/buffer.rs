//! Bytes and strings that go out and belong to the caller.

use std::ffi::{CString, c_char, c_void};

use bytes::Bytes;

use super::error::viaduct_result;
use super::fence::fenced;
use super::input::viaduct_bytes;
use crate::codec::Message;

/// Bytes that the caller owns, and frees with `viaduct_buffer_free`.
///
/// It is a plain value: it may be moved, but only one copy of it may be used. All zeros are an empty
/// buffer that needs no freeing.
#[repr(C)]
#[derive(Debug)]
pub struct viaduct_buffer {
    /// The first byte. NULL only where the buffer is all zeros.
    pub data: *const u8,
    /// How many there are.
    pub length: usize,
    /// The library's.
    pub owner: *mut c_void,
}

impl viaduct_buffer {
    pub(super) const NONE: Self = Self { data: std::ptr::null(), length: 0, owner: std::ptr::null_mut() };

    pub(super) fn of(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self { data: viaduct_bytes::EMPTY.data, ..Self::NONE };
        }
        let owner = Box::new(bytes);
        Self { data: owner.as_ptr(), length: owner.len(), owner: Box::into_raw(owner).cast() }
    }

    pub(super) fn of_message(message: Message) -> Self {
        Self::of(message.into_bytes())
    }
}

/// Frees the bytes, and makes the buffer all zeros. NULL is fine, and so is a buffer of zeros.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_buffer_free(buffer: *mut viaduct_buffer) -> viaduct_result {
    fenced(|| {
        if !buffer.is_null() {
            // SAFETY: by the contract this is a buffer that the library has written, or zeros.
            let gone = unsafe { buffer.replace(viaduct_buffer::NONE) };
            if !gone.owner.is_null() {
                // SAFETY: the owner came from `Box::into_raw` above, and is only in one buffer.
                drop(unsafe { Box::from_raw(gone.owner.cast::<Bytes>()) });
            }
        }
        Ok(())
    })
}

/// Frees a string that a function has given to the caller. NULL is fine.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_string_free(string: *mut c_char) -> viaduct_result {
    fenced(|| {
        if !string.is_null() {
            // SAFETY: by the contract it came from `CString::into_raw`, and its length was not changed.
            drop(unsafe { CString::from_raw(string) });
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_can_be_freed_again() {
        let mut buffer = viaduct_buffer::of(Bytes::from_static(b"abc"));
        assert_eq!(viaduct_bytes { data: buffer.data, length: buffer.length }.get("x").unwrap(), b"abc");
        for _ in 0..2 {
            viaduct_buffer_free(&raw mut buffer);
            assert!(buffer.data.is_null() && buffer.length == 0 && buffer.owner.is_null());
        }
        viaduct_buffer_free(std::ptr::null_mut());
        let mut empty = viaduct_buffer::of(Bytes::new());
        assert!(!empty.data.is_null() && empty.owner.is_null());
        viaduct_buffer_free(&raw mut empty);
    }
}
