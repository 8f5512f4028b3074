//! What comes in by value, and where results go.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::time::Duration;

use super::error::{
    Error, VIADUCT_RESULT_INVALID_ARGUMENT, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_NULL,
    VIADUCT_RESULT_TOO_LONG,
};
use crate::codec::Encoding;
use crate::error::quote;

/// Bytes that the caller owns; they are only looked at, and not after the function has returned.
///
/// Where a function gives this, the bytes belong to the handle that was asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct viaduct_bytes {
    /// The first byte. May be NULL where the length is 0.
    pub data: *const u8,
    /// How many there are; at most SIZE_MAX / 2.
    pub length: usize,
}

impl viaduct_bytes {
    pub(super) const EMPTY: Self = Self { data: c"".as_ptr().cast(), length: 0 };

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }

    /// The bytes. `what` names them in the message.
    pub(super) fn get<'a>(self, what: &str) -> Result<&'a [u8], Error> {
        if self.length == 0 {
            return Ok(&[]);
        }
        if self.data.is_null() {
            return Err(Error::new(VIADUCT_RESULT_NULL, format!("{what}: {} bytes at NULL", self.length)));
        }
        if isize::try_from(self.length).is_err() {
            let message = format!("{what}: a length of {} bytes; expected at most SIZE_MAX / 2", self.length);
            return Err(Error::new(VIADUCT_RESULT_TOO_LONG, message));
        }
        // SAFETY: by the contract there are so many bytes, and they stay while the function runs.
        Ok(unsafe { std::slice::from_raw_parts(self.data, self.length) })
    }

    /// The bytes; `None` where there are none.
    pub(super) fn get_optional<'a>(self, what: &str) -> Result<Option<&'a [u8]>, Error> {
        self.get(what).map(|bytes| Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// The bytes of a string, without the NUL that ends it. NULL gives no bytes.
///
/// The bytes are the string's: they stay as long as it does.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_text(text: *const c_char) -> viaduct_bytes {
    if text.is_null() {
        return viaduct_bytes::EMPTY;
    }
    // SAFETY: by the contract a string ends with a NUL.
    viaduct_bytes::of(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// A string that must be there.
pub(super) fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Error> {
    text_optional(text, what)?.ok_or_else(|| Error::new(VIADUCT_RESULT_NULL, format!("{what} is NULL")))
}

/// A string that may be NULL.
pub(super) fn text_optional<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: by the contract a string ends with a NUL, and stays while the function runs.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|error| {
        let shown = quote(&text.to_string_lossy());
        let at = error.valid_up_to();
        Error::new(VIADUCT_RESULT_NOT_UTF8, format!("{what} {shown} is not UTF-8 from byte {at} on"))
    })
}

/// Clears a place for a result, first of all: whatever goes wrong then, it has nothing in it.
///
/// `T` is a pointer, a number, or a struct of these.
pub(super) fn zero<T>(place: *mut T) {
    if !place.is_null() {
        // SAFETY: by the contract the place is writable; all zeros are a legal `T`.
        unsafe { place.write_bytes(0, 1) };
    }
}

/// A place for a result.
pub(super) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// A place that must be there.
    pub(super) fn new(place: *mut T, what: &str) -> Result<Self, Error> {
        Self::optional(place)
            .ok_or_else(|| Error::new(VIADUCT_RESULT_NULL, format!("the place for {what} is NULL")))
    }

    /// A place that may be NULL.
    pub(super) fn optional(place: *mut T) -> Option<Self> {
        (!place.is_null()).then_some(Self(place))
    }

    pub(super) fn set(self, value: T) {
        // SAFETY: by the contract the place is writable; what is in it is not read.
        unsafe { self.0.write(value) };
    }
}

/// A struct of options: it begins with its own size, which tells how much of it the caller knows. All
/// its fields are numbers and pointers, and all zeros are its defaults.
///
/// # Safety
///
/// Any bytes must be a legal `Self`, and the first field must be a `usize`.
pub(super) unsafe trait Options: Copy {
    /// Its name in C.
    const NAME: &'static str;
}

/// No options are longer than this; what says so is no size.
const LONGEST: usize = 4096;

/// The options at a pointer that may be NULL; then all are zero.
pub(super) fn options<T: Options>(from: *const T) -> Result<T, Error> {
    let mut options = MaybeUninit::<T>::zeroed();
    if !from.is_null() {
        // SAFETY: the first field is the size.
        let size = unsafe { from.cast::<usize>().read() };
        let known = size_of::<T>();
        if !(size_of::<usize>()..=LONGEST).contains(&size) {
            return Err(invalid(format!(
                "{name}.size is {size}; expected sizeof({name}), which is {known} here",
                name = T::NAME
            )));
        }
        // SAFETY: by the contract so many bytes are there.
        let given = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), size) };
        // A program that was built with a later header has more fields; where it leaves them out, this library will do.
        let (given, later) = given.split_at(size.min(known));
        if let Some(at) = later.iter().position(|byte| *byte != 0) {
            return Err(invalid(format!(
                "{name} has a value at byte {}, and this library knows {known} bytes of it, as it is older than the header that the \
                 program was built with; expected zeros there",
                known + at,
                name = T::NAME
            )));
        }
        // SAFETY: no more than a `T`; any bytes are legal.
        unsafe {
            std::ptr::copy_nonoverlapping(given.as_ptr(), options.as_mut_ptr().cast::<u8>(), given.len());
        }
    }
    // SAFETY: zeros are legal, and so is whatever was copied.
    Ok(unsafe { options.assume_init() })
}

/// A span in milliseconds where 0 stands for the default.
pub(super) fn span(ms: i64, what: &str) -> Result<Option<Duration>, Error> {
    match u64::try_from(ms) {
        Ok(0) => Ok(None),
        Ok(ms) => Ok(Some(Duration::from_millis(ms))),
        Err(_) => Err(invalid(format!("{what} is {ms}; expected milliseconds, or 0 for the default"))),
    }
}

/// How long to wait, in milliseconds: `None` is for ever.
pub(super) fn patience(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// A count where 0 stands for the default.
pub(super) fn count<T: TryFrom<u64>>(number: u64, what: &str) -> Result<Option<T>, Error> {
    match T::try_from(number) {
        _ if number == 0 => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(invalid(format!("{what} is {number}, which is too many"))),
    }
}

/// A `viaduct_compression`; `None` is the default.
pub(super) fn encoding(compression: i32) -> Result<Option<Encoding>, Error> {
    Ok(match compression {
        0 => None,
        1 => Some(Encoding::Identity),
        2 => Some(Encoding::Gzip),
        3 => Some(Encoding::Deflate),
        other => return Err(invalid(format!("{other} is no viaduct_compression"))),
    })
}

/// A `viaduct_choice`; `None` is the default.
pub(super) fn choice(choice: i32, what: &str) -> Result<Option<bool>, Error> {
    Ok(match choice {
        0 => None,
        1 => Some(true),
        2 => Some(false),
        other => return Err(invalid(format!("{what} is {other}, which is no viaduct_choice"))),
    })
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(VIADUCT_RESULT_INVALID_ARGUMENT, message)
}

#[cfg(test)]
mod tests {
    use super::super::error::*;
    use super::*;
    use std::ptr::null;

    fn result<T>(done: Result<T, Error>) -> viaduct_result {
        done.map_or_else(|error| error.result, |_| VIADUCT_RESULT_OK)
    }

    #[test]
    fn bytes_may_be_none_and_not_too_many() {
        let bytes = |data, length| viaduct_bytes { data, length }.get("the message");
        assert_eq!(bytes(null(), 0).unwrap(), b"");
        assert_eq!(bytes(b"ab".as_ptr(), 2).unwrap(), b"ab");
        assert_eq!(result(bytes(null(), 1)), VIADUCT_RESULT_NULL);
        assert_eq!(result(bytes(b"ab".as_ptr(), usize::MAX / 2 + 1)), VIADUCT_RESULT_TOO_LONG);
        assert!(viaduct_bytes::EMPTY.get_optional("x").unwrap().is_none());
        assert_eq!(viaduct_text(c"abc".as_ptr()).get("x").unwrap(), b"abc");
        assert_eq!(viaduct_text(null()).length, 0);
    }

    #[test]
    fn strings_are_utf8() {
        assert_eq!(text(c"grün".as_ptr(), "the target").unwrap(), "grün");
        assert_eq!(result(text(null(), "the target")), VIADUCT_RESULT_NULL);
        assert!(text_optional(null(), "the target").unwrap().is_none());
        assert_eq!(result(text(c"a\xff".as_ptr(), "the target")), VIADUCT_RESULT_NOT_UTF8);
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Some2 {
        size: usize,
        a: i64,
        b: i64,
    }
    // SAFETY: numbers only, and the size first.
    unsafe impl Options for Some2 {
        const NAME: &'static str = "some2";
    }

    #[test]
    fn options_are_read_as_far_as_the_caller_knows_them() {
        let given = Some2 { size: 16, a: 5, b: 6 };
        let read = options(&raw const given).unwrap();
        assert_eq!((read.a, read.b), (5, 0));
        let whole = options(&Some2 { size: 24, ..given }).unwrap();
        assert_eq!((whole.a, whole.b), (5, 6));
        assert_eq!(options(null::<Some2>()).unwrap().a, 0);
        assert_eq!(result(options(&Some2 { size: 0, ..given })), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(result(options(&Some2 { size: 32, ..given })), VIADUCT_RESULT_INVALID_ARGUMENT);
    }

    #[test]
    fn numbers_have_their_defaults_and_bounds() {
        assert_eq!(span(0, "x").unwrap(), None);
        assert_eq!(span(5, "x").unwrap(), Some(Duration::from_millis(5)));
        assert_eq!(result(span(-1, "x")), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(patience(-1), None);
        assert_eq!(patience(0), Some(Duration::ZERO));
        assert_eq!(count::<u32>(0, "x").unwrap(), None);
        assert_eq!(count::<u32>(7, "x").unwrap(), Some(7));
        assert_eq!(result(count::<u32>(1 << 40, "x")), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(encoding(2).unwrap(), Some(Encoding::Gzip));
        assert_eq!(result(encoding(4)), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(choice(2, "x").unwrap(), Some(false));
        assert_eq!(result(choice(3, "x")), VIADUCT_RESULT_INVALID_ARGUMENT);
    }
}
