//! Completion queues: events in the order in which they happened, and a descriptor to wait with.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::callback::{Userdata, may_wait};
use super::completion::{Event, viaduct_event};
use super::error::{Error, VIADUCT_RESULT_SYSTEM, VIADUCT_RESULT_TIMEOUT, viaduct_result};
use super::fence::{fenced, free, with};
use super::handle::{self, Object};
use super::input::{Out, patience, zero};
use crate::reactor::fork::Tracked;

/// A queue of events. Any thread may add to it, by what it starts, and any thread may take from it.
pub struct viaduct_queue(Arc<Queue>);

impl Object for viaduct_queue {
    const KIND: u8 = handle::QUEUE;
}

impl viaduct_queue {
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.0)
    }
}

/// What the handle and those who will tell share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<(Event, Userdata)>,
    signal: Option<Signal>,
}

/// A pair of sockets: the reading one has a byte in it exactly while there are events.
#[derive(Debug)]
struct Signal {
    // Before the sockets, so that they go first.
    _tracked: [Tracked; 2],
    reader: UnixStream,
    writer: UnixStream,
}

impl Signal {
    fn new() -> std::io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { _tracked: [Tracked::new(&reader), Tracked::new(&writer)], reader, writer })
    }

    // One byte always has room, and is always there to be read: neither can fail.
    fn raise(&self) {
        let _ = (&self.writer).write(&[1]);
    }

    fn lower(&self) {
        let _ = (&self.reader).read(&mut [0]);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, event: Event, userdata: Userdata) {
        let mut state = self.lock();
        let first = state.events.is_empty();
        state.events.push_back((event, userdata));
        if first && let Some(signal) = &state.signal {
            signal.raise();
        }
        drop(state);
        self.more.notify_one();
    }
}

impl State {
    fn pop(&mut self) -> Option<(Event, Userdata)> {
        let event = self.events.pop_front()?;
        if self.events.is_empty()
            && let Some(signal) = &self.signal
        {
            signal.lower();
        }
        Some(event)
    }
}

/// Makes a queue. The caller frees it with `viaduct_queue_free`. It belongs to no runtime.
///
/// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_queue_new(queue: *mut *mut viaduct_queue) -> viaduct_result {
    zero(queue);
    fenced(|| {
        Out::new(queue, "the queue")?.set(handle::give(viaduct_queue(Arc::default())));
        Ok(())
    })
}

/// Frees a queue. NULL is fine. No other thread may be waiting in it. Events in it are dropped, and so
/// are those that are still to come; server calls in it are answered INTERNAL. Its descriptor is closed
/// at the latest when the last of those has come.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_queue_free(queue: *mut viaduct_queue) -> viaduct_result {
    fenced(|| {
        if let Some(queue) = handle::get_optional(queue)? {
            let gone = std::mem::take(&mut *queue.0.lock());
            drop(gone);
        }
        Ok(())
    });
    free(queue)
}

/// A descriptor that is readable exactly while the queue has events, for poll, epoll and the like
/// (level-triggered). It belongs to the queue: it is neither read nor closed by the caller. -1 where
/// this is no queue, or the system gives no descriptor: see `viaduct_error_message`.
///
/// Once it is readable, take events with `viaduct_queue_next` and a timeout of 0.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_queue_fd(queue: *mut viaduct_queue) -> i32 {
    let mut fd = -1;
    with(queue, |queue| {
        let mut state = queue.0.lock();
        if state.signal.is_none() {
            let signal = Signal::new().map_err(|error| {
                Error::new(VIADUCT_RESULT_SYSTEM, format!("no descriptor for the queue: {error}"))
            })?;
            if !state.events.is_empty() {
                signal.raise();
            }
            state.signal = Some(signal);
        }
        fd = state.signal.as_ref().map_or(-1, |signal| signal.reader.as_raw_fd());
        Ok(())
    });
    fd
}

/// Takes the next event: waits for it up to `timeout_ms`, for ever where that is negative, not at all
/// where it is 0. The caller owns what is in the event, see `viaduct_event`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, or VIADUCT_RESULT_INSIDE_CALLBACK where it
/// would have to wait inside a callback.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_queue_next(
    queue: *mut viaduct_queue,
    timeout_ms: i64,
    event: *mut viaduct_event,
) -> viaduct_result {
    zero(event);
    with(queue, |queue| {
        let place = Out::new(event, "the event")?;
        let (event, userdata) = queue.0.next(timeout_ms)?;
        place.set(event.into_c(userdata));
        Ok(())
    })
}

impl Queue {
    fn next(&self, timeout_ms: i64) -> Result<(Event, Userdata), Error> {
        let mut state = self.lock();
        if let Some(event) = state.pop() {
            return Ok(event);
        }
        let nothing = || Error::new(VIADUCT_RESULT_TIMEOUT, "no event within the given time");
        let until = match patience(timeout_ms) {
            Some(span) if span.is_zero() => return Err(nothing()),
            span => span.and_then(|span| Instant::now().checked_add(span)),
        };
        may_wait()?;
        loop {
            state = match until {
                None => self.more.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(nothing());
                    }
                    self.more.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            if let Some(event) = state.pop() {
                return Ok(event);
            }
        }
    }
}
