//! Small messages leave together.
//!
//! A DATA frame for each small message costs both sides more than the message, and peers on h2 end
//! connections that send too many of them. So messages gather here until the reactor has its turn,
//! whoever drives it then; the wait is no longer than it would be without, as nothing leaves before.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use viaduct::client::Call;
use viaduct::reactor::Reactor;
use viaduct::server::ServerCall;

/// How much is gathered at the most before it is sent, and how long a message is that is sent alone.
const FULL: usize = 16 * 1024;

/// A stream that takes framed messages.
pub(crate) trait Sink: Clone + Send + Sync + 'static {
    /// Sends, or gives back what must wait.
    fn try_send(&self, framed: Bytes) -> Result<Option<Bytes>, Closed>;
    /// Sends as soon as the peer takes it.
    fn send(&self, framed: Bytes) -> impl Future<Output = Result<(), Closed>> + Send;
}

/// Nothing more can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

impl Sink for Call {
    fn try_send(&self, framed: Bytes) -> Result<Option<Bytes>, Closed> {
        Self::try_send(self, framed).map_err(|_| Closed)
    }

    async fn send(&self, framed: Bytes) -> Result<(), Closed> {
        Self::send(self, framed).await.map_err(|_| Closed)
    }
}

impl Sink for ServerCall {
    fn try_send(&self, framed: Bytes) -> Result<Option<Bytes>, Closed> {
        Self::try_send(self, framed).map_err(|_| Closed)
    }

    async fn send(&self, framed: Bytes) -> Result<(), Closed> {
        Self::send(self, framed).await.map_err(|_| Closed)
    }
}

/// The messages of one stream that have not been sent.
pub(crate) struct Batch<S>(Arc<Shared<S>>);

struct Shared<S> {
    sink: S,
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Default)]
struct State {
    gathered: BytesMut,
    /// A task will send what is gathered, or is sending it.
    scheduled: bool,
    sending: bool,
    closed: bool,
}

impl<S: Sink> Batch<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self(Arc::new(Shared { sink, state: Mutex::default(), emptied: Notify::new() }))
    }

    /// Adds a framed message; [`flush`](Self::flush) or [`schedule`](Self::schedule) comes next. `false`
    /// where there is enough now: wait for [`emptied`](Self::emptied) before the next one.
    pub(crate) fn push(&self, framed: Bytes) -> Result<bool, Closed> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(Closed);
        }
        if state.gathered.is_empty() && !state.sending && framed.len() >= FULL {
            match self.0.sink.try_send(framed)? {
                None => return Ok(true),
                Some(back) => state.gathered.extend_from_slice(&back),
            }
        } else {
            state.gathered.extend_from_slice(&framed);
        }
        Ok(state.gathered.len() < FULL || self.0.flush(&mut state)?)
    }

    /// Sends what is gathered now, if the peer takes it. Whether nothing is left.
    pub(crate) fn flush(&self) -> Result<bool, Closed> {
        self.0.flush(&mut self.0.lock())
    }

    /// Sees to it that what is gathered is sent in the reactor's next turn.
    pub(crate) fn schedule(&self, reactor: &Reactor) {
        let mut state = self.0.lock();
        if state.gathered.is_empty() || std::mem::replace(&mut state.scheduled, true) {
            return;
        }
        drop(state);
        if let Some(handle) = reactor.handle() {
            handle.spawn(Arc::clone(&self.0).run());
        }
    }

    /// Waits until nothing is left to be sent, or nothing more can be.
    pub(crate) fn emptied(&self) -> impl Future<Output = ()> + 'static {
        let shared = Arc::clone(&self.0);
        async move {
            loop {
                let mut emptied = std::pin::pin!(shared.emptied.notified());
                emptied.as_mut().enable();
                {
                    let state = shared.lock();
                    if state.closed || (state.gathered.is_empty() && !state.sending) {
                        return;
                    }
                }
                emptied.await;
            }
        }
    }
}

impl<S: Sink> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self, state: &mut State) -> Result<bool, Closed> {
        if state.closed {
            return Err(Closed);
        }
        if state.gathered.is_empty() || state.sending {
            return Ok(!state.sending);
        }
        match self.sink.try_send(state.gathered.split().freeze()) {
            Ok(None) => Ok(true),
            Ok(Some(back)) => {
                state.gathered = back.into();
                Ok(false)
            }
            Err(closed) => {
                state.closed = true;
                Err(closed)
            }
        }
    }

    async fn run(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                state.sending = !state.gathered.is_empty() && !state.closed;
                if !state.sending {
                    state.scheduled = false;
                    break;
                }
                state.gathered.split().freeze()
            };
            if self.sink.send(next).await.is_err() {
                let mut state = self.lock();
                state.closed = true;
                state.sending = false;
                state.scheduled = false;
                break;
            }
        }
        self.emptied.notify_waiters();
    }
}
