//! What a `Grpc\Channel` refers to.

use std::cell::Cell;
use std::rc::Rc;

use viaduct::client::Channel;

thread_local! {
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// A channel of the core. Several PHP objects share it where it comes from the pool.
pub(crate) struct Link {
    pub(crate) core: Channel,
    /// As it was given.
    pub(crate) target: String,
    /// Whether the connection is TLS.
    pub(crate) secure: bool,
}

impl Link {
    pub(crate) fn new(core: Channel, target: String, secure: bool) -> Rc<Self> {
        OPEN.set(OPEN.get() + 1);
        Rc::new(Self { core, target, secure })
    }

    /// How many there are in this thread.
    pub(crate) fn open() -> usize {
        OPEN.get()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The end of the thread takes the pool, and the number before it maybe.
        let _ = OPEN.try_with(|open| open.set(open.get().saturating_sub(1)));
    }
}
