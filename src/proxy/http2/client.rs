//! The client's end of a connection: requests begin here.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::block::is_bodiless;
use super::core::{Core, Role, Shared, put_headers};
use super::drive::{Drive, End};
use super::error::Error;
use super::head::Onward;
use super::settings::Config;
use super::stream::Stream;
use super::streams::{Entry, Key};
use crate::transport::connection::closed_early;
use crate::transport::keepalive::Silence;

/// The last number that a stream can have.
const LAST: u32 = (1 << 31) - 1;

/// A connection to a server. Clones share it; it ends with its last request once the last of them is gone.
#[derive(Clone)]
pub(in crate::proxy) struct Client(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().leave();
    }
}

/// How busy a connection is.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Load {
    pub(in crate::proxy) running: usize,
    pub(in crate::proxy) most: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl Client {
    /// Speaks HTTP/2 over `io`, and waits until the peer does: a server that has accepted a connection may end before
    /// it looks at it. The future that comes with the connection drives it and must be spawned; it resolves once the
    /// connection is over. While requests run, `keepalive` is the silence after which the peer is asked whether it is
    /// there, and for how long it may think about that.
    ///
    /// # Errors
    ///
    /// A sentence: what the peer said instead, or that it closed the connection.
    pub(in crate::proxy) async fn connect<IO>(
        io: IO,
        config: Config,
        keepalive: Option<(Duration, Duration)>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static + use<IO>), String>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = Core::begin(Role::Client, config);
        let mut drive = Drive::new(io, Arc::clone(&shared));
        let greeted = poll_fn(|cx| match drive.poll(cx, &mut Vec::new()) {
            Poll::Ready(end) => Poll::Ready(Err(end)),
            Poll::Pending if drive.is_greeted() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        if let Err(end) = greeted.await {
            let complaint = shared.lock().complaint.take();
            return Err(complaint.map_or_else(|| explain(&end), |complaint| complaint.to_string()));
        }
        let mut silence = keepalive.map(|(after, patience)| Silence::new(after, patience, drive.heard));
        let drive = async move {
            let mut begun = Vec::new();
            poll_fn(|cx| {
                if drive.poll(cx, &mut begun).is_ready() {
                    return Poll::Ready(());
                }
                if let Some(silence) = &mut silence
                    && silence.poll(drive.heard, drive.has_streams(), || drive.ping(), cx).is_ready()
                {
                    let silent =
                        format!("the peer did not answer a keepalive PING within {:?}", silence.patience());
                    drive.end(Error::Told(silent.into()));
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
        };
        Ok((Self(Arc::new(Handle(shared))), drive))
    }

    /// How many streams are held, and how many the peer takes at once; none where it takes no more requests.
    pub(in crate::proxy) fn load(&self) -> Option<Load> {
        let core = self.core();
        let load = Load { running: core.streams.all(), most: core.peers.max_streams as usize };
        (!core.leaving).then_some(load)
    }

    /// Begins a request. Beyond what the peer takes at once it waits here.
    ///
    /// # Errors
    ///
    /// The connection takes no more requests.
    pub(in crate::proxy) fn open(&self, head: &Onward<'_>, ends: bool) -> Result<Stream, Error> {
        let Handle(shared) = &*self.0;
        shared.lock().open(head, ends).map(|key| Stream::new(Arc::clone(shared), key))
    }

    /// Lets the requests go on, and ends with the last of them.
    pub(in crate::proxy) fn drain(&self) {
        self.core().leave();
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.0.lock()
    }
}

impl Core {
    /// Takes no more requests, and ends with the last that it has.
    fn leave(&mut self) {
        self.leaving = true;
        self.notify();
    }

    fn open(&mut self, head: &Onward<'_>, ends: bool) -> Result<Key, Error> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        if self.leaving {
            return Err(Error::GoAway(h2::Reason::NO_ERROR));
        }
        let mut entry = Entry {
            held: true,
            sent: ends,
            bodiless: is_bodiless(head.method),
            window: i64::from(self.config.window),
            ..Entry::default()
        };
        if self.streams.open() >= self.peers.max_streams as usize || !self.pending.is_empty() {
            entry.kept = Some(Box::new((head.keep(), ends)));
            let key = self.streams.insert(entry);
            self.pending.push_back(key);
            return Ok(key);
        }
        let id = self.number();
        entry.id = id;
        entry.send_window = self.peers.window;
        let key = self.streams.insert(entry);
        self.put_request(id, head, ends);
        Ok(key)
    }

    fn number(&mut self) -> u32 {
        let id = self.next;
        self.next += 2;
        // The connection ends with those that it has.
        self.leaving |= self.next > LAST;
        id
    }

    fn put_request(&mut self, id: u32, head: &Onward<'_>, ends: bool) {
        let encoder = &mut self.encoder;
        put_headers(&mut self.out, self.peers.max_frame, id, ends, |out| head.encode(encoder, out));
        self.notify();
    }

    /// Begins those that have waited, as far as the peer takes them.
    pub(super) fn begin_pending(&mut self) {
        while self.streams.open() < self.peers.max_streams as usize && self.next <= LAST {
            let Some(key) = self.pending.pop_front() else { return };
            let Some(kept) = self.streams.get(key).and_then(|entry| entry.kept.take()) else { continue };
            let id = self.number();
            self.streams.number(key, id);
            let (head, ends) = *kept;
            if let Some(entry) = self.streams.get(key) {
                entry.send_window = self.peers.window;
                entry.wake();
            }
            self.put_request(id, &head.onward(), ends);
        }
    }
}

/// Why there is no HTTP/2, as one sentence for people.
fn explain(end: &End) -> String {
    match end {
        End::Over => closed_early(),
        End::Broken(why) => format!("the HTTP/2 handshake failed: {why}"),
        End::Fault(fault) => format!("the HTTP/2 handshake failed: {}", fault.why),
    }
}
