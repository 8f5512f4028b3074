//! The backends: groups of members, which of them takes a request, and the connections to them.
//!
//! - [`group`]: backends that are equal, and which of them serve what;
//! - [`member`]: one backend, how it is and what it carries;
//! - `pool`: the connections of one worker to one member; `link`: those that are not shared;
//! - `pick`: which member takes the next request.

pub(super) mod group;
pub(super) mod link;
pub(super) mod member;
pub(super) mod pick;
pub(super) mod pool;

pub use group::Group;
pub use member::{Found, Member};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What these locks guard is whole between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
