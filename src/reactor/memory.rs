//! Memory that large messages leave behind is given back to the system.
//!
//! A message arrives in pieces of up to 64 KiB, which glibc takes from its heaps. When they are freed they stay there: a
//! heap shrinks at its end only, and something that lives on mostly lies there. A process that has once received a message
//! of 256 MiB would have those for ever.
//!
//! `malloc_trim` gives all free pages back. It locks each heap while it looks at it, and pages that are used again have to
//! be faulted in again. So it runs after messages of [`LARGE`] and more only, once none has been let go of for
//! [`PAUSE`], and on a thread of its own, which ends with that: other processes neither have the thread nor lose pages.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use super::{detached, fork};

/// Messages from this length on count.
pub(crate) const LARGE: usize = 16 << 20;

/// How long no large message must have been let go of.
const PAUSE: Duration = Duration::from_secs(1);

/// How many were.
static RELEASED: AtomicU64 = AtomicU64::new(0);

/// The generation of the process in which a thread waits, plus one; 0 while no thread waits.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// Something large. It must be dropped after what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Large(());

impl Large {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        RELEASED.fetch_add(1, SeqCst);
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            fork::install();
            let own = fork::generation().wrapping_add(1);
            // Without a thread the memory stays until the next large message.
            if WAITING.swap(own, SeqCst) != own && detached::spawn("viaduct-trim", 64 << 10, wait).is_err() {
                WAITING.store(0, SeqCst);
            }
        }
    }
}

fn wait() {
    loop {
        let before = RELEASED.load(SeqCst);
        std::thread::sleep(PAUSE);
        if RELEASED.load(SeqCst) == before {
            break;
        }
    }
    // What is let go of from here on starts the next one.
    WAITING.store(0, SeqCst);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
