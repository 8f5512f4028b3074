//! Where PHP code is, as another thread sees it while that code runs.
//!
//! The engine's globals say which frame runs; a frame says which function, and how far it is. Nothing of that is locked: the
//! other thread may go on meanwhile, and free what is being read. So nothing is dereferenced. Everything is copied out of
//! the own process by `process_vm_readv`, which fails where memory is gone instead of raising a signal, and what was copied
//! is believed only as far as it makes sense: the worst outcome is a wrong place, or none.
//!
//! A compiled or optimized function writes down how far it is only where it calls something or may throw: the line is that
//! of the last such place, or, without such a place, the first line of the function.

use std::mem::{MaybeUninit, offset_of};
use std::os::unix::fs::FileExt as _;
use std::ptr;

use ext_php_rs::ffi::{
    _zend_class_entry, _zend_execute_data, _zend_internal_function, _zend_op, _zend_op_array, _zend_string,
    ZEND_INTERNAL_FUNCTION, ZEND_USER_FUNCTION, ext_php_rs_executor_globals,
};

/// Frames that are looked at before the search is given up. Functions of PHP's own do not nest as deep without PHP code.
const FRAMES: usize = 64;

/// The longest name or path that is read.
const TEXT: usize = 4096;

/// The globals of the thread that runs PHP, for others to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed {
    current_frame: usize,
    active_fiber: usize,
}

/// Where PHP code is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The function of PHP's or of an extension that runs now, where one does: `sleep`, `PDO::query`.
    pub(crate) internal: Option<String>,
    /// The function of PHP code; empty outside of all.
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Observed {
    /// Those of the calling thread.
    pub(crate) fn this_thread() -> Self {
        // SAFETY: only addresses are taken, of fields of globals that live as long as the thread.
        unsafe {
            let globals = ext_php_rs_executor_globals();
            Self {
                current_frame: (&raw const (*globals).current_execute_data).addr(),
                active_fiber: (&raw const (*globals).active_fiber).addr(),
            }
        }
    }

    /// The fiber that runs, as a number that tells it from others; 0 on the main stack.
    pub(crate) fn fiber(self) -> usize {
        read::<usize>(self.active_fiber).unwrap_or(0)
    }

    /// Where PHP code is. `None` where it is nowhere, or the system does not let this process read itself.
    pub(crate) fn place(self) -> Option<Place> {
        let mut place = Place::default();
        let mut at: usize = read(self.current_frame)?;
        for _ in 0..FRAMES {
            if at == 0 {
                break;
            }
            let opline: usize = read(at + offset_of!(_zend_execute_data, opline))?;
            let function: usize = read(at + offset_of!(_zend_execute_data, func))?;
            if function != 0 {
                // Every kind of function begins with its kind.
                match u32::from(read::<u8>(function)?) {
                    ZEND_USER_FUNCTION => {
                        let file = read(function + offset_of!(_zend_op_array, filename))?;
                        place.file = text(file)?;
                        place.line = line(function, opline)?;
                        place.function = name(
                            read(function + offset_of!(_zend_op_array, scope))?,
                            read(function + offset_of!(_zend_op_array, function_name))?,
                        )
                        .unwrap_or_default();
                        return Some(place);
                    }
                    ZEND_INTERNAL_FUNCTION if place.internal.is_none() => {
                        place.internal = name(
                            read(function + offset_of!(_zend_internal_function, scope))?,
                            read(function + offset_of!(_zend_internal_function, function_name))?,
                        );
                    }
                    _ => {}
                }
            }
            at = read(at + offset_of!(_zend_execute_data, prev_execute_data))?;
        }
        None
    }
}

/// The line of an instruction; the first line of the function where the instruction belongs to another function.
fn line(function: usize, opline: usize) -> Option<u32> {
    let first: usize = read(function + offset_of!(_zend_op_array, opcodes))?;
    let count: u32 = read(function + offset_of!(_zend_op_array, last))?;
    let size = size_of::<_zend_op>();
    let offset = opline.wrapping_sub(first);
    if offset / size < count as usize && offset.is_multiple_of(size) {
        read(opline + offset_of!(_zend_op, lineno))
    } else {
        read(function + offset_of!(_zend_op_array, line_start))
    }
}

/// `function`, or `Class::function`.
fn name(class: usize, function: usize) -> Option<String> {
    let function = text(function)?;
    let class = match class {
        0 => None,
        class => read(class + offset_of!(_zend_class_entry, name)).and_then(text),
    };
    // The name of an anonymous class goes on after a NUL, with the file.
    let class = class.map(|class| class.split('\0').next().unwrap_or_default().to_owned());
    Some(class.map_or(function.clone(), |class| format!("{class}::{function}")))
}

/// The text of a string of the engine's.
fn text(string: usize) -> Option<String> {
    if string == 0 {
        return None;
    }
    let length = read::<usize>(string + offset_of!(_zend_string, len))?;
    let mut bytes = vec![0; length.min(TEXT)];
    copy(string + offset_of!(_zend_string, val), &mut bytes)?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A number or an address that is read.
trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for usize {}

fn read<T: Plain>(address: usize) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the bytes of a plain number, all of which were written, and every value of which is one.
    unsafe {
        copy(address, std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()))?;
        Some(value.assume_init())
    }
}

/// Copies memory of this process that may not be there. `None` where not all of it is.
fn copy(from: usize, to: &mut [u8]) -> Option<()> {
    if to.is_empty() {
        return Some(());
    }
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let remote = libc::iovec { iov_base: ptr::with_exposed_provenance_mut(from), iov_len: to.len() };
    // SAFETY: writes into `to` and nowhere else; the kernel checks what is read.
    let done =
        unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
    if usize::try_from(done) == Ok(to.len()) {
        return Some(());
    }
    // Where a sandbox forbids the call, the same by a file.
    let forbidden =
        matches!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EPERM | libc::ENOSYS));
    if done < 0 && forbidden {
        let memory = std::fs::File::open("/proc/self/mem").ok()?;
        return memory.read_exact_at(to, u64::try_from(from).ok()?).ok();
    }
    None
}
