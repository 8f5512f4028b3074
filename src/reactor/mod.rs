//! Who drives the runtime.
//!
//! A call from PHP should not pay for two thread hops. So the thread that waits drives the tokio
//! runtime itself ([`Reactor::block_on`]) and the runtime is a `current_thread` one. The price would be
//! that nothing moves while that thread computes: no PING answered, no GOAWAY seen, no deadline kept.
//! Therefore a second thread, the janitor, takes the runtime over when its owner has been away for a
//! while, and gives it back when the owner comes again: see [`takeover`].
//!
//! ```text
//!  owner    ──drives──┐          computes          ┌──drives── …
//!  janitor            └─ 5–10 ms ─┐──── drives ────┘
//! ```
//!
//! A reactor belongs to the process in which it was made. What happens to it in a forked child stands
//! in [`fork`].

pub(crate) mod detached;
pub mod fork;
pub(crate) mod inherited;
pub(crate) mod memory;
mod takeover;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::{Builder, Handle, Runtime};

pub use self::takeover::Owner;
use self::takeover::Takeover;

/// A runtime and the agreement about who drives it.
///
/// One thread, the owner, calls [`block_on`](Self::block_on) and [`turn`](Self::turn).
#[derive(Debug)]
pub struct Reactor {
    bound: fork::Bound<Bound>,
    inline: bool,
}

#[derive(Debug)]
struct Bound {
    runtime: Arc<Runtime>,
    takeover: Takeover,
}

impl Reactor {
    /// A reactor that its owner drives while it waits, and the janitor otherwise.
    ///
    /// # Errors
    ///
    /// Where the system gives no epoll instance or no thread.
    pub fn inline() -> io::Result<Self> {
        Self::start(true)
    }

    /// A reactor that a thread of its own drives all the time. The owner's futures are polled on the
    /// owner's thread and woken across threads.
    ///
    /// # Errors
    ///
    /// As [`inline`](Self::inline).
    pub fn threaded() -> io::Result<Self> {
        Self::start(false)
    }

    fn start(inline: bool) -> io::Result<Self> {
        fork::install();
        let runtime = Arc::new(build()?);
        let takeover = Takeover::start(Arc::clone(&runtime), inline)?;
        Ok(Self { bound: fork::Bound::new(Bound { runtime, takeover }), inline })
    }

    /// Whether this reactor was inherited through `fork`: it can do nothing but be dropped.
    pub fn is_stale(&self) -> bool {
        self.bound.get().is_none()
    }

    /// Whether the owner drives the runtime while it waits.
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    /// The way to spawn onto this reactor. `None` in a forked child.
    pub fn handle(&self) -> Option<&Handle> {
        self.bound.get().map(|b| b.runtime.handle())
    }

    /// How often the janitor has woken up, and how often it has taken the runtime over.
    pub fn janitor(&self) -> takeover::Counts {
        self.bound.get().map(|b| b.takeover.counts()).unwrap_or_default()
    }

    /// A look at the owner, for others. `None` in a forked child.
    pub fn owner(&self) -> Option<Owner> {
        self.bound.get().map(|b| b.takeover.owner())
    }

    /// Drives the runtime until `future` is done.
    ///
    /// # Panics
    ///
    /// In a forked child (see [`is_stale`](Self::is_stale)) and inside another `block_on`.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        #[allow(clippy::expect_used)] // documented: the owner asks is_stale() first
        let bound = self.bound.get().expect("a reactor is not used in a forked child");
        let _driving = bound.takeover.enter();
        bound.runtime.block_on(future)
    }

    /// Lets the runtime run what is ready and look at its sockets, without waiting.
    pub fn turn(&self) {
        self.block_on(turn());
    }
}

/// A runtime of its own frame, by which valgrind knows what it holds: tests-php/valgrind.supp.
#[inline(never)]
fn build() -> io::Result<Runtime> {
    // It has no blocking threads: nothing here needs one, and its end would wait for them.
    Builder::new_current_thread().enable_all().build()
}

/// Resolves once the runtime has run what was ready and has polled for I/O.
pub async fn turn() {
    // tokio defers a task that yields until the driver has been polled once.
    tokio::task::yield_now().await;
}

/// Polls once. For futures that are usually ready and need no runtime then.
pub fn poll_now<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = std::pin::pin!(future);
    future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.takeover.stop();
    }
}
