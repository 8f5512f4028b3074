//! Work for a channel that ends when the channel wants it no more.
//!
//! Attempts to connect and questions for addresses are tasks. Each of them holds a [`Wanted`]; the [`Want`]
//! is with what waits for the outcome. When that goes (the channel is dropped or closed, the address has
//! gone), the task ends there and then, not at its timeout.

use std::convert::Infallible;
use std::future::Future;

use tokio::sync::oneshot;

/// Held for as long as the work is wanted.
#[derive(Debug)]
pub(super) struct Want {
    _until_dropped: oneshot::Sender<Infallible>,
}

/// Who does the work sees by this that nobody waits for it.
#[derive(Debug)]
pub(super) struct Wanted(oneshot::Receiver<Infallible>);

/// Both ends.
pub(super) fn want() -> (Want, Wanted) {
    let (until_dropped, gone) = oneshot::channel();
    (Want { _until_dropped: until_dropped }, Wanted(gone))
}

impl Wanted {
    /// Does `work`; `None` when it was given up.
    pub(super) async fn work<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = self.0 => None,
        }
    }
}
