//! Handles: every cast between a C pointer and a Rust value.
//!
//! A handle is the address of a shell: a tag that says its kind, and the value behind it. The first
//! thing every function does is to look at the tag, so NULL, a handle of another kind and, in debug
//! builds, one that has been freed are results and not crashes: a debug build keeps the shells of the
//! last [`KEPT`] freed handles for that. A pointer that never was a handle is undefined, as the
//! header says.
//!
//! The functions here trust that contract and nothing else; that is why they can be called without
//! `unsafe`.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::error::{
    Error, VIADUCT_RESULT_FORKED, VIADUCT_RESULT_FREED, VIADUCT_RESULT_NULL, VIADUCT_RESULT_POISONED,
    VIADUCT_RESULT_WRONG_HANDLE,
};
use crate::reactor::fork;

/// The kinds of handles, by the number in the tag.
const KINDS: [&str; 12] = [
    "a test's handle",
    "viaduct_runtime",
    "viaduct_queue",
    "viaduct_metadata",
    "viaduct_status",
    "viaduct_credentials",
    "viaduct_server_credentials",
    "viaduct_channel",
    "viaduct_call",
    "viaduct_server",
    "viaduct_server_call",
    "viaduct_proxy",
];

#[cfg(test)]
pub(super) const TEST: u8 = 0;
pub(super) const RUNTIME: u8 = 1;
pub(super) const QUEUE: u8 = 2;
pub(super) const METADATA: u8 = 3;
pub(super) const STATUS: u8 = 4;
pub(super) const CREDENTIALS: u8 = 5;
pub(super) const SERVER_CREDENTIALS: u8 = 6;
pub(super) const CHANNEL: u8 = 7;
pub(super) const CALL: u8 = 8;
pub(super) const SERVER: u8 = 9;
pub(super) const SERVER_CALL: u8 = 10;
pub(super) const PROXY: u8 = 11;

/// "viaduct" and a number.
const TAG: u64 = 0x7669_6164_7563_7400;
const FREED: u64 = TAG | 0xff;

/// How many shells of freed handles a debug build keeps.
const KEPT: usize = 1 << 16;

/// What C can hold a handle of.
///
/// Several threads may use a handle at once, so it is `Sync`.
pub(super) trait Object: Send + Sync + Sized + 'static {
    /// One of the numbers above, each used once.
    const KIND: u8;
}

#[repr(C)]
struct Shell<T> {
    tag: AtomicU64,
    generation: u32,
    /// Whether it belongs to another handle.
    lent: bool,
    poisoned: AtomicBool,
    value: ManuallyDrop<T>,
}

fn name(kind: u8) -> &'static str {
    KINDS.get(usize::from(kind)).copied().unwrap_or("unknown")
}

/// A handle of `value`, which C owns.
pub(super) fn give<T: Object>(value: T) -> *mut T {
    shell(value, false)
}

fn shell<T: Object>(value: T, lent: bool) -> *mut T {
    let shell = Shell {
        tag: AtomicU64::new(TAG | u64::from(T::KIND)),
        generation: fork::generation(),
        lent,
        poisoned: AtomicBool::new(false),
        value: ManuallyDrop::new(value),
    };
    Box::into_raw(Box::new(shell)).cast()
}

/// The shell, once the tag has said that it is one.
fn find<'a, T: Object>(handle: *const T) -> Result<&'a Shell<T>, Error> {
    let wanted = name(T::KIND);
    if handle.is_null() {
        return Err(Error::new(VIADUCT_RESULT_NULL, format!("the {wanted} is NULL")));
    }
    let no_handle = || {
        Error::new(
            VIADUCT_RESULT_WRONG_HANDLE,
            format!("expected a {wanted}; this pointer leads to no handle"),
        )
    };
    if !handle.cast::<AtomicU64>().is_aligned() {
        return Err(no_handle());
    }
    // SAFETY: by the contract this points to a shell of some kind, which begins with a tag.
    let tag = unsafe { &*handle.cast::<AtomicU64>() }.load(Acquire);
    if tag == FREED {
        return Err(Error::new(VIADUCT_RESULT_FREED, format!("the {wanted} has been freed")));
    }
    let kind = (tag & 0xff) as u8;
    if tag & !0xff != TAG || usize::from(kind) >= KINDS.len() {
        return Err(no_handle());
    }
    if kind != T::KIND {
        let message = format!("expected a {wanted}, and this is a {}", name(kind));
        return Err(Error::new(VIADUCT_RESULT_WRONG_HANDLE, message));
    }
    // SAFETY: the tag says that this is a shell with a T, and C does not free it while it is used.
    Ok(unsafe { &*handle.cast::<Shell<T>>() })
}

/// The value behind a handle.
pub(super) fn get<'a, T: Object>(handle: *const T) -> Result<&'a T, Error> {
    let shell = find(handle)?;
    if shell.generation != fork::generation() {
        let message = format!("the {} was made before a fork; in the child make a new one", name(T::KIND));
        return Err(Error::new(VIADUCT_RESULT_FORKED, message));
    }
    if shell.poisoned.load(Relaxed) {
        let message = format!("a bug was hit in this {} before; free it and make a new one", name(T::KIND));
        return Err(Error::new(VIADUCT_RESULT_POISONED, message));
    }
    Ok(&shell.value)
}

/// The same where there may be none.
pub(super) fn get_optional<'a, T: Object>(handle: *const T) -> Result<Option<&'a T>, Error> {
    if handle.is_null() { Ok(None) } else { get(handle).map(Some) }
}

/// Nothing is known about the value any more.
pub(super) fn poison<T: Object>(handle: *const T) {
    if let Ok(shell) = find(handle) {
        shell.poisoned.store(true, Relaxed);
    }
}

/// Takes the handle back and drops its value. NULL is fine.
pub(super) fn free<T: Object>(handle: *mut T) -> Result<(), Error> {
    if handle.is_null() {
        return Ok(());
    }
    if find(handle)?.lent {
        let message =
            format!("this {} belongs to the handle it was read from, and goes with it", name(T::KIND));
        return Err(Error::new(VIADUCT_RESULT_WRONG_HANDLE, message));
    }
    drop_shell(handle)
}

fn drop_shell<T: Object>(handle: *mut T) -> Result<(), Error> {
    let shell = find(handle)?;
    let generation = shell.generation;
    let tag = TAG | u64::from(T::KIND);
    if shell.tag.compare_exchange(tag, FREED, AcqRel, Acquire).is_err() {
        return Err(Error::new(VIADUCT_RESULT_FREED, format!("the {} has been freed", name(T::KIND))));
    }
    let shell = handle.cast::<Shell<T>>();
    // SAFETY: who changes the tag takes the value, and nobody else reaches it any more.
    let value = unsafe { ManuallyDrop::take(&mut (*shell).value) };
    let grave = Grave { shell: shell.cast(), dig: dig::<T> };
    if cfg!(debug_assertions) {
        bury(grave)
    } else {
        drop(grave)
    }
    if generation == fork::generation() {
        drop(value);
    } else {
        fork::abandon(value);
    }
    Ok(())
}

/// A shell without its value; gives the memory back when dropped.
struct Grave {
    shell: *mut (),
    dig: fn(*mut ()),
}

// SAFETY: what is left in the shell is a number, which any thread may free.
unsafe impl Send for Grave {}

impl Drop for Grave {
    fn drop(&mut self) {
        (self.dig)(self.shell);
    }
}

fn dig<T>(shell: *mut ()) {
    // SAFETY: the shell came from `Box::into_raw` with this T, whose value has been taken out.
    drop(unsafe { Box::from_raw(shell.cast::<Shell<T>>()) });
}

/// Keeps a shell, and lets the oldest go.
fn bury(grave: Grave) {
    static GRAVES: Mutex<VecDeque<Grave>> = Mutex::new(VecDeque::new());
    let mut graves = GRAVES.lock().unwrap_or_else(PoisonError::into_inner);
    graves.push_back(grave);
    if graves.len() > KEPT {
        graves.pop_front();
    }
}

/// A handle that belongs to another one: C can use it, and cannot free it.
#[derive(Debug)]
pub(super) struct Lent<T: Object>(NonNull<T>);

// SAFETY: it owns a T, which is Send.
unsafe impl<T: Object> Send for Lent<T> {}
// SAFETY: it gives out the address only.
unsafe impl<T: Object> Sync for Lent<T> {}

impl<T: Object> Lent<T> {
    pub(super) fn new(value: T) -> Self {
        // SAFETY: a shell's address is not null.
        Self(unsafe { NonNull::new_unchecked(shell(value, true)) })
    }

    pub(super) fn as_ptr(&self) -> *const T {
        self.0.as_ptr()
    }
}

impl<T: Object> Drop for Lent<T> {
    fn drop(&mut self) {
        // It cannot have been freed.
        let _ = drop_shell(self.0.as_ptr());
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::*;
    use super::*;
    use std::sync::Arc;

    struct One(Arc<()>);
    impl Object for One {
        const KIND: u8 = TEST;
    }
    struct Two;
    impl Object for Two {
        const KIND: u8 = RUNTIME;
    }

    fn result<T>(done: Result<T, Error>) -> viaduct_result {
        done.map_or_else(|error| error.result, |_| VIADUCT_RESULT_OK)
    }

    #[test]
    fn a_handle_gives_its_value_until_it_is_freed() {
        let counted = Arc::new(());
        let handle = give(One(Arc::clone(&counted)));
        assert!(Arc::ptr_eq(&get(handle).unwrap().0, &counted));
        assert!(get_optional(handle).unwrap().is_some());
        assert_eq!(result(free(handle)), VIADUCT_RESULT_OK);
        assert_eq!(Arc::strong_count(&counted), 1);
        if cfg!(debug_assertions) {
            assert_eq!(result(get(handle)), VIADUCT_RESULT_FREED);
            assert_eq!(result(free(handle)), VIADUCT_RESULT_FREED);
        }
    }

    #[test]
    fn what_is_no_handle_of_that_kind_is_said() {
        assert_eq!(result(get(std::ptr::null::<One>())), VIADUCT_RESULT_NULL);
        assert!(get_optional(std::ptr::null::<One>()).unwrap().is_none());
        let two = give(Two);
        assert_eq!(result(get(two.cast::<One>().cast_const())), VIADUCT_RESULT_WRONG_HANDLE);
        assert_eq!(result(free(two.cast::<One>())), VIADUCT_RESULT_WRONG_HANDLE);
        let mut numbers = [0u64; 4];
        let inside = numbers.as_mut_ptr().cast::<u8>().cast_const();
        assert_eq!(result(get(inside.cast::<One>())), VIADUCT_RESULT_WRONG_HANDLE);
        assert_eq!(result(get(inside.wrapping_add(1).cast::<One>())), VIADUCT_RESULT_WRONG_HANDLE);
        free(two).unwrap();
    }

    #[test]
    fn a_lent_handle_goes_with_its_owner_only() {
        let counted = Arc::new(());
        let lent = Lent::new(One(Arc::clone(&counted)));
        assert!(get(lent.as_ptr()).is_ok());
        assert_eq!(result(free(lent.as_ptr().cast_mut())), VIADUCT_RESULT_WRONG_HANDLE);
        assert_eq!(Arc::strong_count(&counted), 2);
        drop(lent);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
