//! How a call ended.

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use http::HeaderMap;
use tonic::{Code, Status};

use super::error::{Error, VIADUCT_RESULT_END, c_string, viaduct_result};
use super::fence::{fenced, free, read, with};
use super::handle::{self, Lent, Object};
use super::input::{Out, invalid, text, text_optional, viaduct_bytes, zero};
use super::metadata::viaduct_metadata;
use crate::status::{Detail, decode_details, encode_details};

/// gRPC's status codes.
// C gives its numbers.
#[allow(dead_code)]
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_code {
    /// It went well.
    VIADUCT_CODE_OK = 0,
    /// It was given up, by one of both sides.
    VIADUCT_CODE_CANCELLED = 1,
    /// Nobody knows.
    VIADUCT_CODE_UNKNOWN = 2,
    /// The request makes no sense.
    VIADUCT_CODE_INVALID_ARGUMENT = 3,
    /// It took too long.
    VIADUCT_CODE_DEADLINE_EXCEEDED = 4,
    /// What was asked for is not there.
    VIADUCT_CODE_NOT_FOUND = 5,
    /// What was to be made is there already.
    VIADUCT_CODE_ALREADY_EXISTS = 6,
    /// The caller may not.
    VIADUCT_CODE_PERMISSION_DENIED = 7,
    /// Something has run out.
    VIADUCT_CODE_RESOURCE_EXHAUSTED = 8,
    /// The system is not in the state for it.
    VIADUCT_CODE_FAILED_PRECONDITION = 9,
    /// Somebody else came between.
    VIADUCT_CODE_ABORTED = 10,
    /// Past the end.
    VIADUCT_CODE_OUT_OF_RANGE = 11,
    /// There is no such method.
    VIADUCT_CODE_UNIMPLEMENTED = 12,
    /// Something is broken.
    VIADUCT_CODE_INTERNAL = 13,
    /// Nobody is there now; later somebody may be.
    VIADUCT_CODE_UNAVAILABLE = 14,
    /// Data is gone.
    VIADUCT_CODE_DATA_LOSS = 15,
    /// The caller has not said who it is.
    VIADUCT_CODE_UNAUTHENTICATED = 16,
}

/// Names, in the order of the numbers.
const NAMES: [&CStr; 17] = [
    c"OK",
    c"CANCELLED",
    c"UNKNOWN",
    c"INVALID_ARGUMENT",
    c"DEADLINE_EXCEEDED",
    c"NOT_FOUND",
    c"ALREADY_EXISTS",
    c"PERMISSION_DENIED",
    c"RESOURCE_EXHAUSTED",
    c"FAILED_PRECONDITION",
    c"ABORTED",
    c"OUT_OF_RANGE",
    c"UNIMPLEMENTED",
    c"INTERNAL",
    c"UNAVAILABLE",
    c"DATA_LOSS",
    c"UNAUTHENTICATED",
];

pub(super) fn code_name(code: i32) -> &'static CStr {
    usize::try_from(code).ok().and_then(|n| NAMES.get(n)).copied().unwrap_or(c"unknown code")
}

/// The code of that number.
pub(super) fn code(number: i32) -> Result<Code, Error> {
    if (0..=16).contains(&number) {
        Ok(Code::from_i32(number))
    } else {
        Err(invalid(format!("{number} is no status code; expected 0 to 16")))
    }
}

/// How a call ended: code, message, details (google.rpc.Status) and trailers.
///
/// Several threads may read one that nobody changes.
pub struct viaduct_status {
    status: Status,
    message: CString,
    trailers: Lent<viaduct_metadata>,
    details: OnceLock<Vec<(CString, Vec<u8>)>>,
    /// What was added here.
    added: Mutex<Vec<Detail>>,
}

impl fmt::Debug for viaduct_status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}

impl Object for viaduct_status {
    const KIND: u8 = handle::STATUS;
}

impl viaduct_status {
    pub(super) fn of(status: Status, trailers: HeaderMap) -> Self {
        Self {
            message: c_string(status.message()),
            status,
            trailers: Lent::new(viaduct_metadata::of(trailers)),
            details: OnceLock::new(),
            added: Mutex::default(),
        }
    }

    fn added(&self) -> MutexGuard<'_, Vec<Detail>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For sending.
    pub(super) fn to_status(&self) -> Status {
        let added = self.added();
        if added.is_empty() {
            return self.status.clone();
        }
        let mut all = decode_details(self.status.details());
        all.extend(added.iter().cloned());
        let (code, message) = (self.status.code(), self.status.message());
        Status::with_details(code, message, encode_details(code, message, &all))
    }

    fn details(&self) -> &[(CString, Vec<u8>)] {
        self.details.get_or_init(|| {
            let all = decode_details(self.to_status().details());
            all.into_iter().map(|detail| (c_string(&detail.type_url), detail.value)).collect()
        })
    }
}

/// The name of a status code: "NOT_FOUND" and the like; "unknown code" for any other number.
///
/// The string is static: it is never freed. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_code_name(code: i32) -> *const c_char {
    code_name(code).as_ptr()
}

/// Makes a status, to answer a call with. `message` may be NULL, and is copied. The caller frees it
/// with `viaduct_status_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_INVALID_ARGUMENT where
/// `code` is no `viaduct_code`.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_new(
    code_number: i32,
    message: *const c_char,
    status: *mut *mut viaduct_status,
) -> viaduct_result {
    zero(status);
    fenced(|| {
        let place = Out::new(status, "the status")?;
        let message = text_optional(message, "the message")?.unwrap_or_default();
        let status = Status::new(code(code_number)?, message);
        place.set(handle::give(viaduct_status::of(status, HeaderMap::new())));
        Ok(())
    })
}

/// Frees a status. NULL is fine. Its message, details and trailers go with it.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_free(status: *mut viaduct_status) -> viaduct_result {
    free(status)
}

/// The `viaduct_code`; -1 where this is no status.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_code(status: *const viaduct_status) -> i32 {
    read(status, -1, |status| status.status.code() as i32)
}

/// The message; it may be empty. It belongs to the status. NULL where this is no status.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_message(status: *const viaduct_status) -> *const c_char {
    read(status, std::ptr::null(), |status| status.message.as_ptr())
}

/// The trailers. They belong to the status: they are not freed. NULL where this is no status.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_trailers(status: *const viaduct_status) -> *const viaduct_metadata {
    read(status, std::ptr::null(), |status| status.trailers.as_ptr())
}

/// Adds a detail: a serialized message and the URL of its type, "type.googleapis.com/google.rpc.BadRequest"
/// and the like. Both are copied. Not after the details have been read.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG, or
/// VIADUCT_RESULT_INVALID_ARGUMENT where the details have been read.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_add_detail(
    status: *mut viaduct_status,
    type_url: *const c_char,
    value: viaduct_bytes,
) -> viaduct_result {
    with(status, |status| {
        let type_url = text(type_url, "the type URL")?.to_owned();
        let value = value.get("the detail")?.to_vec();
        if status.details.get().is_some() {
            return Err(invalid("the details have been read; expected them to be added before".into()));
        }
        status.added().push(Detail { type_url, value });
        Ok(())
    })
}

/// How many details there are; 0 where this is no status.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_detail_count(status: *const viaduct_status) -> usize {
    read(status, 0, |status| status.details().len())
}

/// The detail number `index`, from 0 on. Type URL and value belong to the status. `type_url` and
/// `value` may be NULL.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where there are not so many.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_status_detail(
    status: *const viaduct_status,
    index: usize,
    type_url: *mut *const c_char,
    value: *mut viaduct_bytes,
) -> viaduct_result {
    zero(type_url);
    zero(value);
    with(status, |status| {
        let (url, bytes) = status.details().get(index).ok_or_else(|| {
            Error::new(VIADUCT_RESULT_END, format!("the status has no detail number {index}"))
        })?;
        if let Some(place) = Out::optional(type_url) {
            place.set(url.as_ptr());
        }
        if let Some(place) = Out::optional(value) {
            place.set(viaduct_bytes::of(bytes));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::*;
    use super::*;
    use std::ptr::{null, null_mut};

    #[test]
    fn a_status_has_what_was_put_into_it() {
        let mut status = null_mut();
        assert_eq!(viaduct_status_new(5, c"gone".as_ptr(), &raw mut status), VIADUCT_RESULT_OK);
        assert_eq!(viaduct_status_code(status), 5);
        // SAFETY: the message belongs to the status.
        assert_eq!(unsafe { CStr::from_ptr(viaduct_status_message(status)) }, c"gone");
        let detail = viaduct_bytes::of(&[1, 0, 2]);
        assert_eq!(viaduct_status_add_detail(status, c"x/y.Z".as_ptr(), detail), VIADUCT_RESULT_OK);
        assert_eq!(viaduct_status_detail_count(status), 1);
        let (mut url, mut value) = (null(), viaduct_bytes::EMPTY);
        assert_eq!(viaduct_status_detail(status, 0, &raw mut url, &raw mut value), VIADUCT_RESULT_OK);
        // SAFETY: the URL belongs to the status.
        assert_eq!(unsafe { CStr::from_ptr(url) }, c"x/y.Z");
        assert_eq!(value.get("x").unwrap(), [1, 0, 2]);
        assert_eq!(viaduct_status_detail(status, 1, &raw mut url, &raw mut value), VIADUCT_RESULT_END);
        assert_eq!(viaduct_status_add_detail(status, c"a".as_ptr(), detail), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(viaduct_status_free(status), VIADUCT_RESULT_OK);
        assert_eq!(viaduct_status_new(17, null(), &raw mut status), VIADUCT_RESULT_INVALID_ARGUMENT);
        assert_eq!(viaduct_status_code(null()), -1);
    }
}
