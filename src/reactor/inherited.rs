//! The descriptors that whoever started this process left to it: sd_listen_fds(3).
//!
//! They are numbers 3 and up; LISTEN_FDS says how many, and LISTEN_PID for which process.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

/// The first (SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;

/// More than this nobody meant to leave.
const MOST: RawFd = 1024;

/// Takes them: the first time all, then none.
pub(crate) fn take() -> Vec<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok()?.parse::<i64>().ok();
    let ours = number("LISTEN_PID") == Some(std::process::id().into());
    let count = number("LISTEN_FDS").filter(|_| ours).and_then(|n| RawFd::try_from(n).ok()).unwrap_or(0);
    if count <= 0 || TAKEN.swap(true, AcqRel) {
        return Vec::new();
    }
    let is_open = |fd: &RawFd| {
        // SAFETY: it only asks for flags; a number that is no descriptor is an error.
        unsafe { libc::fcntl(*fd, libc::F_GETFD) >= 0 }
    };
    let open = (FIRST..FIRST + count.min(MOST)).filter(is_open);
    // SAFETY: they are open and belong to whom LISTEN_PID names, which is this process and in it nobody but us; this
    // line is reached once.
    open.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect()
}
