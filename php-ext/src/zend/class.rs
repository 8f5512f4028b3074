//! Classes: those whose objects carry Rust data, and those that do not.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::args::{Arg, ArgInfoTables};
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::{ClassBuilder, EnumBuilder, FunctionBuilder};
use ext_php_rs::class::{ConstructorMeta, ConstructorResult, RegisteredClass};
use ext_php_rs::convert::IntoZval;
use ext_php_rs::enum_::RegisteredEnum;
use ext_php_rs::ffi::_ZEND_TYPE_NAME_BIT;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ExecuteData, ce};

use super::call::Call;
use super::sys;
use crate::errors::{self, Thrown};

/// What a class' methods are written as.
pub(crate) type Methods = Vec<(FunctionBuilder<'static>, MethodFlags)>;

/// A class whose objects carry a Rust value.
///
/// Implement this, and put [`rust_class!`] beside it. PHP can neither clone nor serialize the
/// objects; unless the class is [`OPEN`], nor extend it, nor add properties to the objects.
pub(crate) trait Class: RegisteredClass {
    /// The flags of the class.
    const FLAGS: ClassFlags = ClassFlags::Final.union(ClassFlags::NoDynamicProperties);

    /// Private, unless the class says otherwise: then PHP cannot make objects.
    const CONSTRUCTOR: MethodFlags = MethodFlags::Private;

    /// The constructor's parameters.
    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        constructor
    }

    /// The constructor.
    fn construct(_: Call<'_>) -> Result<Self, Thrown> {
        Err(errors::error(format!("objects of {} are made by the extension", Self::CLASS_NAME)))
    }

    /// All other methods.
    fn methods() -> Methods {
        Vec::new()
    }

    /// Declares properties, for classes that [`register_here`] registers.
    fn properties(_: &mut ClassEntry) {}

    /// A PHP object around the value.
    fn into_object(self) -> ZBox<ZendClassObject<Self>> {
        ZendClassObject::new(self)
    }

    /// What [`rust_class!`] tells ext-php-rs about the constructor.
    fn constructor_meta() -> ConstructorMeta<Self> {
        fn run<T: Class>(frame: &mut ExecuteData) -> ConstructorResult<T> {
            let call = Call::new(frame);
            // A second call would pull the value from under whoever borrows it.
            let outcome = match call.this::<T>() {
                Ok(_) => Err(errors::error(format!("the {} is constructed already", T::CLASS_NAME))),
                Err(_) => T::construct(call),
            };
            match outcome {
                Ok(value) => ConstructorResult::Ok(value),
                Err(thrown) => {
                    thrown.throw();
                    ConstructorResult::ArgError
                }
            }
        }
        ConstructorMeta {
            constructor: run::<Self>,
            build_fn: Self::signature,
            flags: Some(Self::CONSTRUCTOR),
        }
    }
}

/// Makes a [`Class`] the Rust side of a PHP class:
/// `rust_class!(ServerStream, "Viaduct\\ServerStream", implements(SERVER_STREAM_INTERFACE))`.
macro_rules! rust_class {
    ($type:ty, $name:literal $(, implements $interface:expr)?) => {
        impl ::ext_php_rs::class::RegisteredClass for $type {
            const CLASS_NAME: &'static str = $name;
            const BUILDER_MODIFIER: Option<
                fn(::ext_php_rs::builders::ClassBuilder) -> ::ext_php_rs::builders::ClassBuilder,
            > = None;
            const EXTENDS: Option<::ext_php_rs::class::ClassEntryInfo> = None;
            const IMPLEMENTS: &'static [::ext_php_rs::class::ClassEntryInfo] = &[$($interface)?];
            const FLAGS: ::ext_php_rs::flags::ClassFlags = <Self as $crate::zend::class::Class>::FLAGS;

            fn get_metadata() -> &'static ::ext_php_rs::class::ClassMetadata<Self> {
                static METADATA: ::ext_php_rs::class::ClassMetadata<$type> =
                    ::ext_php_rs::class::ClassMetadata::new(&[]);
                &METADATA
            }

            fn method_builders() -> $crate::zend::class::Methods {
                <Self as $crate::zend::class::Class>::methods()
            }

            fn constructor() -> Option<::ext_php_rs::class::ConstructorMeta<Self>> {
                Some(<Self as $crate::zend::class::Class>::constructor_meta())
            }

            fn constants() -> &'static [(
                &'static str,
                &'static dyn ::ext_php_rs::convert::IntoZvalDyn,
                ::ext_php_rs::describe::DocComments,
                ::ext_php_rs::flags::ConstantFlags,
            )] {
                &[]
            }
        }
    };
}
pub(crate) use rust_class;

/// Registers an enum; in MINIT. `ModuleBuilder::enumeration` would leave it open to inheritance:
/// the engine makes enums of PHP code final, but not those of extensions.
pub(crate) fn register_enum<E: RegisteredClass + RegisteredEnum>() -> ext_php_rs::error::Result<()> {
    let mut builder = EnumBuilder::new(E::CLASS_NAME);
    for case in E::CASES {
        builder = builder.case(case);
    }
    builder
        .registration(|class, signatures| {
            class.ce_flags |= ClassFlags::Final.bits();
            E::get_metadata().set_arg_info(signatures);
            E::get_metadata().set_ce(class);
        })
        .register()
}

/// Flags of a class that PHP classes can extend.
pub(crate) const OPEN: ClassFlags = ClassFlags::empty();

/// A parameter without a type, in classes that [`register_here`] registers.
pub(crate) fn untyped(name: &str) -> Arg<'static> {
    Arg::new(name, DataType::Undef)
}

/// Registers a class whose methods may have [`untyped`] parameters, or some that are [`hide`]den; in MINIT.
/// `ModuleBuilder::class` knows neither those nor untyped properties.
pub(crate) fn register_here<T: Class>() -> ext_php_rs::error::Result<()> {
    let mut builder = ClassBuilder::new(T::CLASS_NAME);
    for (method, flags) in T::methods() {
        builder = builder.method(method, flags);
    }
    builder
        .flags(<T as Class>::FLAGS)
        .object_override::<T>()
        .registration(|class, signatures| {
            remove_undefined_types(class);
            T::properties(class);
            T::get_metadata().set_arg_info(signatures);
            T::get_metadata().set_ce(class);
        })
        .register()
}

/// Leaves what a method's parameters are given out of backtraces, as `#[\SensitiveParameter]` does; in MINIT, behind
/// [`register_here`].
pub(crate) fn hide<T: Class>(lower_name: &str, parameters: &[u32]) {
    const PERSISTENT: u32 = 1;
    let class = T::get_metadata().ce();
    // SAFETY: MINIT, and a class of ours. The engine copies the name, and frees the attributes with the function.
    unsafe {
        let entry = ext_php_rs::ffi::zend_hash_str_find(
            &raw const class.function_table,
            lower_name.as_ptr().cast(),
            lower_name.len(),
        );
        let Some(function) = entry.as_ref().and_then(|entry| entry.value.func.as_mut()) else { return };
        for number in parameters {
            let name = ZendStr::new_interned("SensitiveParameter", true).into_raw();
            let attributes = &raw mut function.common.attributes;
            sys::zend_add_attribute(attributes.cast(), name, 0, PERSISTENT, number + 1, 0);
        }
    }
}

/// Makes parameters of the type [`DataType::Undef`], which no value has, parameters without a type.
fn remove_undefined_types(class: &ClassEntry) {
    // `ZEND_ACC_HAS_TYPE_HINTS`
    const HAS_TYPES: u32 = 1 << 8;
    const UNDEFINED: u32 = 1 << ext_php_rs::ffi::IS_UNDEF;
    for (_, entry) in super::array::Entries::of(&class.function_table) {
        // SAFETY: MINIT. The function table of a class of ours holds pointers to functions of ours, each
        // with as many parameters as it says, in memory that ext-php-rs or the engine has allocated.
        unsafe {
            let Some(function) = entry.value.func.as_mut() else { continue };
            let common = &mut function.common;
            let mut typed = false;
            for n in 0..common.num_args as usize {
                let of = &mut (*common.arg_info.add(n)).type_;
                if of.type_mask & ((1 << _ZEND_TYPE_NAME_BIT.trailing_zeros()) - 1) == UNDEFINED {
                    of.type_mask &= !UNDEFINED;
                } else {
                    typed = true;
                }
            }
            if !typed {
                common.fn_flags &= !HAS_TYPES;
            }
        }
    }
}

/// A class without Rust data: registered in MINIT with a `ClassBuilder` of its own, and found here.
pub(crate) struct Plain(AtomicPtr<ClassEntry>);

impl Plain {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// To be called in the builder's `registration`.
    pub(crate) fn set(&self, class: &'static mut ClassEntry, signatures: ArgInfoTables) {
        // The engine refers to the signatures as long as the process lives.
        Box::leak(signatures);
        self.0.store(class, Ordering::Release);
    }

    /// The class. (Before MINIT there is none, and no PHP code either.)
    pub(crate) fn get(&self) -> &'static ClassEntry {
        // SAFETY: null, or a class of this module, which lives as long as the process.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }.unwrap_or_else(ce::exception)
    }
}

/// A property's type.
pub(crate) enum Type {
    /// None: the property takes every value.
    Any,
    Of(DataType),
    /// A class, by its full name.
    Class(&'static str),
}

/// Declares a property. `flags` are those of the engine (`ZEND_ACC_…`).
pub(crate) fn declare(class: &mut ClassEntry, name: &str, of: &Type, flags: i32, default: Option<Zval>) {
    use ext_php_rs::ffi::zend_type;
    use ext_php_rs::flags::DataTypeExt as _;

    let of = match of {
        Type::Any => zend_type { ptr: ptr::null_mut(), type_mask: 0 },
        Type::Of(plain) => zend_type { ptr: ptr::null_mut(), type_mask: 1 << plain.as_u32() },
        Type::Class(name) => zend_type {
            ptr: ZendStr::new_interned(name, true).into_raw().cast(),
            type_mask: _ZEND_TYPE_NAME_BIT,
        },
    };
    let mut default = default.unwrap_or_else(|| {
        let mut none = Zval::new();
        none.u1.type_info = ext_php_rs::ffi::IS_UNDEF;
        none
    });
    // SAFETY: MINIT; interned strings live as long as the process, and defaults of internal classes
    // are values without a reference count.
    unsafe {
        sys::zend_declare_typed_property(
            class,
            ZendStr::new_interned(name, true).into_raw(),
            &raw mut default,
            flags,
            ptr::null_mut(),
            of,
        );
    }
    std::mem::forget(default);
}

/// An array, or the empty one that needs no memory.
pub(crate) fn array_or_empty(
    array: Option<ext_php_rs::boxed::ZBox<ext_php_rs::types::ZendHashTable>>,
) -> Zval {
    let Some(array) = array else { return empty_array() };
    let mut value = Zval::new();
    value.set_hashtable(array);
    value
}

/// The empty array that needs no memory.
pub(crate) fn empty_array() -> Zval {
    let mut value = Zval::new();
    // It sets an immutable array, and cannot fail.
    let _ = ext_php_rs::types::ZendEmptyArray.set_zval(&mut value, false);
    value
}

/// Flags of a final class without Rust data.
pub(crate) const FINAL: ClassFlags =
    ClassFlags::Final.union(ClassFlags::NoDynamicProperties).union(ClassFlags::NotSerializable);
