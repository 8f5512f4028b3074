//! What happens at the ends of a request and of the process.
//!
//! Nothing happens at their beginnings: the reactor starts with the first use, after FPM and Apache
//! have forked.

use std::panic::catch_unwind;

use crate::compat::pool;
use crate::ini;
use crate::scheduler;

/// RSHUTDOWN. 0 is success.
pub(crate) unsafe extern "C" fn request_shutdown(_: i32, _: i32) -> i32 {
    // A panic has been printed; there is no exception to make of it any more.
    let _ = catch_unwind(scheduler::end_request);
    0
}

/// MSHUTDOWN. 0 is success.
pub(crate) unsafe extern "C" fn module_shutdown(_: i32, module: i32) -> i32 {
    let _ = catch_unwind(|| {
        // Before the reactor's last turn, so that the peers hear of it.
        pool::clear();
        scheduler::shutdown();
        ini::unregister(module);
    });
    0
}
