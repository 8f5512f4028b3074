//! Results, and the sentence that belongs to the last failure of a thread.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};

use tonic::Status;

use super::status::code_name;
use crate::error::InvalidArgument;

/// How a function ended. The numbers are never used again for something else.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_result {
    /// It did what it says, and the results are written.
    VIADUCT_RESULT_OK = 0,
    /// A pointer that must lead somewhere is NULL.
    VIADUCT_RESULT_NULL = 1,
    /// The handle is of another kind, or it belongs to another handle and cannot be freed by itself.
    VIADUCT_RESULT_WRONG_HANDLE = 2,
    /// The handle has been freed. Known in debug builds; in others, using it is undefined.
    VIADUCT_RESULT_FREED = 3,
    /// The handle was made before a fork, in the parent.
    VIADUCT_RESULT_FORKED = 4,
    /// An earlier call with this handle ended with VIADUCT_RESULT_PANIC.
    VIADUCT_RESULT_POISONED = 5,
    /// A bug in the library. Nothing is known about the handle any more: free it.
    VIADUCT_RESULT_PANIC = 6,
    /// An argument cannot be used; the message says why and what was expected.
    VIADUCT_RESULT_INVALID_ARGUMENT = 7,
    /// A string is not UTF-8.
    VIADUCT_RESULT_NOT_UTF8 = 8,
    /// A length is past SIZE_MAX / 2, or a message longer than what may be sent.
    VIADUCT_RESULT_TOO_LONG = 9,
    /// It would have to wait, inside a callback on the library's own thread.
    VIADUCT_RESULT_INSIDE_CALLBACK = 10,
    /// The same is being done with this handle already.
    VIADUCT_RESULT_BUSY = 11,
    /// It cannot be done now: the server has been started already, and the like.
    VIADUCT_RESULT_WRONG_STATE = 12,
    /// It did not happen within the given time. What was waited for goes on.
    VIADUCT_RESULT_TIMEOUT = 13,
    /// There are no more.
    VIADUCT_RESULT_END = 14,
    /// The call is over: nothing more can be sent.
    VIADUCT_RESULT_CLOSED = 15,
    /// The call has ended with a status that is not OK.
    VIADUCT_RESULT_FAILED = 16,
    /// The operating system refused.
    VIADUCT_RESULT_SYSTEM = 17,
}

pub(super) use viaduct_result::*;

/// Names, in the order of the numbers.
const NAMES: [&CStr; 18] = [
    c"VIADUCT_RESULT_OK",
    c"VIADUCT_RESULT_NULL",
    c"VIADUCT_RESULT_WRONG_HANDLE",
    c"VIADUCT_RESULT_FREED",
    c"VIADUCT_RESULT_FORKED",
    c"VIADUCT_RESULT_POISONED",
    c"VIADUCT_RESULT_PANIC",
    c"VIADUCT_RESULT_INVALID_ARGUMENT",
    c"VIADUCT_RESULT_NOT_UTF8",
    c"VIADUCT_RESULT_TOO_LONG",
    c"VIADUCT_RESULT_INSIDE_CALLBACK",
    c"VIADUCT_RESULT_BUSY",
    c"VIADUCT_RESULT_WRONG_STATE",
    c"VIADUCT_RESULT_TIMEOUT",
    c"VIADUCT_RESULT_END",
    c"VIADUCT_RESULT_CLOSED",
    c"VIADUCT_RESULT_FAILED",
    c"VIADUCT_RESULT_SYSTEM",
];

/// A failure: what C gets, and what it can read about it.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) result: viaduct_result,
    message: Cow<'static, str>,
}

impl Error {
    pub(super) fn new(result: viaduct_result, message: impl Into<Cow<'static, str>>) -> Self {
        Self { result, message: message.into() }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// What a caught panic has to say.
    pub(super) fn panic(payload: &(dyn Any + Send)) -> Self {
        let said = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Self::new(VIADUCT_RESULT_PANIC, format!("a bug in the library (a panic): {said}"))
    }

    /// The failure that a status is.
    pub(super) fn failed(status: &Status) -> Self {
        let name = code_name(status.code() as i32).to_str().unwrap_or_default();
        Self::new(VIADUCT_RESULT_FAILED, format!("{name}: {}", status.message()))
    }

    /// Keeps the sentence for `viaduct_error_message`, and gives the result.
    pub(super) fn keep(self) -> viaduct_result {
        let text = c_string(&self.message);
        // A thread that ends has nobody left to ask.
        let _ = LAST.try_with(|last| *last.borrow_mut() = text);
        self.result
    }
}

impl From<InvalidArgument> for Error {
    fn from(error: InvalidArgument) -> Self {
        Self::new(VIADUCT_RESULT_INVALID_ARGUMENT, error.to_string())
    }
}

/// `text` for C: a NUL in it is shown, as C would end there.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', "\\0")).unwrap_or_default())
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What went wrong, as a sentence: for the last function that did not give VIADUCT_RESULT_OK on the calling
/// thread. Empty where there was none.
///
/// The string belongs to the library, and stays until the next failure on this thread. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_error_message() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The name of a `viaduct_result`: "VIADUCT_RESULT_NULL" and the like; "unknown result" for any other number.
///
/// The string is static: it is never freed. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_result_name(result: i32) -> *const c_char {
    let name = usize::try_from(result).ok().and_then(|n| NAMES.get(n));
    name.map_or(c"unknown result".as_ptr(), |name| name.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        // SAFETY: the string is the library's own.
        unsafe { CStr::from_ptr(viaduct_error_message()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_last_failure_of_the_thread_is_kept() {
        assert_eq!(last(), "");
        assert_eq!(Error::new(VIADUCT_RESULT_END, "there are no more").keep(), VIADUCT_RESULT_END);
        assert_eq!(last(), "there are no more");
        assert_eq!(std::thread::spawn(last).join().unwrap(), "");
        Error::new(VIADUCT_RESULT_END, "a\0b").keep();
        assert_eq!(last(), "a\\0b");
        let status = Status::not_found("gone");
        assert_eq!(Error::failed(&status).keep(), VIADUCT_RESULT_FAILED);
        assert_eq!(last(), "NOT_FOUND: gone");
    }

    #[test]
    fn every_result_has_its_name() {
        // SAFETY: the strings are static.
        let name = |n| unsafe { CStr::from_ptr(viaduct_result_name(n)) }.to_str().unwrap();
        assert_eq!(name(VIADUCT_RESULT_OK as i32), "VIADUCT_RESULT_OK");
        assert_eq!(name(VIADUCT_RESULT_INSIDE_CALLBACK as i32), "VIADUCT_RESULT_INSIDE_CALLBACK");
        assert_eq!(name(VIADUCT_RESULT_SYSTEM as i32), "VIADUCT_RESULT_SYSTEM");
        assert_eq!(name(NAMES.len() as i32), "unknown result");
        assert_eq!(name(-1), "unknown result");
    }
}
