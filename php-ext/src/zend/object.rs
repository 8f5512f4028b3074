//! Objects: making them, their properties and methods.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::class::RegisteredClass;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{
    IS_OBJECT_EX, ZEND_ACC_ABSTRACT, ZEND_ACC_PUBLIC, ZEND_ACC_STATIC, zend_call_known_function,
    zend_function, zend_hash_str_find, zend_read_property,
};
use ext_php_rs::flags::DataType;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;

use super::{exception_pending, sys};
use crate::errors::Thrown;

/// An object that somebody holds for `'a`.
///
/// This is no `&ZendObject`, because that would promise that nothing in the object changes. Every
/// holder changes its count of references at any time, and what is written there through a pointer
/// made from a `&` the optimizer drops (it did: a release build freed objects under PHP's feet).
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    raw: NonNull<ZendObject>,
    lifetime: PhantomData<&'a Zval>,
}

impl<'a> Object<'a> {
    /// The object that a value is, or refers to.
    pub(crate) fn of(value: &'a Zval) -> Option<Self> {
        let value = value.dereference();
        if !value.is_object() {
            return None;
        }
        // SAFETY: the value is an object, so this is the union's member.
        let raw = NonNull::new(unsafe { value.value.obj })?;
        Some(Self { raw, lifetime: PhantomData })
    }

    /// For the engine.
    pub(crate) fn as_ptr(self) -> *mut ZendObject {
        self.raw.as_ptr()
    }

    pub(crate) fn class(self) -> &'static ClassEntry {
        // SAFETY: the object is live, and a class lives longer than its objects.
        unsafe { &*(*self.as_ptr()).ce }
    }

    pub(crate) fn is_a(self, class: &ClassEntry) -> bool {
        self.class().instance_of(class)
    }

    /// A further reference to the object.
    pub(crate) fn share(self) -> ObjectBox {
        let mut value = Zval::new();
        // SAFETY: the object is live. Only this thread counts its references.
        unsafe { (*self.as_ptr()).gc.refcount += 1 };
        value.value.obj = self.as_ptr();
        value.u1.type_info = IS_OBJECT_EX;
        ObjectBox(value)
    }

    /// The Rust side of an object of ours; `None` for others, and while it is not constructed.
    pub(crate) fn rust<T: RegisteredClass>(self) -> Option<&'a T> {
        // SAFETY: the object is live for 'a; ext-php-rs looks whether it is one of T.
        ZendClassObject::<T>::from_zend_obj(unsafe { &*self.as_ptr() }).map(|object| &**object)
    }

    /// Reads a property, as code of the class `scope` would; null where it has no value.
    pub(crate) fn read(self, scope: &'static ClassEntry, name: &str) -> Zval {
        let mut temporary = Zval::new();
        // SAFETY: all pointers are live; what comes back is copied before anything else happens.
        unsafe {
            let value = zend_read_property(
                ptr::from_ref(scope).cast_mut(),
                self.as_ptr(),
                name.as_ptr().cast(),
                name.len(),
                true,
                &raw mut temporary,
            );
            value.as_ref().map_or_else(Zval::null, |value| value.dereference().shallow_clone())
        }
    }

    /// Writes the first declared property of an object's class, or of the class that it comes from.
    ///
    /// # Safety
    ///
    /// There is one, and it has no type.
    pub(crate) unsafe fn write_first(self, value: Zval) {
        // SAFETY: says the caller. What was there before is released after it was replaced.
        let slot = unsafe { &mut *(&raw mut (*self.as_ptr()).properties_table).cast::<Zval>() };
        drop(std::mem::replace(slot, value));
    }

    /// Writes a property, as code of the class `scope` would.
    pub(crate) fn write(self, scope: &'static ClassEntry, name: &str, mut value: Zval) {
        // SAFETY: all pointers are live; the engine takes references of its own.
        unsafe {
            sys::zend_update_property(
                ptr::from_ref(scope).cast_mut(),
                self.as_ptr(),
                name.as_ptr().cast(),
                name.len(),
                &raw mut value,
            );
        }
    }

    /// The case of an int-backed enum that the object is.
    pub(crate) fn case<E: RegisteredClass + TryFrom<i64>>(self) -> Option<E> {
        if !ptr::eq(self.class(), E::get_metadata().ce()) {
            return None;
        }
        // SAFETY: a case of a backed enum has two properties, `name` and `value`, in this order.
        // (The way through `ZendObject::get_properties` builds a hash table for each case.)
        let value = unsafe { &*(&raw const (*self.as_ptr()).properties_table).cast::<Zval>().add(1) };
        E::try_from(value.long()?).ok()
    }
}

/// An object with a reference of our own to it.
pub(crate) struct ObjectBox(Zval);

impl ObjectBox {
    /// A new object of a class; its constructor is not called.
    pub(crate) fn new(class: &'static ClassEntry) -> Result<Self, Thrown> {
        let mut value = Zval::new();
        // SAFETY: the class entry is live; the engine initializes `value`.
        unsafe {
            sys::object_init_ex(&raw mut value, ptr::from_ref(class).cast_mut());
        }
        if exception_pending() || !value.is_object() { Err(Thrown::Pending) } else { Ok(Self(value)) }
    }

    /// A new object of a class without properties of its own; it gets these.
    pub(crate) fn with_properties(
        class: &'static ClassEntry,
        properties: ZBox<ZendHashTable>,
    ) -> Result<Self, Thrown> {
        let object = Self::new(class)?;
        // SAFETY: the object is new: it has no table yet, and nobody else knows it.
        unsafe { (*object.get().as_ptr()).properties = properties.into_raw() };
        Ok(object)
    }

    /// # Safety
    ///
    /// The object is live, and the caller gives its reference away.
    pub(crate) unsafe fn from_raw(raw: NonNull<ZendObject>) -> Self {
        let mut value = Zval::new();
        value.value.obj = raw.as_ptr();
        value.u1.type_info = IS_OBJECT_EX;
        Self(value)
    }

    pub(crate) fn get(&self) -> Object<'_> {
        // SAFETY: the value is an object from the beginning to the end.
        let raw = unsafe { NonNull::new_unchecked(self.0.value.obj) };
        Object { raw, lifetime: PhantomData }
    }

    pub(crate) fn into_value(self) -> Zval {
        self.0
    }
}

impl IntoZval for ObjectBox {
    const TYPE: DataType = DataType::ANY_OBJECT;
    const NULLABLE: bool = false;

    fn set_zval(self, value: &mut Zval, _: bool) -> ext_php_rs::error::Result<()> {
        *value = self.0;
        Ok(())
    }
}

/// A method that can be called on objects of a class.
#[derive(Clone, Copy)]
pub(crate) struct Method(NonNull<zend_function>);

impl Method {
    /// The public method of that name (in lower case), if the class has it.
    pub(crate) fn find(class: &ClassEntry, lower_name: &str) -> Option<Self> {
        // SAFETY: the function table of a live class holds pointers to functions.
        unsafe {
            let entry = zend_hash_str_find(
                &raw const class.function_table,
                lower_name.as_ptr().cast(),
                lower_name.len(),
            );
            let function = NonNull::new(entry.as_ref()?.value.func)?;
            Self::callable(function)
        }
    }

    /// The constructor, if the class has one. The outer `None`: not everybody may call it.
    pub(crate) fn constructor(class: &ClassEntry) -> Option<Option<Self>> {
        match NonNull::new(class.constructor) {
            None => Some(None),
            // SAFETY: as in `find`.
            Some(function) => unsafe { Self::callable(function) }.map(Some),
        }
    }

    /// # Safety
    ///
    /// The function must be live.
    unsafe fn callable(function: NonNull<zend_function>) -> Option<Self> {
        // SAFETY: every kind of function begins with the common part.
        let flags = unsafe { (*function.as_ptr()).common.fn_flags };
        let callable = flags & (ZEND_ACC_PUBLIC | ZEND_ACC_STATIC | ZEND_ACC_ABSTRACT) == ZEND_ACC_PUBLIC;
        callable.then_some(Self(function))
    }

    /// Calls the method. No borrow of Rust data that PHP code could reach may be held meanwhile.
    pub(crate) fn call(self, object: Object<'_>, arguments: &mut [Zval]) -> Result<Zval, Thrown> {
        // What is called may drop the last reference that others hold.
        let _held = object.share();
        let mut result = Zval::new();
        // SAFETY: the function belongs to the object's class or a parent of it; the arguments live
        // until it returns, and the engine copies what it keeps.
        unsafe {
            zend_call_known_function(
                self.0.as_ptr(),
                object.as_ptr(),
                (*object.as_ptr()).ce,
                &raw mut result,
                u32::try_from(arguments.len()).unwrap_or(0),
                arguments.as_mut_ptr(),
                ptr::null_mut(),
            );
        }
        if exception_pending() { Err(Thrown::Pending) } else { Ok(result) }
    }
}

/// The names of a class' public methods that are called on objects, as they are written.
pub(crate) fn public_methods(class: &ClassEntry) -> Vec<String> {
    let mut names = Vec::new();
    for (_, entry) in super::array::Entries::of(&class.function_table) {
        // SAFETY: the function table of a live class holds pointers to functions, and every kind of
        // function begins with the common part.
        unsafe {
            let Some(function) = NonNull::new(entry.value.func) else { continue };
            let common = &(*function.as_ptr()).common;
            if common.fn_flags & (ZEND_ACC_PUBLIC | ZEND_ACC_STATIC) == ZEND_ACC_PUBLIC
                && let Some(name) = common.function_name.as_ref()
            {
                names.push(String::from_utf8_lossy(name.as_bytes()).into_owned());
            }
        }
    }
    names
}

/// A public constant of a class.
pub(crate) fn constant(class: &'static ClassEntry, name: &str) -> Result<Option<Zval>, Thrown> {
    let full = super::string(format!("{}::{name}", super::class_name(class)).as_bytes());
    let Some(defined) = crate::callable::Callable::new(&super::string(b"defined")) else { return Ok(None) };
    let Some(constant) = crate::callable::Callable::new(&super::string(b"constant")) else { return Ok(None) };
    if defined.call(&mut [full.shallow_clone()])?.bool() != Some(true) {
        return Ok(None);
    }
    constant.call(&mut [full]).map(Some)
}
