//! `Viaduct\RpcException`, `CancelledException`, `InvalidArgumentException`, `LogicException`, `RuntimeException`, and
//! the interface `Exception` that they have in common.
//!
//! They have no Rust data and no `create_object` of their own: the one they inherit from
//! `\Exception` sets file, line and trace, and PHP classes can extend them.

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::ZEND_ACC_PRIVATE;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ce};

use super::details;
use super::status_code::StatusCode;
use crate::errors::{self, Thrown};
use crate::metadata;
use crate::zend::call::{Call, Case, Throwable, handler};
use crate::zend::class::{Plain, Type, declare, empty_array};
use crate::zend::object::{Method, Object};
use crate::zend::{string, sys};

pub(crate) static RPC: Plain = Plain::new();
pub(crate) static CANCELLED: Plain = Plain::new();
pub(crate) static INVALID_ARGUMENT: Plain = Plain::new();
pub(crate) static LOGIC: Plain = Plain::new();
pub(crate) static RUNTIME: Plain = Plain::new();
static EXCEPTION: Plain = Plain::new();

/// Private properties of `RpcException`. The last three are as their methods return them.
pub(crate) const CODE: &str = "statusCode";
pub(crate) const METHOD: &str = "method";
pub(crate) const DETAILS: &str = "details";
pub(crate) const TRAILERS: &str = "trailers";

/// Registers the classes; in MINIT.
pub(crate) fn register() -> ext_php_rs::error::Result<()> {
    ClassBuilder::new("Viaduct\\Exception")
        .flags(ClassFlags::Interface)
        .implements((ce::throwable, "Throwable"))
        .registration(|class, signatures| EXCEPTION.set(class, signatures))
        .register()?;
    ClassBuilder::new("Viaduct\\RpcException")
        .implements((|| EXCEPTION.get(), "Viaduct\\Exception"))
        // SAFETY: (of this and those below) SPL's MINIT ran before ours; its classes stay.
        .extends((|| parent(unsafe { sys::spl_ce_RuntimeException }), "RuntimeException"))
        .method(
            FunctionBuilder::constructor(handler!(construct))
                .arg(Arg::new("code", DataType::object("Viaduct\\StatusCode")))
                .arg(Arg::new("message", DataType::String).default("''"))
                .arg(Arg::new("details", DataType::Array).default("[]"))
                .arg(Arg::new("trailers", DataType::Array).default("[]"))
                .arg(Arg::new("previous", DataType::object("Throwable")).allow_null().default("null"))
                .required_args(1),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("statusCode", handler!(status_code)).returns(
                DataType::object("Viaduct\\StatusCode"),
                false,
                false,
            ),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("details", handler!(details_of)).returns(DataType::Array, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("trailers", handler!(trailers)).returns(DataType::Array, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("method", handler!(method_of)).returns(DataType::String, false, true),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("__toString", handler!(to_text)).returns(DataType::String, false, false),
            MethodFlags::Public,
        )
        .registration(|class, signatures| {
            let private = ZEND_ACC_PRIVATE.cast_signed();
            declare(class, CODE, &Type::Class("Viaduct\\StatusCode"), private, None);
            declare(class, METHOD, &Type::Any, private, None);
            declare(class, DETAILS, &Type::Of(DataType::Array), private, Some(empty_array()));
            declare(class, TRAILERS, &Type::Of(DataType::Array), private, Some(empty_array()));
            RPC.set(class, signatures);
        })
        .register()?;
    ClassBuilder::new("Viaduct\\CancelledException")
        .extends((|| RPC.get(), "Viaduct\\RpcException"))
        .registration(|class, signatures| CANCELLED.set(class, signatures))
        .register()?;
    ClassBuilder::new("Viaduct\\InvalidArgumentException")
        .implements((|| EXCEPTION.get(), "Viaduct\\Exception"))
        // SAFETY: as above.
        .extends((|| parent(unsafe { sys::spl_ce_InvalidArgumentException }), "InvalidArgumentException"))
        .registration(|class, signatures| INVALID_ARGUMENT.set(class, signatures))
        .register()?;
    ClassBuilder::new("Viaduct\\LogicException")
        .implements((|| EXCEPTION.get(), "Viaduct\\Exception"))
        // SAFETY: as above.
        .extends((|| parent(unsafe { sys::spl_ce_LogicException }), "LogicException"))
        .registration(|class, signatures| LOGIC.set(class, signatures))
        .register()?;
    ClassBuilder::new("Viaduct\\RuntimeException")
        .implements((|| EXCEPTION.get(), "Viaduct\\Exception"))
        // SAFETY: as above.
        .extends((|| parent(unsafe { sys::spl_ce_RuntimeException }), "RuntimeException"))
        .registration(|class, signatures| RUNTIME.set(class, signatures))
        .register()
}

fn parent(class: *mut ClassEntry) -> &'static ClassEntry {
    // SAFETY: null or a class of SPL, which lives as long as the process.
    unsafe { class.as_ref() }.unwrap_or_else(ce::exception)
}

fn construct(call: Call<'_>) -> Result<(), Thrown> {
    let arguments = call.arguments(1..=5)?;
    let Case(code) = arguments.get::<Case<StatusCode>>(0)?;
    let message = if arguments.count() > 1 { Some(arguments.get::<&ZendStr>(1)?) } else { None };
    let details = if arguments.count() > 2 { Some(arguments.get::<&ZendHashTable>(2)?) } else { None };
    let trailers = if arguments.count() > 3 { Some(arguments.get::<&ZendHashTable>(3)?) } else { None };
    let previous = arguments.nullable::<Throwable<'_>>(4)?;

    if code == StatusCode::Ok {
        return Err(errors::invalid_argument("code is StatusCode::Ok; expected one that is not Ok"));
    }
    let details = details.map(details::from_php).transpose()?.unwrap_or_default();
    let trailers = trailers.map(|map| metadata::from_php(map, "trailers")).transpose()?.unwrap_or_default();

    let this = call.object()?;
    let base = ce::exception();
    // A subclass may have a message of its own as the property's default.
    if let Some(message) = message.filter(|message| !message.is_empty()) {
        this.write(base, "message", string(message.as_bytes()));
    }
    let mut number = Zval::new();
    number.set_long(i64::from(code));
    this.write(base, "code", number);
    if let Some(Throwable(previous)) = previous {
        this.write(base, "previous", previous.share().into_value());
    }
    errors::fill(this, code, details::to_php(&details), metadata::to_php(&trailers))
}

fn status_code(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let code = call.object()?.read(RPC.get(), CODE);
    if code.is_object() {
        return Ok(code);
    }
    // A subclass left the parent's constructor out.
    StatusCode::Unknown.into_zval(false).map_err(|e| errors::error(e.to_string()))
}

fn details_of(call: Call<'_>) -> Result<Zval, Thrown> {
    property(call, DETAILS)
}

fn trailers(call: Call<'_>) -> Result<Zval, Thrown> {
    property(call, TRAILERS)
}

fn method_of(call: Call<'_>) -> Result<Zval, Thrown> {
    property(call, METHOD)
}

/// The text of an exception that nobody has caught: the message has code and method before it.
fn to_text(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.object()?;
    let message = this.read(ce::exception(), "message");
    let code = this.read(RPC.get(), CODE);
    let code = Object::of(&code).map(|case| case.read(case.class(), "name"));
    let code = code
        .as_ref()
        .and_then(Zval::zend_str)
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
    let code = code.as_deref().unwrap_or("Unknown");
    let method = this.read(RPC.get(), METHOD);
    let of = method.zend_str().map(|method| format!(" ({})", String::from_utf8_lossy(method.as_bytes())));
    let text = message.zend_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    let with_code = format!("{code}{}: {}", of.unwrap_or_default(), text.unwrap_or_default());
    let Some(parents) = Method::find(ce::exception(), "__tostring") else {
        return Ok(string(with_code.as_bytes()));
    };
    // As PHP writes it, with what led to it and the trace.
    this.write(ce::exception(), "message", string(with_code.as_bytes()));
    let text = parents.call(this, &mut []);
    this.write(ce::exception(), "message", message);
    text
}

fn property(call: Call<'_>, name: &str) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(call.object()?.read(RPC.get(), name))
}
