//! Functions of the C program that the library calls.

use std::cell::Cell;
use std::ffi::c_void;

use super::error::{Error, VIADUCT_RESULT_INSIDE_CALLBACK};

/// Frees userdata, once the library will not pass it to anybody any more. It may run on any thread.
pub type viaduct_finaliser = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// A pointer of the C program that the library carries and never looks behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Userdata(pub(super) *mut c_void);

// SAFETY: it is only carried; the header tells the C program which threads may get it.
unsafe impl Send for Userdata {}
// SAFETY: as above.
unsafe impl Sync for Userdata {}

/// Userdata with its end.
#[derive(Debug)]
pub(super) struct Finalised {
    pub(super) userdata: Userdata,
    pub(super) finaliser: viaduct_finaliser,
}

impl Drop for Finalised {
    fn drop(&mut self) {
        if let Some(finaliser) = self.finaliser {
            // SAFETY: the C program gave function and pointer for each other.
            call_out(|| unsafe { finaliser(self.userdata.0) });
        }
    }
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs a function of the C program where it must not wait: what would have to wait refuses.
pub(super) fn call_out<R>(work: impl FnOnce() -> R) -> R {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let result = work();
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    result
}

/// Whether such a function runs on this thread.
pub(super) fn is_inside() -> bool {
    DEPTH.with(Cell::get) > 0
}

/// Refuses to wait inside a callback.
pub(super) fn may_wait() -> Result<(), Error> {
    if is_inside() {
        return Err(Error::new(
            VIADUCT_RESULT_INSIDE_CALLBACK,
            "this would have to wait, inside a callback that must not; start it with a completion instead",
        ));
    }
    Ok(())
}
