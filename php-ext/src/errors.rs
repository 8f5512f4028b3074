//! Exceptions: from Rust to PHP and back.

use std::ffi::CString;
use std::ptr::{self, NonNull};

use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{ext_php_rs_executor_globals, zend_throw_exception_object};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::{ClassEntry, ce};
use http::HeaderMap;
use viaduct::error::InvalidArgument;
use viaduct::status::decode_details;
use viaduct::{Code, Status};

use crate::api::exceptions;
use crate::api::status_code::StatusCode;
use crate::zend;
use crate::zend::object::{Object, ObjectBox};
use crate::{api::details, metadata};

/// What a function ends with instead of a value.
pub(crate) enum Thrown {
    /// PHP code that was called threw; the exception is on its way.
    Pending,
    /// An exception that is not thrown yet.
    Object(ObjectBox),
    /// A fatal error struck in a fiber: the engine unwinds as soon as our frames are gone.
    Bailout,
}

impl Thrown {
    /// Throws it.
    pub(crate) fn throw(self) {
        match self {
            Self::Pending => {}
            Self::Object(object) => {
                let mut value = object.into_value();
                // SAFETY: an exception object, whose reference the engine takes.
                unsafe { zend_throw_exception_object(&raw mut value) };
                std::mem::forget(value);
            }
            // SAFETY: whoever throws has nothing left to drop.
            Self::Bailout => unsafe { ext_php_rs::zend::bailout() },
        }
    }

    /// Takes the exception that is on its way, so that PHP code can be called again, or the
    /// exception kept and thrown elsewhere. `Err` where it is none that may be caught: `exit()`.
    pub(crate) fn catch(self) -> Result<ObjectBox, Self> {
        match self {
            Self::Object(object) => return Ok(object),
            Self::Bailout => return Err(self),
            Self::Pending => {}
        }
        // SAFETY: this is the thread that runs PHP; the reference goes from the globals to the box.
        unsafe {
            let pending = &raw mut (*ext_php_rs_executor_globals()).exception;
            match NonNull::new(*pending) {
                Some(exception) if (*(*exception.as_ptr()).ce).instance_of(ce::throwable()) => {
                    *pending = ptr::null_mut();
                    Ok(ObjectBox::from_raw(exception))
                }
                _ => Err(Self::Pending),
            }
        }
    }
}

impl From<InvalidArgument> for Thrown {
    fn from(error: InvalidArgument) -> Self {
        invalid_argument(error.to_string())
    }
}

/// A `Viaduct\InvalidArgumentException`.
#[cold]
pub(crate) fn invalid_argument(message: impl Into<String>) -> Thrown {
    exception(exceptions::INVALID_ARGUMENT.get(), &message.into(), 0, None)
}

/// A `Viaduct\LogicException`.
#[cold]
pub(crate) fn logic(message: impl Into<String>) -> Thrown {
    exception(exceptions::LOGIC.get(), &message.into(), 0, None)
}

/// A `Viaduct\RuntimeException`.
#[cold]
pub(crate) fn runtime(message: impl Into<String>) -> Thrown {
    exception(exceptions::RUNTIME.get(), &message.into(), 0, None)
}

/// An `\Error`: a mistake of the program's, or of ours.
#[cold]
pub(crate) fn error(message: String) -> Thrown {
    exception(ce::error(), &message, 0, None)
}

/// A `\TypeError`.
#[cold]
pub(crate) fn type_error(message: String) -> Thrown {
    exception(ce::type_error(), &message, 0, None)
}

/// `exit()`, once more: it unwinds to the end of the script.
pub(crate) fn exit() -> Thrown {
    // SAFETY: throws the engine's own exception for it; the exit status has been set before.
    unsafe { zend::sys::zend_throw_unwind_exit() };
    Thrown::Pending
}

/// Whether an `exit()` is on its way.
pub(crate) fn is_exit() -> bool {
    // SAFETY: this is the thread that runs PHP; the engine only looks at the object's class.
    unsafe {
        let pending = (*ext_php_rs_executor_globals()).exception;
        !pending.is_null() && zend::sys::zend_is_unwind_exit(pending)
    }
}

/// Warns of an exception that nobody will catch.
pub(crate) fn warn_of(exception: Object<'_>) {
    let base = if exception.is_a(ce::error()) { ce::error() } else { ce::exception() };
    let file = exception.read(base, "file");
    let file = file.zend_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    let text = format!(
        "Viaduct\\async(): nobody waited for a task that threw {}: {} in {}:{}",
        zend::class_name(exception.class()),
        message_of(exception),
        file.unwrap_or_default(),
        exception.read(base, "line").long().unwrap_or_default(),
    );
    let text = CString::new(text.replace('\0', "\\0")).unwrap_or_default();
    // A destructor must run while an exception is on its way; a handler for errors may throw another.
    // SAFETY: this is the thread that runs PHP, a format with one string; the exception is put back.
    unsafe {
        let pending = std::mem::replace(&mut (*ext_php_rs_executor_globals()).exception, ptr::null_mut());
        zend::sys::zend_error(
            i32::try_from(ext_php_rs::ffi::E_WARNING).unwrap_or(2),
            c"%s".as_ptr(),
            text.as_ptr(),
        );
        if zend::exception_pending()
            && let Ok(thrown) = Thrown::Pending.catch()
        {
            log(&format!("viaduct: a handler for errors threw: {}", describe(thrown.get())));
        }
        if !zend::exception_pending() {
            (*ext_php_rs_executor_globals()).exception = pending;
        }
    }
}

/// Takes an `exit()` that is on its way. Whether there was one.
pub(crate) fn take_exit() -> bool {
    // SAFETY: this is the thread that runs PHP; the reference goes from the globals to the box.
    unsafe {
        let pending = &raw mut (*ext_php_rs_executor_globals()).exception;
        match NonNull::new(*pending) {
            Some(exception) if zend::sys::zend_is_unwind_exit(exception.as_ptr()) => {
                *pending = ptr::null_mut();
                drop(ObjectBox::from_raw(exception));
                true
            }
            _ => false,
        }
    }
}

/// The whole text of an exception: class, message, file, line, trace, and what led to it.
pub(crate) fn describe(exception: Object<'_>) -> String {
    let text = zend::object::Method::find(exception.class(), "__tostring")
        .map(|method| method.call(exception, &mut []))
        .transpose();
    match text {
        Ok(Some(text)) => text.zend_str().map(|t| String::from_utf8_lossy(t.as_bytes()).into_owned()),
        // An exception whose text throws an exception.
        Ok(None) => None,
        Err(thrown) => thrown.catch().map(drop).ok().and(None),
    }
    .unwrap_or_else(|| format!("{}: {}", zend::class_name(exception.class()), message_of(exception)))
}

/// Writes to PHP's error log.
pub(crate) fn log(message: &str) {
    // LOG_ERR
    const SEVERITY: std::ffi::c_int = 3;
    let text = CString::new(message.replace('\0', "\\0")).unwrap_or_default();
    // SAFETY: the text lives until the function returns.
    unsafe { zend::sys::php_log_err_with_severity(text.as_ptr(), SEVERITY) };
}

/// The exception for a call that did not end Ok: a `CancelledException` where the code is Cancelled,
/// else a `RpcException`.
pub(crate) fn rpc_exception(status: &Status, trailers: &HeaderMap) -> Thrown {
    let class = match status.code() {
        Code::Cancelled => exceptions::CANCELLED.get(),
        _ => exceptions::RPC.get(),
    };
    rpc(class, status, trailers, None)
}

/// As [`rpc_exception`], for a call that this side has made.
pub(crate) fn call_exception(method: &str, status: &Status, trailers: &HeaderMap) -> Thrown {
    let thrown = rpc_exception(status, trailers);
    if let Thrown::Object(exception) = &thrown {
        exception.get().write(exceptions::RPC.get(), exceptions::METHOD, zend::string(method.as_bytes()));
    }
    thrown
}

/// A `CancelledException` whatever the code: for a handler that waits when its deadline passes.
pub(crate) fn cancelled_exception(status: &Status, trailers: &HeaderMap) -> Thrown {
    rpc(exceptions::CANCELLED.get(), status, trailers, None)
}

/// As [`rpc_exception`], with what led to it.
pub(crate) fn rpc_exception_from(status: &Status, previous: ObjectBox) -> Thrown {
    rpc(exceptions::RPC.get(), status, &HeaderMap::new(), Some(previous))
}

fn rpc(
    class: &'static ClassEntry,
    status: &Status,
    trailers: &HeaderMap,
    previous: Option<ObjectBox>,
) -> Thrown {
    let code = StatusCode::from(status.code());
    let thrown = exception(class, status.message(), i64::from(code), previous);
    if let Thrown::Object(exception) = thrown {
        let outcome = fill(
            exception.get(),
            code,
            details::to_php(&decode_details(status.details())),
            metadata::to_php(trailers),
        );
        return outcome.err().unwrap_or(Thrown::Object(exception));
    }
    thrown
}

/// Sets what a `RpcException` has beside what every exception has. `details` and `trailers` are in
/// the form in which its methods return them.
pub(crate) fn fill(
    exception: Object<'_>,
    code: StatusCode,
    details: Zval,
    trailers: Zval,
) -> Result<(), Thrown> {
    let scope = exceptions::RPC.get();
    let code = code.into_zval(false).map_err(|e| error(format!("no case of StatusCode: {e}")))?;
    exception.write(scope, exceptions::CODE, code);
    exception.write(scope, exceptions::DETAILS, details);
    exception.write(scope, exceptions::TRAILERS, trailers);
    Ok(())
}

/// An exception object with file, line and trace of the PHP code that runs.
pub(crate) fn exception(
    class: &'static ClassEntry,
    message: &str,
    code: i64,
    previous: Option<ObjectBox>,
) -> Thrown {
    let exception = match ObjectBox::new(class) {
        Ok(exception) => exception,
        Err(thrown) => return thrown,
    };
    let base = if class.instance_of(ce::error()) { ce::error() } else { ce::exception() };
    exception.get().write(base, "message", zend::string(message.as_bytes()));
    if code != 0 {
        let mut value = Zval::new();
        value.set_long(code);
        exception.get().write(base, "code", value);
    }
    if let Some(previous) = previous {
        exception.get().write(base, "previous", previous.into_value());
    }
    Thrown::Object(exception)
}

/// Sets where an exception says that it was thrown.
pub(crate) fn set_place(exception: Object<'_>, file: &str, line: u32) {
    let base = if exception.is_a(ce::error()) { ce::error() } else { ce::exception() };
    exception.write(base, "file", zend::string(file.as_bytes()));
    let mut value = Zval::new();
    value.set_long(i64::from(line));
    exception.write(base, "line", value);
}

/// The status and trailers that a `RpcException` stands for; `None` for other objects.
pub(crate) fn status_of(exception: Object<'_>) -> Option<(Status, HeaderMap)> {
    let scope = exceptions::RPC.get();
    if !exception.is_a(scope) {
        return None;
    }
    // A subclass may leave the parent's constructor out: what is missing then is Unknown and empty.
    let code = exception.read(scope, exceptions::CODE);
    let code = Object::of(&code).and_then(Object::case).map_or(Code::Unknown, StatusCode::code);
    let message = message_of(exception);
    let details = exception.read(scope, exceptions::DETAILS);
    let details = details.array().map(details::from_normal_form).unwrap_or_default();
    let trailers = exception.read(scope, exceptions::TRAILERS);
    let trailers = trailers.array().map(metadata::from_normal_form).unwrap_or_default();
    let packed = viaduct::status::encode_details(code, &message, &details);
    Some((Status::with_details(code, message, packed), trailers))
}

/// The message of an exception; what is not UTF-8 in it is replaced.
pub(crate) fn message_of(exception: Object<'_>) -> String {
    let base = if exception.is_a(ce::error()) { ce::error() } else { ce::exception() };
    let message = exception.read(base, "message");
    message.zend_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).unwrap_or_default()
}

/// Reports a failure of MINIT, which ends the process' start.
pub(crate) fn startup_failure(message: &str) {
    let text = CString::new(message).unwrap_or_default();
    // SAFETY: a format with one string.
    unsafe {
        ext_php_rs::ffi::php_error_docref(
            ptr::null(),
            i32::try_from(ext_php_rs::ffi::E_CORE_ERROR).unwrap_or(16),
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}
