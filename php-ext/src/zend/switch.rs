//! Switching between fibers below PHP's methods.
//!
//! `Fiber::suspend()` goes back to whoever resumed the one fiber that runs. A task that waits inside a
//! fiber of the user's has two: suspending the upper one would hand the user's code a suspension that it
//! did not ask for. So a task is parked as a whole: what runs now, whatever fiber that is, is left as it
//! stands, and the thread goes back to whoever resumed the task. For PHP a parked fiber is one that has
//! resumed another: nobody else can resume it or throw into it, and the engine still unwinds it when the
//! request ends.

use std::ptr;

use ext_php_rs::ffi::{ext_php_rs_executor_globals, zend_execute_data, zend_object};
use ext_php_rs::types::Zval;

use super::sys;
use crate::errors::Thrown;

/// Generated from PHP's zend_fibers.h: see build.rs.
#[allow(
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    unused_imports,
    dead_code,
    clippy::all
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/fibers.rs"));
}

use bindings::{
    zend_fiber, zend_fiber_context, zend_fiber_destroy_context, zend_fiber_switch_blocked,
    zend_fiber_switch_context, zend_fiber_transfer,
};

// `zend_fiber_status`, `zend_fiber_flag` and `zend_fiber_transfer_flag`
const SUSPENDED: u32 = 2;
const DEAD: u32 = 3;
const DESTROYED: u8 = 1 << 2;
const ERROR: u8 = 1;
const BAILOUT: u8 = 1 << 1;

/// Where a parked task goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parked {
    context: *mut zend_fiber_context,
    fiber: *mut zend_fiber,
}

/// A fiber, as the engine has it. The object must be held elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw(*mut zend_fiber);

/// The fiber that runs now; null on the main stack.
fn active() -> *mut zend_fiber {
    // SAFETY: the globals live as long as the process, and this is the thread that runs PHP.
    unsafe { (*ext_php_rs_executor_globals()).active_fiber.cast() }
}

/// Whether fibers must not be switched here: the engine forbids it (signal handlers, destructors before PHP
/// 8.4), or the fiber that runs is being destroyed.
pub(crate) fn is_blocked() -> bool {
    let active = active();
    // SAFETY: a fiber that runs is live.
    unsafe { zend_fiber_switch_blocked() || (!active.is_null() && (*active).flags & DESTROYED != 0) }
}

impl Raw {
    /// The fiber that begins with `object`, which must be one of the class Fiber.
    pub(crate) fn of(object: *mut zend_object) -> Self {
        Self(object.cast())
    }

    fn status(self) -> u32 {
        // SAFETY: the object is held by whoever made this.
        unsafe { (*self.0).context.status }
    }

    /// Whether it has ended.
    pub(crate) fn is_dead(self) -> bool {
        self.status() == DEAD
    }

    /// Whether the engine is destroying it, or has.
    pub(crate) fn is_destroyed(self) -> bool {
        // SAFETY: the object is held by whoever made this.
        unsafe { (*self.0).flags & DESTROYED != 0 }
    }

    /// Whether user code has suspended it: it is not parked, and waits for a `resume()`.
    pub(crate) fn is_suspended(self) -> bool {
        // SAFETY: the object is held by whoever made this.
        self.status() == SUSPENDED && unsafe { (*self.0).caller.is_null() }
    }

    /// File and line of the user's code that it was suspended in.
    pub(crate) fn place(self) -> Option<(String, u32)> {
        // SAFETY: a suspended fiber's frames are live; those of user code have a file and an opline.
        unsafe {
            let mut frame = (*self.0).execute_data;
            while !frame.is_null() {
                let function = (*frame).func;
                if !function.is_null()
                    && u32::from((*function).type_) == ext_php_rs::ffi::ZEND_USER_FUNCTION
                    && !(*frame).opline.is_null()
                {
                    let file = (*function).op_array.filename.as_ref()?;
                    let file = String::from_utf8_lossy(file.as_bytes()).into_owned();
                    return Some((file, (*(*frame).opline).lineno));
                }
                frame = (*frame).prev_execute_data;
            }
            None
        }
    }

    /// Whether a frame of the task whose fiber this is, from the one that runs down to its first, is one of
    /// `function`.
    pub(crate) fn is_inside(self, function: impl Fn(&[u8]) -> bool) -> bool {
        // SAFETY: this is the thread that runs PHP, inside the task. Its frames are live; functions of PHP's own have a name.
        unsafe {
            let bottom = (*self.0).stack_bottom;
            let mut frame: *mut zend_execute_data = (*ext_php_rs_executor_globals()).current_execute_data;
            while !frame.is_null() && frame != bottom {
                let called = (*frame).func;
                if !called.is_null()
                    && u32::from((*called).type_) == ext_php_rs::ffi::ZEND_INTERNAL_FUNCTION
                    && (*called).internal_function.scope.is_null()
                    && let Some(name) = (*called).internal_function.function_name.as_ref()
                    && function(name.as_bytes())
                {
                    return true;
                }
                frame = (*frame).prev_execute_data;
            }
            false
        }
    }

    /// Parks the task whose fiber this is: leaves what runs now, and goes back to whoever resumed the task. `keep`
    /// is given the place to go on. [`is_blocked`] must have said no.
    ///
    /// # Errors
    ///
    /// Where the fiber is destroyed instead: return to its first frame, and call no PHP code on the way.
    pub(crate) fn park(self, keep: impl FnOnce(Parked)) -> Result<(), Thrown> {
        // SAFETY: this is the thread that runs PHP, inside the task's fiber or one above it: both are live,
        // and whoever resumed the task still stands where it did. The transfer's value is taken here.
        let transfer = unsafe {
            let globals = ext_php_rs_executor_globals();
            let active = active();
            keep(Parked { context: (*globals).current_fiber_context.cast(), fiber: active });
            // Where traces of it begin and end.
            (*active).execute_data = (*globals).current_execute_data.cast();
            (*(*self.0).stack_bottom).prev_execute_data = ptr::null_mut();
            switch_to((*self.0).caller)
        };
        received(transfer)
    }

    /// Lets a parked task go on until it parks itself or ends.
    ///
    /// # Errors
    ///
    /// `Bailout` where a fatal error struck inside; `Pending` where `exit()` was called.
    pub(crate) fn unpark(self, parked: Parked) -> Result<(), Thrown> {
        // SAFETY: this is the thread that runs PHP. The task is parked, so its context is live and suspended, and it comes
        // back here. This is what the engine's own `zend_fiber_resume` does.
        let transfer = unsafe {
            let globals = ext_php_rs_executor_globals();
            let before = (*globals).active_fiber;
            if let Some(before) = before.cast::<zend_fiber>().as_mut() {
                before.execute_data = (*globals).current_execute_data.cast();
            }
            (*self.0).caller = (*globals).current_fiber_context.cast();
            (*(*self.0).stack_bottom).prev_execute_data = (*globals).current_execute_data.cast();
            (*globals).active_fiber = parked.fiber.cast();
            let transfer = switch_to(parked.context);
            (*globals).active_fiber = before;
            transfer
        };
        received(transfer)
    }

    /// Frees the stack of a fiber that nothing will resume or unwind any more: after a fatal error.
    pub(crate) fn free_stack(self) {
        if self.status() == SUSPENDED {
            // SAFETY: the context is suspended. The engine destroys no objects after a fatal error, so nobody goes there
            // again; the status says so to whoever asks.
            unsafe {
                (*self.0).context.status = DEAD;
                zend_fiber_destroy_context(&raw mut (*self.0).context);
            }
        }
    }
}

/// # Safety
///
/// `context` is live and suspended, and not the one that runs.
unsafe fn switch_to(context: *mut zend_fiber_context) -> zend_fiber_transfer {
    let mut transfer = zend_fiber_transfer { context, value: Zval::null(), flags: 0 };
    // SAFETY: the caller's.
    unsafe { zend_fiber_switch_context(&raw mut transfer) };
    transfer
}

/// What came back with the switch.
fn received(transfer: zend_fiber_transfer) -> Result<(), Thrown> {
    let zend_fiber_transfer { value, flags, .. } = transfer;
    if flags & BAILOUT != 0 {
        return Err(Thrown::Bailout);
    }
    if flags & ERROR == 0 {
        return Ok(());
    }
    let exception = value.object().map_or(ptr::null_mut(), |object| ptr::from_ref(object).cast_mut());
    // The reference goes on to the engine.
    std::mem::forget(value);
    // SAFETY: an exception, or the engine's own for `exit()` or a fiber's end, which may be thrown by this only.
    unsafe { sys::zend_throw_exception_internal(exception) };
    Err(Thrown::Pending)
}
