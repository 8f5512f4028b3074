//! What a connection knows: its streams, its windows, and what it has to say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::BytesMut;
use h2::Reason;

use super::block::Block;
use super::error::{Error, Fault};
use super::frame::{
    DEFAULT_WINDOW, Head, PREFACE, flag, kind, put, put_goaway, put_reset, put_window_update,
};
use super::head::Known;
use super::out::Out;
use super::settings::{Config, Peers};
use super::streams::{Key, Streams};
use crate::transport::hpack::{Decoder, Encoder};

/// How much of all streams together may lie ready to be written.
pub(super) const BUFFER: usize = 256 << 10;

/// Beyond this the peer is not listened to until it has read: what it asks for costs memory here.
pub(super) const STALL: usize = 1 << 20;

/// What the PING says that follows the first GOAWAY.
const LAST_CALL: [u8; 8] = *b"lastcall";

/// What the PING says that asks whether somebody is there.
const HELLO: [u8; 8] = *b"viaduct?";

/// The size of the table for the peer's headers: what it is without saying anything (RFC 7541, section 4.2).
const TABLE: usize = 4096;

/// The end of a connection that this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// How far this side is with going away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    No,
    /// The peer has been told; what it sent before it heard of that is still taken.
    Soon,
    /// Nothing new is taken.
    Now,
}

/// What happened to requests that never came to be streams, for whoever counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Tally {
    /// Lists of headers beyond the limit: answered 431.
    pub(in crate::proxy) too_long: u64,
    /// Requests that break a rule of HTTP: reset with PROTOCOL_ERROR.
    pub(in crate::proxy) malformed: u64,
    /// Streams beyond the limit: reset with REFUSED_STREAM.
    pub(in crate::proxy) refused: u64,
}

/// A connection, as all who have a part in it share it.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Core>);

impl Shared {
    /// All of a connection's work is done by one thread: nobody waits here.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic has left at worst a stream that nobody ends; the connection ends with its task.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) role: Role,
    pub(super) config: Config,
    pub(super) out: Out,
    pub(super) encoder: Encoder,
    pub(super) decoder: Decoder,
    pub(super) known: Known,
    pub(super) peers: Peers,
    pub(super) streams: Streams,
    /// A header block that goes on in the next frame.
    pub(super) block: Option<Block>,
    /// Small DATA is copied here, so that nobody who keeps some keeps all that was read with it.
    pub(super) small: BytesMut,

    /// What the peer may still send on all streams.
    pub(super) window: i64,
    freed: u32,
    /// What may still come of streams that are over: what their windows allowed when they ended.
    pub(super) stray: i64,
    /// What the peer takes on all streams.
    pub(super) send_window: i64,
    /// Those that wait for it: first those that have got nothing lately.
    starved: VecDeque<Key>,
    served: VecDeque<Key>,

    /// Client: the next number. Server: the last that the peer has used.
    pub(super) next: u32,
    pub(super) last: u32,
    /// Client: those that wait until the peer takes more.
    pub(super) pending: VecDeque<Key>,

    /// The peer's first bytes have come, as they have to be.
    pub(super) prefaced: bool,
    /// Its SETTINGS have come.
    pub(super) greeted: bool,
    pub(super) going: Going,
    /// The peer goes away, or this side does: no more requests.
    pub(super) leaving: bool,
    /// The connection is over.
    pub(super) ended: Option<Error>,
    /// What is wrong with the peer, where a sentence says more than a code.
    pub(super) complaint: Option<Arc<str>>,
    pub(super) tally: Tally,

    driver: Option<Waker>,
    /// The driver has been woken since it last looked.
    notified: bool,
}

impl Core {
    /// One that has its first words ready.
    pub(super) fn begin(role: Role, config: Config) -> Arc<Shared> {
        let mut core = Self {
            role,
            config,
            out: Out::default(),
            encoder: Encoder::new(),
            decoder: Decoder::new(TABLE),
            known: Known::new(config.local),
            peers: Peers::default(),
            streams: Streams::default(),
            block: None,
            small: BytesMut::new(),
            window: i64::from(config.connection_window.max(DEFAULT_WINDOW)),
            freed: 0,
            stray: 0,
            send_window: i64::from(DEFAULT_WINDOW),
            starved: VecDeque::new(),
            served: VecDeque::new(),
            next: 1,
            last: 0,
            pending: VecDeque::new(),
            prefaced: role == Role::Client,
            greeted: false,
            going: Going::No,
            leaving: false,
            ended: None,
            complaint: None,
            tally: Tally::default(),
            driver: None,
            notified: false,
        };
        let tail = core.out.tail();
        if role == Role::Client {
            tail.extend_from_slice(PREFACE);
        }
        config.put(role == Role::Client, tail);
        if let Some(more) = config.connection_window.checked_sub(DEFAULT_WINDOW).filter(|more| *more > 0) {
            put_window_update(tail, 0, more);
        }
        Arc::new(Shared(Mutex::new(core)))
    }

    /// The driver looks now.
    pub(super) fn driven_by(&mut self, cx: &Context<'_>) {
        self.notified = false;
        if !self.driver.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
    }

    /// Has the driver write what is there.
    pub(super) fn notify(&mut self) {
        if !self.notified
            && let Some(driver) = &self.driver
        {
            self.notified = true;
            driver.wake_by_ref();
        }
    }

    /// Gives bytes back to the connection's window.
    pub(super) fn free(&mut self, bytes: u32) {
        self.freed += bytes;
        if self.ended.is_none() && self.freed >= self.config.connection_window / 2 {
            put_window_update(self.out.tail(), 0, self.freed);
            self.window += i64::from(self.freed);
            self.freed = 0;
            self.notify();
        }
    }

    /// Gives bytes of one stream back to both windows.
    pub(super) fn release(&mut self, key: Key, bytes: u32) {
        let Some(entry) = self.streams.get(key) else { return };
        let bytes = bytes.min(entry.unreleased);
        entry.unreleased -= bytes;
        entry.freed += bytes;
        let open = !entry.received && !entry.closed;
        if open && entry.freed >= self.config.window / 2 {
            put_window_update(self.out.tail(), entry.id, entry.freed);
            entry.window += i64::from(entry.freed);
            entry.freed = 0;
            self.notify();
        }
        self.free(bytes);
    }

    /// Puts a stream among those that wait for room on the connection.
    pub(super) fn wait(&mut self, key: Key, got_some: bool) {
        let Some(entry) = self.streams.get(key) else { return };
        if !std::mem::replace(&mut entry.waits, true) {
            let queue = if got_some { &mut self.served } else { &mut self.starved };
            queue.push_back(key);
        }
    }

    /// Wakes those that wait, where there is room. Who has got nothing lately comes first.
    pub(super) fn wake_waiting(&mut self) {
        if self.send_window <= 0 || self.out.len() >= BUFFER {
            return;
        }
        for key in self.starved.drain(..).chain(self.served.drain(..)) {
            if let Some(entry) = self.streams.get(key) {
                entry.waits = false;
                entry.wake();
            }
        }
    }

    /// Ends a stream before its time.
    pub(super) fn fail(&mut self, key: Key, error: Error) {
        let Some(entry) = self.streams.get(key) else { return };
        if entry.closed {
            return;
        }
        entry.failed.get_or_insert(error);
        entry.sent = true;
        entry.kept = None;
        self.close(key);
    }

    /// Resets a stream, and ends it.
    pub(super) fn reset(&mut self, key: Key, reason: Reason) {
        let Some(entry) = self.streams.get(key) else { return };
        if entry.closed {
            return;
        }
        if entry.id != 0 {
            put_reset(self.out.tail(), entry.id, reason);
            self.notify();
        }
        self.fail(key, Error::ResetHere(reason));
    }

    /// Closes a stream whose directions have both ended.
    pub(super) fn settle(&mut self, key: Key) {
        if self.streams.get(key).is_some_and(|entry| entry.sent && entry.received && !entry.closed) {
            self.close(key);
        }
    }

    fn close(&mut self, key: Key) {
        let Some(entry) = self.streams.get(key) else { return };
        entry.closed = true;
        if !entry.received && entry.id != 0 {
            self.stray += entry.window.max(0);
        }
        entry.wake();
        let (id, held) = (entry.id, entry.held);
        if std::mem::take(&mut entry.waits) {
            self.starved.retain(|waiting| *waiting != key);
            self.served.retain(|waiting| *waiting != key);
        }
        if id == 0 {
            self.pending.retain(|waiting| *waiting != key);
        } else {
            self.streams.forget(id);
        }
        if !held {
            self.remove(key);
        }
        if self.role == Role::Client {
            self.begin_pending();
        }
        if self.streams.open() == 0 && (self.leaving || self.going != Going::No) {
            self.notify();
        }
    }

    /// Takes out a stream that is closed and that nobody holds. What it received and nobody took weighs no more.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        let entry = self.streams.remove(key)?;
        self.free(entry.unreleased);
        entry.waker
    }

    /// Ends all streams.
    pub(super) fn end(&mut self, error: Error) {
        let error = match &self.complaint {
            Some(complaint) => Error::Told(Arc::clone(complaint)),
            None => error,
        };
        self.ended.get_or_insert(error.clone());
        self.leaving = true;
        self.fail_pending();
        for key in self.streams.keys() {
            self.fail(key, error.clone());
        }
    }

    /// Ends the streams that have waited, before the end of others would have them begin. Nobody has processed them.
    pub(super) fn fail_pending(&mut self) {
        for key in std::mem::take(&mut self.pending) {
            self.fail(key, Error::GoAway(Reason::NO_ERROR));
        }
    }

    /// Tells the peer what it did, and ends all streams.
    pub(super) fn fault(&mut self, fault: Fault) {
        put_goaway(self.out.tail(), self.last, fault.reason, fault.why);
        self.going = Going::Now;
        self.end(Error::Closed(fault.reason));
    }

    /// Tells the peer to go, and takes what it sends until it has heard that (RFC 9113, section 6.8).
    pub(super) fn go_away(&mut self) {
        if self.going == Going::No {
            self.going = Going::Soon;
            put_goaway(self.out.tail(), u32::MAX >> 1, Reason::NO_ERROR, "");
            put(self.out.tail(), kind::PING, 0, 0, &LAST_CALL);
            self.notify();
        }
    }

    /// Tells the peer to go at once: its streams are cut.
    pub(super) fn cut(&mut self) {
        put_goaway(self.out.tail(), self.last, Reason::NO_ERROR, "");
        self.going = Going::Now;
        self.end(Error::Closed(Reason::NO_ERROR));
    }

    /// Asks whether somebody is there.
    pub(super) fn ping(&mut self) {
        put(self.out.tail(), kind::PING, 0, 0, &HELLO);
        self.notify();
    }

    /// Any answer tells that somebody is there; one of them, that the peer has heard that it is to go.
    pub(super) fn on_pong(&mut self, payload: &[u8]) {
        if payload == LAST_CALL && self.going == Going::Soon {
            self.going = Going::Now;
            put_goaway(self.out.tail(), self.last, Reason::NO_ERROR, "");
        }
    }

    /// Whether all is said and done on a connection that ends in order.
    pub(super) fn is_done(&self) -> bool {
        let left = match self.role {
            Role::Client => self.leaving,
            Role::Server => self.going == Going::Now,
        };
        left && self.streams.open() == 0 && self.pending.is_empty()
    }
}

/// Writes a header block: HEADERS, and CONTINUATION where the peer takes no longer frames.
pub(super) fn put_headers(
    out: &mut Out,
    max_frame: usize,
    stream: u32,
    ends: bool,
    encode: impl FnOnce(&mut Vec<u8>),
) {
    let flags = if ends { flag::END_STREAM } else { 0 };
    let tail = out.tail();
    let at = tail.len();
    tail.extend_from_slice(&[0; super::frame::HEAD]);
    encode(tail);
    let from = at + super::frame::HEAD;
    let length = tail.len() - from;
    if length <= max_frame {
        let head = Head { length, kind: kind::HEADERS, flags: flags | flag::END_HEADERS, stream };
        if let Some(place) = tail.get_mut(at..from) {
            place.copy_from_slice(&head.bytes());
        }
        return;
    }
    let block = tail.split_off(from);
    tail.truncate(at);
    let mut parts = block.chunks(max_frame).peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let kind = if std::mem::take(&mut first) { kind::HEADERS } else { kind::CONTINUATION };
        let begins = if kind == kind::HEADERS { flags } else { 0 };
        let ends = if parts.peek().is_none() { flag::END_HEADERS } else { 0 };
        put(tail, kind, begins | ends, stream, part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::Entry;
    use super::*;

    fn core() -> Arc<Shared> {
        let config = Config {
            window: 1 << 16,
            connection_window: 1 << 16,
            max_frame: 1 << 14,
            max_streams: 10,
            max_headers: 1 << 14,
            local: false,
        };
        Core::begin(Role::Server, config)
    }

    #[test]
    fn streams_that_end_wait_no_more() {
        let shared = core();
        let core = &mut *shared.lock();
        // A client that never opens its connection's window, and takes its requests back.
        core.send_window = 0;
        for id in (1..2001).step_by(2) {
            let key = core.streams.insert(Entry { id, ..Entry::default() });
            core.wait(key, id % 4 == 1);
            core.fail(key, Error::Reset(Reason::CANCEL));
        }
        assert_eq!((core.starved.len(), core.served.len(), core.streams.all()), (0, 0, 0));
    }
}
