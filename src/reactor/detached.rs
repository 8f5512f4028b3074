//! Threads that nobody waits for.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::sync::Once;

use super::fork;

/// Starts one, with all signals blocked. The process may end while it runs.
///
/// # Errors
///
/// The system gives no thread.
pub(crate) fn spawn(name: &str, stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    stay_loaded();
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(stack);
    fork::without_signals(|| thread.spawn(work)).map(drop)
}

/// Keeps this library in memory: such a thread may still run when the host has closed it.
fn stay_loaded() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let here = stay_loaded as fn() as *const c_void;
        // SAFETY: `dladdr` writes to a local struct, whose name is a C string that lives as long as the library does; the
        // library is open, so that nothing is loaded.
        unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            if libc::dladdr(here, &raw mut info) != 0 && !info.dli_fname.is_null() {
                libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            }
        }
    });
}
