//! Messages of a call that is running: they gather as those of `Viaduct`'s streams do.

use bytes::Bytes;

use crate::batch::{Batch, Sink};
use crate::scheduler::Scheduler;

/// Adds a message. One alone leaves at once, and so does what is before it; in a row they wait for the
/// reactor's turn. Whether the peer takes more now: otherwise [`Batch::emptied`] is to be waited for.
/// What cannot be sent any more is passed over, as the call's status says why.
pub(crate) fn push<S: Sink>(scheduler: &Scheduler, batch: &Batch<S>, framed: Bytes, at_once: bool) -> bool {
    let mut sent = batch.push(framed);
    if sent.is_ok() && (at_once || scheduler.is_due()) {
        sent = batch.flush();
        scheduler.nudge();
    }
    if sent.is_ok() {
        batch.schedule(&scheduler.reactor);
    }
    sent != Ok(false)
}
