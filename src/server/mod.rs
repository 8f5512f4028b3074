//! The server: from a bound socket to a call that waits for its handler, and back.
//!
//! ```text
//! Listener ── accept ──> connection task ── Router ──> Inbox ──> the consumer
//!                          (h2, TLS,                               │
//!                           deadlines)  <──── ServerCall ──────────┘
//! ```
//!
//! It stands on h2 directly: hyper adds frames (an empty DATA after a trailers-only answer), and
//! both it and tonic's server want the handler to be a future. Here the consumer is whoever pops the
//! [`Inbox`], in production the PHP thread, outside the runtime. Everything is `Send` and behind
//! short locks, so that another thread may drive the runtime while the consumer works.
//!
//! * [`Listener`] binds, without a runtime; [`Server::start`] serves, inside one.
//! * A request is checked and routed ([`Router`]); of a method with [`RequestShape::One`] it waits
//!   for the one message. Then it is an [`Incoming`] in the [`Inbox`].
//! * [`ServerCall`] is its handle: messages in, headers, messages and status out, in both directions
//!   with flow control. The engine itself answers at the deadline, for what breaks the protocol, and
//!   where the queue is full.
//! * [`ServerHandle`] drains: no new connections, GOAWAY, and an end when the last call is answered.

#![forbid(unsafe_code)]

pub(crate) mod address;
mod answer;
mod body;
mod call;
mod config;
mod connection;
mod counters;
mod ground;
mod inbox;
pub(crate) mod inherited;
pub(crate) mod keepalive;
pub(crate) mod lifecycle;
mod lifetime;
pub(crate) mod listener;
mod local;
mod request;
mod router;
pub(crate) mod stream;
mod timers;
mod trailers;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;

pub use answer::Refused;
pub use call::ServerCall;
pub use config::ServerConfig;
pub use counters::Counts;
pub use inbox::{Inbox, Incoming, Place};
pub use listener::{ListenError, Listener};
pub use router::{RequestShape, Router};

use ground::Ground;
use lifecycle::{Lifecycle, Membership, Phase};
use listener::Acceptor;

use crate::error::InvalidArgument;
use crate::tls::ServerTls;

/// How long accepting rests after an error that would come again at once (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections of a server share.
struct Site {
    ground: Arc<Ground>,
    router: Router,
    inbox: Inbox,
    lifecycle: Arc<Lifecycle>,
}

/// A gRPC server. See the [module](self).
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Begins to serve `listeners` on the runtime that this is called in, which must have I/O and
    /// time. Calls go to `inbox`.
    ///
    /// # Errors
    ///
    /// This is not called inside a runtime, there is no listener, or the runtime refuses a socket.
    pub fn start(
        config: ServerConfig,
        router: Router,
        listeners: Vec<Listener>,
        inbox: Inbox,
    ) -> Result<ServerHandle, ListenError> {
        let runtime = Handle::try_current().map_err(|_| {
            InvalidArgument::new("a server can only be started inside a runtime; none is being driven here")
        })?;
        if listeners.is_empty() {
            return Err(InvalidArgument::new(
                "a server needs something to listen on; expected at least one listener",
            )
            .into());
        }
        let lifecycle = Arc::<Lifecycle>::default();
        let site = Arc::new(Site {
            ground: Arc::new(Ground::new(config)),
            router,
            inbox,
            lifecycle: Arc::clone(&lifecycle),
        });
        let mut targets = Vec::with_capacity(listeners.len());
        let mut active = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let target = listener.target().to_owned();
            let on =
                listener.activate().map_err(|source| ListenError::Io { address: target.clone(), source })?;
            targets.push(target);
            active.push(on);
        }
        for (acceptor, tls) in active {
            tokio::spawn(accept(lifecycle.join(), acceptor, tls, Arc::clone(&site)));
        }
        Ok(ServerHandle(Arc::new(Running { site, runtime, targets })))
    }
}

/// Accepts until the server drains. `member` stands first and so is dropped last: a server has not
/// drained before its sockets are closed.
async fn accept(mut member: Membership, acceptor: Acceptor, tls: Option<ServerTls>, site: Arc<Site>) {
    let counters = &site.ground.counters;
    let take = |(socket, peer)| {
        counters.connections.add();
        let Some(open) = Open::take(&site) else {
            counters.connections_refused.add();
            return;
        };
        let tls = tls.clone();
        let mut member = site.lifecycle.join();
        tokio::spawn(async move {
            connection::run(socket, peer, tls, Arc::clone(&open.site), &mut member).await;
            drop(open);
        });
    };
    loop {
        let next = poll_fn(|cx| match member.phase(cx.waker()) {
            Phase::Serving => acceptor.poll_accept(cx).map(Some),
            Phase::Draining | Phase::Aborted => Poll::Ready(None),
        });
        match next.await {
            None => break,
            Some(Ok(accepted)) => take(accepted),
            // The client gave up while it waited.
            Some(Err(error)) if is_of_the_client(&error) => {}
            Some(Err(error)) => {
                counters.accept_errors.add();
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // GOAWAY is sent to clients that are connected already; they are not cut.
    match acceptor.close() {
        Ok(rest) => rest.into_iter().for_each(take),
        Err(error) => tracing::warn!(%error, "connections that had come in were cut"),
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// One place among the open connections.
struct Open {
    site: Arc<Site>,
}

impl Open {
    fn take(site: &Arc<Site>) -> Option<Self> {
        let open = Self { site: Arc::clone(site) };
        let now = site.ground.counters.connections_open.add();
        (now <= site.ground.config.max_connections as u64).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.site.ground.counters.connections_open.sub();
    }
}

/// A server that runs. Clones are the same server; dropping them does not stop it.
#[derive(Clone)]
pub struct ServerHandle(Arc<Running>);

struct Running {
    site: Arc<Site>,
    runtime: Handle,
    targets: Vec<String>,
}

impl ServerHandle {
    /// Where it listens, as a client would dial it.
    pub fn targets(&self) -> &[String] {
        &self.0.targets
    }

    /// What it has seen so far.
    pub fn counts(&self) -> Counts {
        self.0.site.ground.counters.read()
    }

    /// Stops accepting and tells clients to go away (GOAWAY). Running calls go on; what is not done
    /// after [`ServerConfig::drain_timeout`] is cut. Can be called from any thread.
    pub fn drain(&self) {
        let site = &self.0.site;
        if site.lifecycle.advance(Phase::Draining) {
            let lifecycle = Arc::clone(&site.lifecycle);
            let timeout = site.ground.config.drain_timeout;
            self.0.runtime.spawn(async move {
                if tokio::time::timeout(timeout, lifecycle.ended()).await.is_err() {
                    lifecycle.advance(Phase::Aborted);
                }
            });
        }
    }

    /// Whether [`drain`](Self::drain) or [`abort`](Self::abort) was called.
    pub fn is_draining(&self) -> bool {
        self.0.site.lifecycle.phase() != Phase::Serving
    }

    /// Resolves when the server has drained: it accepts no more and the last connection is closed.
    pub async fn drained(&self) {
        self.0.site.lifecycle.ended().await;
    }

    /// Cuts every connection. Calls that are under way are cancelled.
    pub fn abort(&self) {
        self.0.site.lifecycle.advance(Phase::Aborted);
    }
}

impl std::fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerHandle")
            .field("targets", &self.0.targets)
            .field("phase", &self.0.site.lifecycle.phase())
            .finish_non_exhaustive()
    }
}
