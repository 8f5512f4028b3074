//! What library this is.
#![allow(unsafe_code)]
// What C sees is public by its symbol, not by its path.
#![allow(unreachable_pub)]

use std::ffi::c_char;

/// The library's version as a NUL-terminated string, "0.1.0" and the like.
///
/// The string is static: it is never freed. Any thread may call this at any time.
// SAFETY: the name starts with `viaduct_`, which no other library exports.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
