//! PHP's fibers, driven from Rust.
//!
//! The engine exports no functions that start one, so PHP's own method is called. A fiber of ours runs a
//! native function from its first frame on, and that function serves one job after the other: making a
//! fiber costs a stack, switching ([`zend::switch`](crate::zend::switch)) costs little.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::ffi::{
    ZEND_INTERNAL_FUNCTION, ext_php_rs_executor_globals, zend_call_known_function, zend_class_entry,
    zend_function, zend_hash_str_find, zend_internal_function, zend_object, zval,
};
use ext_php_rs::types::{ZendStr, Zval};
use ext_php_rs::zend::{CatchError, ClassEntry, ExecuteData, try_catch};

use crate::errors::{self, Thrown};
use crate::zend::switch::Raw;
use crate::zend::{call, exception_pending, sys};

unsafe extern "C" {
    static zend_ce_fiber: *mut zend_class_entry;
    fn zend_create_closure(
        out: *mut zval,
        function: *mut zend_function,
        scope: *mut zend_class_entry,
        called_scope: *mut zend_class_entry,
        this: *mut zval,
    );
}

/// A fiber.
#[derive(Debug)]
pub(crate) struct Fiber {
    object: Zval,
}

thread_local! {
    /// What the fiber that is being started shall run.
    static MAIN: Cell<Option<fn()>> = const { Cell::new(None) };
}

impl Fiber {
    /// A fiber that will run `main`.
    pub(crate) fn new() -> Result<Self, Thrown> {
        let mut closure = Zval::new();
        let mut object = Zval::new();
        let function = FUNCTION.load(Ordering::Acquire);
        if function.is_null() {
            return Err(errors::error("the extension has not been started".into()));
        }
        // SAFETY: the function lives as long as the module, and the closure copies it. The class is
        // the engine's, and its constructor takes a callable.
        unsafe {
            zend_create_closure(
                &raw mut closure,
                function.cast(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            );
            sys::object_init_ex(&raw mut object, zend_ce_fiber);
        }
        let fiber = Self { object };
        fiber.call(b"__construct", &mut [closure])?;
        Ok(fiber)
    }

    /// Runs `main` in it until it is parked for the first time.
    ///
    /// # Errors
    ///
    /// `Bailout` where a fatal error struck inside; `Pending` where `exit()` was called.
    pub(crate) fn start(&self, main: fn()) -> Result<(), Thrown> {
        MAIN.set(Some(main));
        self.switch(b"start", &mut [])
    }

    /// Throws an exception where user code has suspended it, and runs it on. Errors as [`start`](Self::start).
    pub(crate) fn throw(&self, exception: Zval) -> Result<(), Thrown> {
        self.switch(b"throw", &mut [exception])
    }

    fn switch(&self, method: &'static [u8], arguments: &mut [Zval]) -> Result<(), Thrown> {
        match try_catch(AssertUnwindSafe(|| self.call(method, arguments))) {
            Ok(outcome) => outcome.map(drop),
            Err(CatchError::Bailout) => Err(Thrown::Bailout),
            Err(other) => Err(errors::error(other.to_string())),
        }
    }

    fn call(&self, method: &[u8], arguments: &mut [Zval]) -> Result<Zval, Thrown> {
        call_method(self.object(), method, arguments)
    }

    fn object(&self) -> *mut zend_object {
        self.object.object().map_or(ptr::null_mut(), |o| ptr::from_ref(o).cast_mut())
    }

    /// The fiber as the engine has it.
    pub(crate) fn raw(&self) -> Raw {
        Raw::of(self.object())
    }
}

/// Whether any fiber runs now, ours or another.
pub(crate) fn inside() -> bool {
    // SAFETY: the globals live as long as the process.
    unsafe { !(*ext_php_rs_executor_globals()).active_fiber.is_null() }
}

fn call_method(object: *mut zend_object, name: &[u8], arguments: &mut [Zval]) -> Result<Zval, Thrown> {
    let mut result = Zval::new();
    // SAFETY: the class is the engine's; its methods are found by their lower-case names, and are called
    // as PHP calls them. The arguments live until the call returns.
    unsafe {
        let class: &ClassEntry = &*zend_ce_fiber;
        let entry = zend_hash_str_find(&raw const class.function_table, name.as_ptr().cast(), name.len());
        let Some(entry) = entry.as_ref() else {
            return Err(errors::error("the class Fiber is not as expected".into()));
        };
        zend_call_known_function(
            entry.value.func,
            object,
            zend_ce_fiber,
            &raw mut result,
            u32::try_from(arguments.len()).unwrap_or(0),
            arguments.as_mut_ptr(),
            ptr::null_mut(),
        );
    }
    if exception_pending() { Err(Thrown::Pending) } else { Ok(result) }
}

/// The first frame of every fiber of ours.
extern "C" fn first_frame(_: *mut ExecuteData, _: *mut Zval) {
    let Some(main) = MAIN.take() else { return };
    if let Err(panic) = std::panic::catch_unwind(main) {
        errors::error(call::panic_message(&*panic)).throw();
    }
}

/// What [`first_frame`] is to PHP; null before [`register`].
static FUNCTION: AtomicPtr<zend_internal_function> = AtomicPtr::new(ptr::null_mut());

/// Makes the function that fibers begin with. In MINIT: a name that is interned later lives as long as
/// the request. It is made anew where a SAPI starts the module once more, as the name went with the
/// module's end.
pub(crate) fn register() {
    // SAFETY: a function without arguments and without a module is all zeros but for what is set here.
    let mut function = unsafe { Box::new(MaybeUninit::<zend_internal_function>::zeroed().assume_init()) };
    function.type_ = u8::try_from(ZEND_INTERNAL_FUNCTION).unwrap_or(1);
    function.function_name = ZendStr::new_interned("{viaduct}", true).into_raw();
    function.handler = Some(first_frame);
    let before = FUNCTION.swap(Box::into_raw(function), Ordering::AcqRel);
    if !before.is_null() {
        // SAFETY: made here, and closures copy it. No fiber has outlived the module's end.
        drop(unsafe { Box::from_raw(before) });
    }
}
