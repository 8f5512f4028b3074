//! Subchannels: one connection each, its state and its pauses.
//!
//! A subchannel is data under the channel's lock. What takes time stands in [`establish`].

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::channel::{Config, Connectivity};
use super::options::ChannelOptions;
use super::want::{Want, Wanted, want};
use crate::tls::ClientTls;
use crate::transport::connection::{Connection, Keep};
use crate::transport::dial::{Address, dial};
use crate::transport::secure::secure;
use crate::transport::socket::Transport;

/// What a subchannel connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Whichever of the target's addresses takes the connection; they are resolved for each attempt.
    Any,
    /// This address.
    One(Address),
}

#[derive(Debug)]
pub(super) struct Subchannel {
    /// The name by which an attempt finds its subchannel again, if it is still there.
    pub(super) id: u64,
    pub(super) endpoint: Endpoint,
    phase: Phase,
    backoff: Backoff,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Connecting {
        _until_dropped: Want,
    },
    Ready(Connection),
    /// The last attempt failed; the backoff knows why.
    Failed,
}

impl Subchannel {
    pub(super) fn new(id: u64, endpoint: Endpoint, options: &ChannelOptions) -> Self {
        Self { id, endpoint, phase: Phase::Idle, backoff: Backoff::new(options) }
    }

    /// Its connection, and a handle to send one request on it. A connection that takes no more
    /// requests is forgotten.
    pub(super) fn sender(&mut self) -> Option<(Connection, SendRequest<Bytes>)> {
        let Phase::Ready(connection) = &self.phase else { return None };
        if let Some(send) = connection.sender() {
            return Some((connection.clone(), send));
        }
        self.phase = Phase::Idle;
        None
    }

    pub(super) fn forget_dead(&mut self) {
        if matches!(&self.phase, Phase::Ready(connection) if connection.sender().is_none()) {
            self.phase = Phase::Idle;
        }
    }

    pub(super) fn connectivity(&self) -> Connectivity {
        match self.phase {
            Phase::Idle => Connectivity::Idle,
            Phase::Connecting { .. } => Connectivity::Connecting,
            Phase::Ready(_) => Connectivity::Ready,
            Phase::Failed => Connectivity::TransientFailure,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }

    /// Whether a call that began at `began` (none: it waits for ready) may start an attempt now.
    pub(super) fn may_connect(&self, now: Instant, began: Option<Instant>) -> bool {
        match self.phase {
            Phase::Idle => true,
            Phase::Connecting { .. } | Phase::Ready(_) => false,
            Phase::Failed => self.backoff.may_try(now, began),
        }
    }

    /// Whether a call that began at `began` has nothing to expect here.
    pub(super) fn is_hopeless(&self, began: Option<Instant>) -> bool {
        match self.phase {
            Phase::Idle | Phase::Ready(_) => false,
            Phase::Connecting { .. } => self.backoff.failed_since(began),
            Phase::Failed => true,
        }
    }

    /// When the next attempt may be made, where there is a pause.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Failed => self.backoff.failure().map(|f| f.retry_at),
            _ => None,
        }
    }

    /// Why the last attempt failed; also while the next one runs.
    pub(super) fn failure(&self) -> Option<&str> {
        self.backoff.failure().map(|f| &*f.why)
    }

    /// When the last attempt failed.
    pub(super) fn failed_at(&self) -> Option<Instant> {
        self.backoff.failure().map(|f| f.at)
    }

    /// An attempt begins. It is to end when the subchannel goes.
    pub(super) fn connecting(&mut self) -> Wanted {
        let (want, wanted) = want();
        self.phase = Phase::Connecting { _until_dropped: want };
        wanted
    }

    pub(super) fn failed(&mut self, started: Instant, why: String, options: &ChannelOptions) {
        self.backoff.failed(started, why, options);
        self.phase = Phase::Failed;
    }

    pub(super) fn connected(&mut self, connection: Connection, options: &ChannelOptions) {
        self.backoff.succeeded(options);
        self.phase = Phase::Ready(connection);
    }

    /// Gives the connection away, if it has one. An attempt ends.
    pub(super) fn take(&mut self) -> Option<Connection> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Ready(connection) => Some(connection),
            _ => None,
        }
    }
}

/// What a connection is made with beside the channel's configuration.
pub(super) struct Terms {
    /// Its credentials, or why there are none; `None` is plaintext.
    pub(super) tls: Option<Result<ClientTls, String>>,
    /// PING after this much silence.
    pub(super) keepalive: Option<Duration>,
}

/// Makes a connection, within the time that one attempt has.
///
/// # Errors
///
/// A sentence that names the address and what went wrong there.
pub(super) async fn establish(
    config: &Config,
    terms: Terms,
    endpoint: &Endpoint,
) -> Result<(Connection, impl Future<Output = ()> + Send + 'static + use<>), String> {
    let timeout = config.options.connect_timeout;
    let until = config.connect_until();
    tokio::time::timeout_at(until, connect(config, terms, endpoint, until)).await.unwrap_or_else(|_| {
        let late = format!("no connection within {timeout:?} (connectTimeout)");
        Err(match endpoint {
            Endpoint::Any => late,
            Endpoint::One(address) => format!("{}: {late}", address.peer()),
        })
    })
}

async fn connect(
    config: &Config,
    terms: Terms,
    endpoint: &Endpoint,
    until: Instant,
) -> Result<(Connection, impl Future<Output = ()> + Send + 'static + use<>), String> {
    let tls = terms.tls.transpose()?;
    let reach = async {
        match endpoint {
            Endpoint::Any => dial(&config.resolve_until(until).await?).await,
            Endpoint::One(address) => dial(std::slice::from_ref(address)).await,
        }
    };
    let (socket, address) = match &config.tunnel {
        None => reach.await?,
        Some(tunnel) => {
            let proxy = |why| format!("the proxy {}: {why}", tunnel.server);
            let (mut socket, address) = reach.await.map_err(proxy)?;
            tunnel.open(&mut socket).await.map_err(proxy)?;
            (socket, address)
        }
    };
    let peer = address.peer();
    let options = &config.options;
    let keep = Keep {
        keepalive: terms.keepalive,
        keepalive_timeout: options.keepalive_timeout,
        without_calls: options.keepalive_without_calls,
        max_pings: options.max_pings_without_data,
        idle: options.idle_timeout,
        max_headers: options.max_header_list,
    };
    let stream = match &tls {
        None => Transport::Plain(socket),
        Some(tls) => Transport::Client(Box::new(
            secure(tls, &config.target.server_name, socket).await.map_err(|why| format!("{peer}: {why}"))?,
        )),
    };
    Connection::new(stream, peer.clone(), keep).await.map_err(|why| format!("{peer}: {why}"))
}
