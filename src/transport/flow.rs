//! Flow control for what a connection receives (RFC 9113, section 5.2): a window for each stream.
//!
//! h2 gives the connection's window and the stream's back together, when a message is consumed: some streams that
//! nobody reads stop all others. Here h2 is told windows that never close, and this module tells the peer the real
//! ones. The [`wire`](super::wire) passes every frame by it, and writes its WINDOW_UPDATEs between h2's frames.
//!
//! - The connection's window is as large as it can be. Streams only wait for their own.
//! - Each stream begins with the base window. A stream that nobody reads gets no more.
//! - A stream that is read gets a window of the measured bandwidth × delay, or of the message that it is in the middle
//!   of. What streams have above the base window is charged to the connection's budget. One stream gets no more than
//!   a quarter of what the others leave of that, so there is always something left. A stream that is read never has
//!   less than the base window.
//! - Where the streams before it have needed more than the base window, a stream is lent that measured window as soon as
//!   it opens, and need not wait for it half way. What streams are lent that nobody has read yet is a quarter of the
//!   budget at most. (1,000 messages of 100 bytes on a stream: 1.16 of the time without that.)
//!
//! So a connection holds at most streams × base window + budget of bytes that nobody has read.
//!
//! Bandwidth × delay is measured as in gRPC's cores: a PING leaves while data arrives on a stream that is read, and the
//! bytes that come until it is acknowledged are counted. A connection with small messages only sends none.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;

use super::frames::{Head, flag, kind};
use super::streams::{Stream, Streams};

/// The largest window (RFC 9113, section 6.9.1): what h2 is told.
pub(crate) const MAX_WINDOW: u32 = (1 << 31) - 1;

/// The window that every stream has before SETTINGS (RFC 9113, section 6.9.2): the least that a base window can be.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// The base window where nothing else is said: a message of 64 KiB fits, with its prefix and a little more. With 65,535 each
/// such message waited for an update (64 KiB unary: 1.16 of the time).
pub(crate) const BASE_WINDOW: u32 = 70_000;

/// What a stream is charged at most for its window above the base.
const MOST: u64 = 16 << 20;

/// What streams that nobody reads yet are lent together: this part of the budget.
const LENT: u64 = 4;

/// After so many streams in a row for which the base window was enough, no stream is lent more.
const SHORT: u8 = 8;

/// A consumer's bytes are counted here in steps of this many: small messages cost no lock.
const STEP: usize = 8 * 1024;

/// A message that lacks more than this is given its own window.
const LONG: usize = 32 * 1024;

/// SETTINGS_INITIAL_WINDOW_SIZE and SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113, section 6.5.2).
const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
const MAX_HEADER_LIST_SIZE: [u8; 2] = [0, 6];

/// The longest list of headers that h2 is told to take. One that is longer than the peer was told to send must end its call
/// only, so h2 has to read it.
pub(crate) const MAX_HEADER_LIST: u32 = 16 << 20;

/// The error code FLOW_CONTROL_ERROR.
const FLOW_CONTROL_ERROR: u8 = 3;

/// The windows of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// What each stream may send before any of it is read.
    pub(crate) base: u32,
    /// What all streams may have above that together.
    pub(crate) budget: u64,
}

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// The flow control of one connection, and what the peer has said that it takes. Clones are the same.
#[derive(Debug, Clone)]
pub struct Flow(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The peer's SETTINGS_MAX_HEADER_LIST_SIZE.
    peer_headers: AtomicU32,
}

#[derive(Debug)]
pub(super) struct State {
    side: Side,
    base: u32,
    budget: u64,
    /// The longest list of headers that the peer is told to send.
    headers: u32,
    /// The streams on which the peer may send, and those that have ended with more unread than the base window.
    streams: Streams,
    /// The last stream that was opened.
    last: u32,
    /// h2 ignores streams above this: it has sent GOAWAY.
    until: u32,
    /// What all streams are charged, and what of that those are that nobody has read yet.
    used: u64,
    lent: u64,
    /// How many streams that open now are lent a window; and the bytes and frames that the last one had which needed it.
    lending: u8,
    usual: (u32, u32),
    /// The window of a stream that is read.
    estimate: u64,
    /// Whether the peer knows our SETTINGS. Until then h2 holds it to the default window, and what h2 gives is all.
    settled: bool,
    /// The streams that have an update to be told.
    due: Vec<u32>,
    probe: Probe,
    /// The connection's task is in its turn, and will look at `due` at the end of it.
    in_turn: bool,
    waker: Option<Waker>,
    broken: bool,
}

/// DATA frames of one stream, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Run {
    stream: u32,
    bytes: u32,
    frames: u32,
}

impl Run {
    /// Takes a frame that goes on with the run.
    #[inline]
    pub(super) fn take(&mut self, head: &Head) -> bool {
        if head.kind != kind::DATA || head.flags != 0 || head.stream != self.stream {
            return false;
        }
        self.bytes = self.bytes.saturating_add(head.length);
        self.frames += 1;
        true
    }

    /// The run that may begin behind this frame.
    pub(super) fn behind(head: &Head) -> Self {
        Self { stream: head.stream, ..Self::default() }
    }
}

/// What is to be done with a frame of h2's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// The peer must not see it.
    Drop,
    /// It is h2's SETTINGS, which the peer gets [otherwise](State::rewrite).
    Rewrite,
}

/// What is to be done with a frame of the peer's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Pass,
    /// It is the acknowledgement of our PING, which h2 does not know.
    Hide,
    /// The peer has broken the protocol.
    Broken(String),
}

impl Flow {
    /// `headers` is the longest list of headers that the peer is to send.
    pub(crate) fn new(side: Side, windows: Windows, headers: u32) -> Self {
        let base = windows.base.clamp(DEFAULT_WINDOW, MAX_WINDOW);
        let state = Mutex::new(State {
            side,
            base,
            budget: windows.budget,
            headers,
            streams: Streams::default(),
            last: 0,
            until: MAX_WINDOW,
            used: 0,
            lent: 0,
            lending: 0,
            usual: (0, 0),
            estimate: base.into(),
            settled: false,
            due: Vec::new(),
            probe: Probe::default(),
            in_turn: false,
            waker: None,
            broken: false,
        });
        Self(Arc::new(Shared { state, peer_headers: AtomicU32::new(u32::MAX) }))
    }

    /// A poisoned lock means that a poll panicked; the connection's task has ended with it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest list of headers that the peer takes, in bytes as HTTP/2 counts them, as far as it has said so.
    pub(crate) fn peer_header_list(&self) -> usize {
        self.0.peer_headers.load(Relaxed) as usize
    }

    /// Learns from the peer's SETTINGS.
    pub(super) fn learn(&self, settings: &[u8]) {
        for setting in settings.chunks_exact(6) {
            if setting.starts_with(&MAX_HEADER_LIST_SIZE)
                && let Some(value) = setting.last_chunk()
            {
                self.0.peer_headers.store(u32::from_be_bytes(*value), Relaxed);
            }
        }
    }

    pub(super) fn side(&self) -> Side {
        self.lock().side
    }

    /// Whether the peer has sent more than its windows allow.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// The streams that are accounted for now, and what they are charged above their base windows.
    pub fn held(&self) -> (usize, u64) {
        let state = self.lock();
        (state.streams.len(), state.used)
    }

    /// `taken` bytes of a stream were consumed; the message that is being read lacks `missing`.
    fn consumed(&self, id: u32, taken: usize, missing: usize) {
        let mut state = self.lock();
        let waker = state.consumed(id, taken, missing as u64);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    /// The connection's task has a turn, with something to read.
    pub(super) fn begin_turn(&mut self) {
        self.in_turn = true;
    }

    /// The peer's frame passes. `payload` is its beginning.
    pub(super) fn received(&mut self, head: &Head, payload: &[u8]) -> Judgement {
        match head.kind {
            kind::DATA => return self.data(head, 1, payload),
            kind::HEADERS if self.side == Side::Server && head.stream > self.last => {
                self.accept(head);
            }
            kind::HEADERS if head.has(flag::END_STREAM) => self.end(head.stream),
            kind::RST_STREAM => self.end(head.stream),
            kind::SETTINGS if head.has(flag::ACK) && !self.settled => {
                self.settled = true;
                let read: Vec<u32> =
                    self.streams.iter().filter(|(_, stream)| stream.is_read).map(|(id, _)| id).collect();
                for id in read {
                    self.change(id, |_| {});
                    self.refill(id, 0);
                }
            }
            kind::PING if head.has(flag::ACK) && payload == PING => {
                if let Some(estimate) = self.probe.acknowledged(self.estimate) {
                    self.estimate = estimate.clamp(self.base.into(), MOST.max(self.base.into()));
                }
                return Judgement::Hide;
            }
            _ => {}
        }
        Judgement::Pass
    }

    /// DATA frames of one stream without flags pass, one behind the other.
    #[inline]
    pub(super) fn received_run(&mut self, run: &Run) -> Judgement {
        let Run { stream, bytes, frames } = *run;
        if frames == 0 {
            return Judgement::Pass;
        }
        self.data(&Head { length: bytes, kind: kind::DATA, flags: 0, stream }, frames, &[])
    }

    /// Whether the head of a request and one DATA frame pass that is the whole of it: then the stream never waits for its
    /// window, and nothing has to be kept of it.
    #[inline]
    pub(super) fn received_whole(&mut self, head: &Head, data: &Head) -> bool {
        let short = self.side == Side::Server
            && head.kind == kind::HEADERS
            && head.has(flag::END_HEADERS)
            && !head.has(flag::END_STREAM)
            && head.stream > self.last
            && self.is_accepted(head.stream)
            && data.kind == kind::DATA
            && data.flags == flag::END_STREAM
            && data.stream == head.stream
            && data.length <= self.base;
        if short {
            self.last = head.stream;
            self.lending = self.lending.saturating_sub(1);
            self.probe.sample = self.probe.sample.saturating_add(data.length.into());
        }
        short
    }

    /// Whether a PING of ours is not acknowledged.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.probe.stage, Stage::Sent(_))
    }

    /// h2's frame passes. `payload` is its beginning.
    pub(super) fn sent(&mut self, head: &Head, payload: &[u8]) -> Verdict {
        match head.kind {
            kind::HEADERS if self.side == Side::Client && head.stream > self.last => {
                self.open(head.stream, false);
            }
            kind::RST_STREAM => self.end(head.stream),
            kind::SETTINGS if !head.has(flag::ACK) => return Verdict::Rewrite,
            kind::GOAWAY => {
                if let Some(last) = payload.first_chunk() {
                    self.until = self.until.min(u32::from_be_bytes(*last));
                }
            }
            kind::WINDOW_UPDATE if head.stream != 0 => {
                if self.settled {
                    return Verdict::Drop;
                }
                if let (Some(stream), Some(more)) = (self.streams.get_mut(head.stream), payload.first_chunk())
                {
                    stream.left = stream.left.saturating_add(u32::from_be_bytes(*more)).min(MAX_WINDOW);
                }
            }
            _ => {}
        }
        Verdict::Pass
    }

    /// Puts our window and our limit of headers into h2's SETTINGS.
    pub(super) fn rewrite(&self, settings: &mut [u8]) {
        for setting in settings.chunks_exact_mut(6) {
            let ours = match setting.first_chunk() {
                Some(&INITIAL_WINDOW_SIZE) => self.base,
                Some(&MAX_HEADER_LIST_SIZE) => self.headers,
                _ => continue,
            };
            if let Some(value) = setting.last_chunk_mut() {
                *value = ours.to_be_bytes();
            }
        }
    }

    /// Writes what the peer is to be told, between h2's frames.
    pub(super) fn write(&mut self, out: &mut BytesMut) {
        while let Some(id) = self.due.pop() {
            if let Some(stream) = self.streams.get_mut(id) {
                let update = std::mem::take(&mut stream.update);
                if update > 0 && !stream.ended {
                    head(out, 4, kind::WINDOW_UPDATE, id);
                    out.put_u32(update);
                }
            }
        }
        if self.probe.stage == Stage::Due {
            self.probe.begin();
            head(out, PING.len() as u8, kind::PING, 0);
            out.put_slice(&PING);
        }
    }

    /// Writes why the connection ends.
    pub(super) fn write_broken(&mut self, out: &mut BytesMut) {
        self.broken = true;
        head(out, 8, kind::GOAWAY, 0);
        out.put_u32(if self.side == Side::Server { self.last } else { 0 });
        out.put_u32(FLOW_CONTROL_ERROR.into());
    }

    /// The turn of the connection's task ends: it is woken when there is something to write.
    pub(super) fn end_turn(&mut self, cx: &Context<'_>) {
        self.in_turn = false;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// A client opens a stream. h2 refuses even numbers, and ignores what is behind its GOAWAY.
    fn accept(&mut self, head: &Head) {
        if self.is_accepted(head.stream) {
            self.open(head.stream, head.has(flag::END_STREAM));
        }
    }

    fn is_accepted(&self, id: u32) -> bool {
        id % 2 == 1 && id <= self.until
    }

    fn open(&mut self, id: u32, ended: bool) {
        self.last = id;
        if !ended {
            self.streams.open(id, Stream { left: self.base, ..Stream::default() });
            if self.lending > 0 {
                self.lend(id);
            }
        }
    }

    /// Gives a stream the measured window before anything has come.
    fn lend(&mut self, id: u32) {
        let lendable = (self.budget / LENT).saturating_sub(self.lent);
        let free = self.budget.saturating_sub(self.used);
        let (bytes, frames) = self.usual;
        let affordable = Stream { bytes, frames, ..Stream::default() }.afford(lendable.min(free) / 4);
        let more = affordable.min(self.estimate - u64::from(self.base));
        if !self.settled || more < u64::from(self.base / 2) {
            return;
        }
        let more = u32::try_from(more).unwrap_or(0);
        self.due.push(id);
        self.change(id, |stream| {
            (stream.bytes, stream.frames) = (bytes, frames);
            stream.left += more;
            stream.update = more;
        });
    }

    /// As many `frames` of DATA pass, of the length in `head` together.
    fn data(&mut self, head: &Head, frames: u32, payload: &[u8]) -> Judgement {
        self.probe.sample = self.probe.sample.saturating_add(head.length.into());
        // Those of streams that have ended on this side are ignored by h2.
        let Some(stream) = self.streams.get_mut(head.stream).filter(|stream| !stream.ended) else {
            return Judgement::Pass;
        };
        if head.length > stream.left {
            return Judgement::Broken(format!(
                "the peer sent {} bytes of DATA on stream {}, whose flow-control window was {}",
                head.length, head.stream, stream.left
            ));
        }
        let padding = match payload {
            [padding, ..] if head.has(flag::PADDED) => (u32::from(*padding) + 1).min(head.length),
            _ => 0,
        };
        stream.left -= head.length;
        if !stream.abandoned {
            stream.unread += head.length - padding;
        }
        stream.came = stream.came.saturating_add(head.length);
        stream.bytes = stream.bytes.saturating_add(head.length);
        stream.frames += frames;
        if stream.frames >= 1 << 16 {
            stream.bytes /= 2;
            stream.frames /= 2;
        }
        if stream.is_read {
            self.probe.arrived(head.length);
        }
        if head.has(flag::END_STREAM) {
            self.end(head.stream);
        } else if padding > 0 {
            self.change(head.stream, |_| {});
            self.refill(head.stream, 0);
        }
        Judgement::Pass
    }

    /// No more comes on a stream.
    fn end(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.came <= self.base {
            self.lending = self.lending.saturating_sub(1);
            // Nearly all are short, and have nothing that would have to be given back.
            if stream.charged == 0 && stream.unread <= self.base {
                self.streams.remove(id);
                return;
            }
        } else if stream.is_read {
            self.lending = SHORT;
            // Of little weight beside what the next stream brings.
            let less = stream.frames.checked_ilog2().unwrap_or(0).saturating_sub(4);
            self.usual = (stream.bytes >> less, stream.frames >> less);
        }
        self.change(id, |stream| {
            stream.ended = true;
            stream.left = 0;
        });
    }

    /// Changes a stream and charges it anew; one that has ended is forgotten once it holds no more than the base window.
    fn change(&mut self, id: u32, how: impl FnOnce(&mut Stream)) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.used -= stream.charged;
        self.lent -= stream.lent();
        how(stream);
        stream.charged = stream.cost(self.base);
        self.used += stream.charged;
        self.lent += stream.lent();
        if stream.ended && stream.charged == 0 {
            self.streams.remove(id);
        }
    }

    fn consumed(&mut self, id: u32, taken: usize, missing: u64) -> Option<Waker> {
        let idle = self.due.is_empty();
        self.change(id, |stream| {
            stream.unread = stream.unread.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
            stream.is_read = true;
        });
        self.refill(id, missing);
        let wanted = idle && !self.due.is_empty() && !self.in_turn;
        self.waker.as_ref().filter(|_| wanted).cloned()
    }

    /// Opens a stream's window where it is worth a frame. The stream is charged for what it has.
    fn refill(&mut self, id: u32, missing: u64) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if !self.settled || stream.abandoned || stream.ended {
            return;
        }
        let base = u64::from(self.base);
        let held = u64::from(stream.left) + u64::from(stream.unread);
        let wanted = if stream.is_read { self.estimate.max(missing) } else { base };
        let others = self.used - stream.charged;
        let affordable = stream.afford(MOST.min(self.budget.saturating_sub(others) / 4));
        let target = (base + affordable.min(wanted.saturating_sub(base))).min(MAX_WINDOW.into());
        let more = target.saturating_sub(held);
        // Half a window is worth a frame, and so is the rest of a message.
        let worth = match missing.saturating_sub(held) {
            0 => target / 2,
            lacking => lacking.min(target / 2),
        };
        if more == 0 || more < worth {
            return;
        }
        let more = u32::try_from(more).unwrap_or(0);
        if stream.update == 0 {
            self.due.push(id);
        }
        self.change(id, |stream| {
            stream.left += more;
            stream.update = stream.update.saturating_add(more).min(MAX_WINDOW);
        });
    }

    /// Nobody takes what comes on a stream any more; h2 drops it.
    fn abandoned(&mut self, id: u32) {
        self.change(id, |stream| {
            stream.abandoned = true;
            stream.unread = 0;
        });
    }
}

fn head(out: &mut BytesMut, length: u8, kind: u8, stream: u32) {
    out.put_slice(&[0, 0, length, kind, 0]);
    out.put_u32(stream);
}

/// What our PINGs say.
pub(super) const PING: [u8; 8] = *b"viaduct\0";

/// So much comes on streams that are read between two samples, at least: servers count PINGs without data.
const WORTH: u32 = 32 * 1024;

/// The pause between samples, while they find nothing new.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Measures bandwidth × delay.
#[derive(Debug, Default)]
struct Probe {
    stage: Stage,
    /// What came on streams that are read since the last sample.
    arrived: u32,
    /// What came since the PING became due, and what made it so.
    sample: u64,
    /// The best bandwidth, in bytes a second.
    best: f64,
    pause: Duration,
    next: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// A PING is to be written.
    Due,
    Sent(Instant),
}

impl Probe {
    fn arrived(&mut self, length: u32) {
        self.arrived = self.arrived.saturating_add(length);
        if self.arrived >= WORTH && self.stage == Stage::Idle {
            // A window may come in one piece, and the acknowledgement ahead of the next.
            self.sample = std::mem::take(&mut self.arrived).into();
            if self.next.is_none_or(|next| Instant::now() >= next) {
                self.stage = Stage::Due;
            }
        }
    }

    fn begin(&mut self) {
        self.stage = Stage::Sent(Instant::now());
    }

    /// The window that is better than `estimate`.
    fn acknowledged(&mut self, estimate: u64) -> Option<u64> {
        let Stage::Sent(at) = std::mem::take(&mut self.stage) else { return None };
        let now = Instant::now();
        self.judge(now.saturating_duration_since(at), now, estimate)
    }

    fn judge(&mut self, delay: Duration, now: Instant, estimate: u64) -> Option<u64> {
        self.arrived = 0;
        let bandwidth = self.sample as f64 / delay.as_secs_f64().max(1e-6);
        // A window that holds a stream up is given back in halves, and what the second of them brings may come just
        // behind the acknowledgement: so a third of the window is enough, and not two as elsewhere.
        let grows = self.sample > estimate / 3 && bandwidth > self.best;
        self.best = self.best.max(bandwidth);
        if grows {
            self.pause = Duration::ZERO;
            self.next = None;
            return Some(self.sample.max(estimate * 2));
        }
        self.pause = (self.pause * 2).clamp(PAUSE.0, PAUSE.1);
        self.next = Some(now + self.pause);
        None
    }
}

/// What comes on a stream, given back to its window as it is taken.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: RecvStream,
    flow: Flow,
    /// What was taken and not yet counted.
    taken: usize,
    /// What the message that is being read lacked when it was last asked.
    missing: usize,
    /// Whether the window has heard of this side.
    counted: bool,
}

impl Receiver {
    pub(crate) fn new(stream: RecvStream, flow: Flow) -> Self {
        Self { stream, flow, taken: 0, missing: 0, counted: false }
    }

    /// The content of the next DATA frame, for a message that lacks `missing` bytes as far as is known.
    pub(crate) fn poll_data(
        &mut self,
        missing: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, h2::Error>>> {
        // It falls while a message comes, and rises with the next.
        let previous = std::mem::replace(&mut self.missing, missing);
        if missing > LONG && missing > previous {
            self.count();
        }
        let data = ready!(self.stream.poll_data(cx));
        if let Some(Ok(data)) = &data {
            self.taken += data.len();
            if self.taken >= STEP {
                self.missing = missing.saturating_sub(data.len());
                self.count();
            }
        }
        Poll::Ready(data)
    }

    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        self.stream.poll_trailers(cx)
    }

    fn count(&mut self) {
        self.counted = true;
        let taken = std::mem::take(&mut self.taken);
        // So that h2's windows never close. Refused only where more is released than came.
        let _ = self.stream.flow_control().release_capacity(taken);
        self.flow.consumed(self.id(), taken, self.missing);
    }

    fn id(&self) -> u32 {
        self.stream.stream_id().as_u32()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Only a stream that was counted can be charged.
        if self.counted {
            let id = self.id();
            self.flow.lock().abandoned(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u32 = DEFAULT_WINDOW;

    fn frame(kind: u8, flags: u8, stream: u32, length: u32) -> Head {
        Head { length, kind, flags, stream }
    }

    /// A server whose client knows its SETTINGS.
    fn flow(budget: u64) -> Flow {
        let flow = Flow::new(Side::Server, Windows { base: BASE, budget }, 16 << 10);
        flow.lock().received(&frame(kind::SETTINGS, flag::ACK, 0, 0), &[]);
        flow
    }

    impl State {
        fn take(&mut self, kind: u8, flags: u8, stream: u32, length: u32) {
            assert_eq!(self.received(&frame(kind, flags, stream, length), &[]), Judgement::Pass);
        }

        /// The updates that are due.
        fn told(&mut self) -> Vec<(u32, u32)> {
            let mut out = BytesMut::new();
            self.write(&mut out);
            let word = |bytes: &[u8]| u32::from_be_bytes(*bytes.first_chunk().unwrap());
            let updates = out.chunks(13).filter(|one| one[3] == kind::WINDOW_UPDATE);
            updates.map(|one| (word(&one[5..]), word(&one[9..]))).collect()
        }

        fn check(&self) {
            let above = |s: &Stream| (u64::from(s.left) + u64::from(s.unread)).saturating_sub(BASE.into());
            let sum: u64 = self.streams.iter().map(|(_, s)| above(s)).sum();
            let charged: u64 = self.streams.iter().map(|(_, s)| s.charged).sum();
            assert_eq!(self.used, charged);
            assert_eq!(self.lent, self.streams.iter().map(|(_, s)| s.lent()).sum::<u64>());
            assert!(sum <= self.budget, "{sum} of {}", self.budget);
        }
    }

    #[test]
    fn a_short_request_that_comes_whole_leaves_nothing_behind() {
        let flow = flow(1 << 20);
        let mut state = flow.lock();
        let (open, last) = (flag::END_HEADERS, flag::END_STREAM);
        let mut whole = |flags, stream, data_flags, data_stream, length| {
            let head = frame(kind::HEADERS, flags, stream, 40);
            state.received_whole(&head, &frame(kind::DATA, data_flags, data_stream, length))
        };
        assert!(whole(open, 1, last, 1, BASE) && whole(open, 3, last, 3, 0));
        // Not one, not whole, not the one's, too long, cut, not of a client.
        assert!(
            !whole(open, 3, last, 3, 5) && !whole(open, 5, 0, 5, 5) && !whole(open | last, 5, last, 5, 5)
        );
        assert!(
            !whole(open, 5, last, 7, 5) && !whole(open, 5, last, 5, BASE + 1) && !whole(0, 5, last, 5, 5)
        );
        assert!(!whole(open, 5, last | flag::PADDED, 5, 5) && !whole(open, 6, last, 6, 5));
        assert_eq!((state.last, state.streams.len()), (3, 0));
        // What is behind our GOAWAY is nobody's.
        state.sent(&frame(kind::GOAWAY, 0, 0, 8), &7_u32.to_be_bytes());
        let behind = (frame(kind::HEADERS, open, 9, 40), frame(kind::DATA, last, 9, 5));
        assert!(!state.received_whole(&behind.0, &behind.1));
        // Too long is what it is frame by frame.
        state.take(kind::HEADERS, open, 5, 40);
        assert!(matches!(state.received(&frame(kind::DATA, last, 5, BASE + 1), &[]), Judgement::Broken(_)));
    }

    #[test]
    fn half_a_window_is_given_back_at_once_and_no_less() {
        let flow = flow(0);
        let mut state = flow.lock();
        state.take(kind::HEADERS, 0, 1, 10);
        state.take(kind::DATA, 0, 1, BASE);
        state.consumed(1, 30_000, 0);
        assert_eq!(state.told(), []);
        state.consumed(1, 3000, 0);
        assert_eq!(state.told(), [(1, 33_000)]);
        state.take(kind::DATA, 0, 1, 33_000);
        let more = state.received(&frame(kind::DATA, 0, 1, 1), &[]);
        assert!(matches!(more, Judgement::Broken(why) if why.contains("1 bytes of DATA on stream 1")));
    }

    #[test]
    fn before_the_settings_are_known_windows_are_those_of_h2() {
        let flow = Flow::new(Side::Server, Windows { base: BASE, budget: 1 << 20 }, 16 << 10);
        let mut state = flow.lock();
        state.take(kind::HEADERS, 0, 1, 10);
        state.take(kind::DATA, 0, 1, 50_000);
        state.consumed(1, 50_000, 500_000);
        assert_eq!(state.told(), []);
        let update = frame(kind::WINDOW_UPDATE, 0, 1, 4);
        assert_eq!(state.sent(&update, &40_000_u32.to_be_bytes()), Verdict::Pass);
        state.take(kind::DATA, 0, 1, BASE - 10_000);
        assert_eq!(state.streams.get(1).left, 0);
        state.take(kind::SETTINGS, flag::ACK, 0, 0);
        assert_eq!(state.sent(&update, &40_000_u32.to_be_bytes()), Verdict::Drop);
        assert_eq!(state.told(), []);
        state.consumed(1, 30_000, 0);
        assert_eq!(state.told(), [(1, 40_000)]);
    }

    #[test]
    fn windows_above_the_base_share_a_budget() {
        const BUDGET: u64 = 8 << 20;
        let flow = flow(BUDGET);
        let mut state = flow.lock();
        state.estimate = 16 << 20;
        let mut windows = Vec::new();
        for n in 0..50 {
            let id = 2 * n + 1;
            state.take(kind::HEADERS, 0, id, 10);
            // It reads all of its first window, and then no more, whatever comes.
            state.take(kind::DATA, 0, id, BASE);
            state.consumed(id, BASE as usize, 0);
            let [(_, more)] = state.told()[..] else { panic!("stream {id} got no window") };
            assert!(more >= BASE);
            while state.streams.get(id).left > 0 {
                let most = state.streams.get(id).left.min(16_384);
                state.take(kind::DATA, 0, id, most);
            }
            state.check();
            windows.push(u64::from(more - BASE));
        }
        // Each has up to a quarter of what was left, less what its frames cost.
        assert!(windows[0] > BUDGET / 4 * 9 / 10 && windows[0] <= BUDGET / 4, "{windows:?}");
        assert!(windows.windows(2).all(|pair| pair[1] <= pair[0]), "{windows:?}");
        assert!(windows[10] > 0, "{windows:?}");
        // What is dropped or taken is there for others.
        for n in 0..50 {
            if n % 2 == 0 {
                state.abandoned(2 * n + 1);
            } else {
                state.take(kind::DATA, flag::END_STREAM, 2 * n + 1, 0);
                let unread = state.streams.find(2 * n + 1).map_or(0, |s| s.unread);
                state.consumed(2 * n + 1, unread as usize, 0);
            }
            state.check();
        }
        assert_eq!(state.used, 0);
        for n in 0..50 {
            state.take(kind::RST_STREAM, 0, 2 * n + 1, 4);
        }
        assert!(state.streams.len() == 0);
    }

    #[test]
    fn a_message_gets_the_window_that_it_lacks() {
        let flow = flow(64 << 20);
        let mut state = flow.lock();
        state.take(kind::HEADERS, 0, 1, 10);
        state.take(kind::DATA, 0, 1, 16_384);
        state.consumed(1, 16_384, 4_000_000);
        let [(1, more)] = state.told()[..] else { panic!("no window") };
        assert_eq!(more + BASE - 16_384, 4_000_000);
        let mut missing = 4_000_000_usize;
        while missing > 0 {
            let length = missing.min(16_384);
            state.take(kind::DATA, 0, 1, length as u32);
            missing -= length;
            state.consumed(1, length, missing as u64);
        }
        // Then the stream has the base window again.
        let given: u32 = state.told().iter().map(|(_, more)| more).sum();
        assert!((BASE / 2..=BASE).contains(&given), "{given}");
        assert_eq!(state.used, 0);
    }

    #[test]
    fn streams_are_lent_what_those_before_them_needed() {
        let flow = flow(32 << 20);
        let mut state = flow.lock();
        state.estimate = 1 << 20;
        let mut id = 1;
        // A stream that comes in frames of `size` as far as its window goes, and how much that was before it was read.
        let mut stream = |state: &mut State, length: u32, size: u32| {
            state.take(kind::HEADERS, 0, id, 10);
            let window = state.streams.get(id).left;
            assert_eq!(state.told(), Vec::from_iter((window > BASE).then(|| (id, window - BASE))));
            let mut left = length;
            while left > 0 {
                let came = size.min(left).min(state.streams.get(id).left);
                state.take(kind::DATA, 0, id, came);
                state.consumed(id, came as usize, 0);
                left -= came;
            }
            state.take(kind::DATA, flag::END_STREAM, id, 0);
            state.told();
            state.check();
            id += 2;
            window
        };
        assert_eq!(stream(&mut state, BASE, 16_384), BASE);
        assert_eq!(stream(&mut state, BASE + 1, 16_384), BASE);
        let lent = stream(&mut state, 100, 100);
        assert!(lent == 1 << 20, "{lent}");
        // The habit goes after some short ones, or with the first long one.
        let windows: Vec<_> = (0..SHORT).map(|_| stream(&mut state, 100, 100)).collect();
        assert_eq!(windows.iter().filter(|w| **w > BASE).count(), usize::from(SHORT) - 1, "{windows:?}");
        assert_eq!(stream(&mut state, 2 * BASE, 1), BASE);
        let small = stream(&mut state, 0, 1);
        assert!((BASE..lent / 10).contains(&small), "{small}: frames of one byte cost more");
        stream(&mut state, 2 * BASE, 16_384);

        // Those that nobody reads get a quarter of the budget.
        let mut windows = Vec::new();
        for n in 0..200 {
            let id = id + 2 * n;
            state.take(kind::HEADERS, 0, id, 10);
            windows.push(state.streams.get(id).left);
            while state.streams.get(id).left > 0 {
                let most = state.streams.get(id).left.min(16_384);
                state.take(kind::DATA, 0, id, most);
            }
            state.check();
        }
        let above: u32 = windows.iter().map(|w| w - BASE).sum();
        assert!(windows[0] == 1 << 20 && windows[199] == BASE && above < 8 << 20, "{windows:?}");
        for n in 0..200 {
            state.take(kind::RST_STREAM, 0, id + 2 * n, 4);
            state.abandoned(id + 2 * n);
        }
        assert_eq!((state.used, state.lent, state.streams.len()), (0, 0, 0));
    }

    #[test]
    fn small_frames_get_smaller_windows() {
        let mut windows = Vec::new();
        for size in [5, 105, 16_384] {
            let flow = flow(1 << 30);
            let mut state = flow.lock();
            state.estimate = 16 << 20;
            state.take(kind::HEADERS, 0, 1, 10);
            let mut left = BASE;
            while left > 0 {
                let length = left.min(size);
                state.take(kind::DATA, 0, 1, length);
                left -= length;
            }
            state.consumed(1, BASE as usize, 0);
            windows.push(state.told()[0].1 / 1024);
            state.check();
        }
        assert!(windows[0] < 400 && windows[1] < 6000 && windows[2] > 16_000, "{windows:?} KiB");
    }

    #[test]
    fn a_sample_that_fills_the_window_doubles_it_until_it_gains_nothing() {
        let mut probe = Probe::default();
        let now = Instant::now();
        let delay = Duration::from_millis(40);
        let mut judge = |sample, estimate, delay| {
            probe.sample = sample;
            (probe.judge(delay, now, estimate), probe.next.map(|next| next - now))
        };
        assert_eq!(judge(60_000, 65_535, delay), (Some(131_070), None));
        assert_eq!(judge(300_000, 131_070, delay), (Some(300_000), None));
        // No more came, or it took longer for it.
        assert_eq!(judge(150_000, 300_000, delay), (None, Some(PAUSE.0)));
        assert_eq!(judge(300_000, 300_000, delay * 2), (None, Some(PAUSE.0 * 2)));
        for _ in 0..10 {
            judge(0, 300_000, delay);
        }
        assert_eq!(judge(0, 300_000, delay), (None, Some(PAUSE.1)));
        assert_eq!(judge(400_000, 300_000, delay), (Some(600_000), None));
    }

    #[test]
    fn the_streams_of_a_server_are_forgotten_however_they_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (near, far) = tokio::io::duplex(1 << 20);
            let flow = Flow::new(Side::Server, Windows { base: BASE, budget: 1 << 20 }, 16 << 10);
            let (wire, flusher) = super::super::wire::wire(far, flow.clone());
            let ours = flow.clone();
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.initial_window_size(MAX_WINDOW).initial_connection_window_size(MAX_WINDOW);
                builder.max_header_list_size(1000);
                let mut http2 = builder.handshake::<_, Bytes>(wire).await.unwrap();
                loop {
                    let accepted = std::future::poll_fn(|cx| {
                        let polled = http2.poll_accept(cx);
                        let _ = flusher.poll_flush(cx);
                        polled
                    });
                    let Some(Ok((request, mut respond))) = accepted.await else { return };
                    let what = request.uri().path().to_owned();
                    let mut body = Receiver::new(request.into_body(), ours.clone());
                    tokio::spawn(async move {
                        match &what[1..] {
                            "read" => {
                                while let Some(Ok(_)) =
                                    std::future::poll_fn(|cx| body.poll_data(100_000, cx)).await
                                {
                                }
                            }
                            "some" => drop(std::future::poll_fn(|cx| body.poll_data(900_000, cx)).await),
                            "reset" => return respond.send_reset(h2::Reason::CANCEL),
                            "drop" => return,
                            "wait" => std::future::pending().await,
                            _ => {}
                        }
                        let _ = respond.send_response(http::Response::new(()), true);
                    });
                }
            });
            let (mut send, http2) = h2::client::handshake(near).await.unwrap();
            tokio::spawn(http2);
            for n in 0..60 {
                let what = ["read", "some", "reset", "drop", "answer", "wait", "long"][n % 7];
                let mut request = http::Request::post(format!("http://x/{what}"));
                if what == "long" {
                    request = request.header("x", "y".repeat(2000));
                }
                send = send.ready().await.unwrap();
                let (response, mut stream) = send.send_request(request.body(()).unwrap(), false).unwrap();
                let _ = stream.send_data(vec![0; 50_000].into(), n % 2 == 0 && what != "wait");
                if what == "wait" {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    assert_eq!(flow.held().0, 1);
                    stream.send_reset(h2::Reason::CANCEL);
                } else if what == "read" {
                    let _ = stream.send_data(Bytes::new(), true);
                }
                let _ = response.await;
                for turn in 0.. {
                    if flow.held() == (0, 0) {
                        break;
                    }
                    assert!(turn < 2000, "{n}, {what}: {:?}", flow.held());
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
}
