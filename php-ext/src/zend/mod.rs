//! What we need of the Zend engine beside ext-php-rs.
//!
//! ext-php-rs registers the module and its classes; functions and methods are ours, because its
//! attributes (`#[php_impl]`, `#[php_function]`) cannot say everything that the stubs say, and
//! convert arguments by rules of their own. So that PHP sees what it would see of a class of PHP's:
//!
//! - **Arguments** are read by [`call::Arguments`] with the engine's own conversions: `strict_types`,
//!   coercion, deprecations and the text of every TypeError are those of PHP's functions.
//! - **Signatures** are written with [`FunctionBuilder`] and [`Arg`]; Reflection shows them as they
//!   are written, and `tests-php/stubs/reflection.phpt` holds them against the stubs. The default is
//!   the text of a PHP expression with full names, `"Viaduct\\Compression::None"` among them: the
//!   engine compiles it where a named argument leaves a gap, so it must be there for every optional
//!   parameter. Types of classes are `DataType::object("Viaduct\\Status")`, unions of classes are
//!   `DataType::object("A|B")`, `object` is `DataType::ANY_OBJECT`; `.returns(type, false, nullable)`,
//!   and `DataType::Void` where nothing is returned.
//! - **Classes** whose objects carry Rust data are made by [`rust_class!`](crate::zend::class::rust_class);
//!   classes whose objects do not, by [`class::Plain`]. The latter is needed under `\Exception`, whose
//!   own `create_object` sets file, line and trace.
//! - **Enums** are registered by [`class::register_enum`], which makes them final.
//! - **Objects** of others are [`object::Object`] and [`object::ObjectBox`], never `&ZendObject`.
//! - **Handlers** come from [`handler!`](crate::zend::call::handler), which stands between a panic and
//!   the engine, and throws what the function returns as [`Thrown`](crate::errors::Thrown).
//!
//! [`FunctionBuilder`]: ext_php_rs::builders::FunctionBuilder
//! [`Arg`]: ext_php_rs::args::Arg

pub(crate) mod array;
pub(crate) mod call;
pub(crate) mod class;
pub(crate) mod collect;
pub(crate) mod iterator;
pub(crate) mod object;
pub(crate) mod switch;
pub(crate) mod sys;
pub(crate) mod walk;

use std::ffi::CStr;
use std::ptr;

use ext_php_rs::ffi::{ext_php_rs_compiler_globals, ext_php_rs_executor_globals, zend_lookup_class_ex};
use ext_php_rs::types::{ZendStr, Zval};
use ext_php_rs::zend::ClassEntry;

use crate::errors::Thrown;

/// Whether PHP code that was called has thrown.
pub(crate) fn exception_pending() -> bool {
    // SAFETY: the globals live as long as the process, and this is the thread that runs PHP.
    unsafe { !(*ext_php_rs_executor_globals()).exception.is_null() }
}

/// Whether a fatal error has struck: no PHP code runs any more but shutdown functions.
pub(crate) fn is_fatal() -> bool {
    // SAFETY: the globals live as long as the process, and this is the thread that runs PHP.
    unsafe { (*ext_php_rs_compiler_globals()).unclean_shutdown }
}

/// The class of that name, loaded if need be. Leading backslash or not.
///
/// A class of PHP code lives until the end of the request: the reference must not be kept longer.
pub(crate) fn find_class(name: &ZendStr) -> Result<Option<&'static ClassEntry>, Thrown> {
    // SAFETY: the name is a live string, which the engine only reads.
    let class = unsafe { zend_lookup_class_ex(name.as_ptr().cast_mut(), ptr::null_mut(), 0).as_ref() };
    if exception_pending() { Err(Thrown::Pending) } else { Ok(class) }
}

/// The type of a value, as PHP names it in its own messages: `int`, `array`, `Foo\Bar`.
pub(crate) fn type_name(value: &Zval) -> String {
    let value = value.dereference();
    if let Some(object) = object::Object::of(value) {
        return class_name(object.class());
    }
    let name = match value {
        v if v.is_null() => "null",
        v if v.is_bool() => "bool",
        v if v.is_long() => "int",
        v if v.is_double() => "float",
        v if v.is_string() => "string",
        v if v.is_array() => "array",
        _ => "resource",
    };
    name.to_owned()
}

/// The full name of a class. (That of an anonymous class goes on after a NUL, with the file.)
pub(crate) fn class_name(class: &ClassEntry) -> String {
    // SAFETY: a class entry has a name as long as it lives.
    let name = unsafe { class.name.as_ref() }.map_or(&[][..], |name| name.as_bytes());
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The value of an ini setting; empty where it has none.
pub(crate) fn setting(name: &CStr) -> Vec<u8> {
    // SAFETY: the name lives; what comes back is null or a text that the engine keeps.
    unsafe {
        let value = sys::zend_ini_string(name.as_ptr(), name.count_bytes(), 0);
        if value.is_null() { Vec::new() } else { CStr::from_ptr(value).to_bytes().to_vec() }
    }
}

/// A string value made of bytes.
pub(crate) fn string(bytes: &[u8]) -> Zval {
    let mut value = Zval::new();
    value.set_zend_string(ZendStr::new(bytes, false));
    value
}
