//! `Viaduct\Status`

use std::sync::OnceLock;

use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{ZEND_ACC_PUBLIC, object_properties_init, std_object_handlers, zend_objects_new};
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::ZendObject;
use ext_php_rs::zend::{ClassEntry, ZendObjectHandlers};
use viaduct::Status;
use viaduct::status::decode_details;

use super::details;
use super::status_code::StatusCode;
use crate::errors::{self, Thrown};
use crate::zend::call::{Call, handler};
use crate::zend::class::{FINAL, Plain, Type, declare};
use crate::zend::object::{Object, ObjectBox};
use crate::zend::{string, sys};

static CLASS: Plain = Plain::new();

/// The handlers of PHP's plain objects, without `clone`.
static HANDLERS: OnceLock<ZendObjectHandlers> = OnceLock::new();

/// Registers the class; in MINIT.
///
/// It has no Rust data: what it knows are its readonly properties.
pub(crate) fn register() -> ext_php_rs::error::Result<()> {
    ClassBuilder::new("Viaduct\\Status")
        .flags(FINAL)
        .method(FunctionBuilder::constructor(handler!(construct)), MethodFlags::Private)
        .method(
            FunctionBuilder::new("isOk", handler!(is_ok)).returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .registration(|class, signatures| {
            let flags = ZEND_ACC_PUBLIC.cast_signed() | sys::ACC_READONLY;
            declare(class, "code", &Type::Class("Viaduct\\StatusCode"), flags, None);
            declare(class, "message", &Type::Of(DataType::String), flags, None);
            declare(class, "details", &Type::Of(DataType::Array), flags, None);
            class.__bindgen_anon_2.create_object = Some(create);
            CLASS.set(class, signatures);
        })
        .register()
}

unsafe extern "C" fn create(class: *mut ClassEntry) -> *mut ZendObject {
    let handlers = HANDLERS.get_or_init(|| {
        // SAFETY: set by the engine before any module starts.
        let mut handlers = unsafe { std_object_handlers };
        handlers.clone_obj = None;
        handlers
    });
    // SAFETY: the engine gives a live class; the object is made as the engine makes plain ones.
    unsafe {
        let object = zend_objects_new(class);
        object_properties_init(object, class);
        (*object).handlers = handlers;
        object
    }
}

/// A `Viaduct\Status`.
pub(crate) fn object_of(status: &Status) -> Result<ObjectBox, Thrown> {
    let class = CLASS.get();
    let object = ObjectBox::new(class)?;
    let code = StatusCode::from(status.code()).into_zval(false);
    object.get().write(class, "code", code.map_err(|e| errors::error(e.to_string()))?);
    object.get().write(class, "message", string(status.message().as_bytes()));
    object.get().write(class, "details", details::to_php(&decode_details(status.details())));
    Ok(object)
}

fn construct(_: Call<'_>) -> Result<(), Thrown> {
    Err(errors::error("objects of Viaduct\\Status are made by the extension".into()))
}

fn is_ok(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    let code = call.object()?.read(CLASS.get(), "code");
    Ok(Object::of(&code).and_then(Object::case) == Some(StatusCode::Ok))
}
