//! What a channel is in one process: its balancer and subchannels, its resolver, and who waits for them.
//!
//! All of it stands under one lock. Attempts to connect and to resolve are tasks that come back to it;
//! they are started by calls only, and end with the channel.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;

use super::balancer::{Balancer, Due};
use super::channel::{Config, Connectivity, Security};
use super::options::LoadBalancing;
use super::resolver::Resolution;
use super::subchannel::{Terms, establish};
use super::want::Wanted;
use crate::tls::ClientTls;
use crate::transport::connection::Connection;
use crate::transport::dial::Address;

/// The targets of log lines.
const CONNECTIVITY: &str = "viaduct::connectivity";
const CONNECTION: &str = "viaduct::connection";

/// The channel's state in this process.
pub(super) struct Hub {
    pub(super) config: Arc<Config>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    balancer: Balancer,
    resolution: Resolution,
    /// The interval of PINGs now: the options' one, doubled each time that a server has found it too short.
    keepalive: Option<Duration>,
    /// The credentials of a channel that is given them later.
    tls: Option<Result<ClientTls, String>>,
    /// Set by [`Hub::close`].
    closed: bool,
    /// What the log was told last.
    logged: Connectivity,
}

/// What a call finds.
enum Look {
    Ready(Connection, SendRequest<Bytes>),
    /// Something may change, at the latest then.
    Wait(Option<Instant>),
}

impl State {
    fn connectivity(&mut self, config: &Config) -> Connectivity {
        if self.closed || config.target.refusal().is_some() {
            return Connectivity::Shutdown;
        }
        let resolving = match self.resolution.backoff.failure() {
            _ if self.resolution.is_running() => Connectivity::Connecting,
            Some(_) => Connectivity::TransientFailure,
            None => Connectivity::Idle,
        };
        self.balancer.connectivity().unwrap_or(resolving)
    }

    /// Whether a call that began at `began` has nothing to expect.
    fn is_hopeless(&self, began: Option<Instant>) -> bool {
        if self.balancer.is_empty() {
            !self.resolution.is_running() || self.resolution.backoff.failed_since(began)
        } else {
            self.balancer.is_hopeless(began)
        }
    }

    /// Says for a call that began at `began` where it comes within a pause, and does not hear of an attempt of its own.
    fn no_attempt(&self, began: Option<Instant>) -> Option<String> {
        let failed_at = match self.balancer.failed_at() {
            None => self.resolution.backoff.failure().map(|f| f.at),
            at => at,
        }?;
        let (began, due) = (began?, self.retry_at()?);
        if failed_at >= began {
            return None;
        }
        let ago = began.saturating_duration_since(failed_at).as_secs_f64();
        let left = due.saturating_duration_since(began).as_secs_f64();
        Some(format!("; no attempt was made: the last failed {ago:.1} s ago, the next is due in {left:.1} s"))
    }

    /// When the first pause ends.
    fn retry_at(&self) -> Option<Instant> {
        if self.balancer.is_empty() {
            let failure = self.resolution.backoff.failure();
            failure.filter(|_| !self.resolution.is_running()).map(|f| f.retry_at)
        } else {
            self.balancer.retry_at()
        }
    }
}

impl Hub {
    pub(super) fn new(config: &Arc<Config>) -> Arc<Self> {
        let options = &config.options;
        let state = State {
            balancer: Balancer::new(options),
            resolution: Resolution::new(options),
            keepalive: options.keepalive,
            tls: None,
            closed: false,
            logged: Connectivity::Idle,
        };
        Arc::new(Self { config: Arc::clone(config), state: Mutex::new(state), changed: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the next connections prove and demand.
    pub(super) fn provide_tls(&self, tls: Result<ClientTls, String>) {
        self.lock().tls = Some(tls);
    }

    /// A connection that takes calls, and a handle to send one on it.
    ///
    /// With `wait`, however many attempts it takes; else for the first attempt that ends after the
    /// call began, at each address.
    pub(super) async fn ready(
        self: &Arc<Self>,
        wait: bool,
    ) -> Result<(Connection, SendRequest<Bytes>), Status> {
        let mut began = None;
        if let Look::Ready(connection, send) = self.look(wait, &mut began)? {
            return Ok((connection, send));
        }
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registers before the state is looked at, so that no change is missed.
            changed.as_mut().enable();
            match self.look(wait, &mut began)? {
                Look::Ready(connection, send) => return Ok((connection, send)),
                Look::Wait(None) => changed.await,
                Look::Wait(Some(at)) => drop(tokio::time::timeout_at(at, changed).await),
            }
        }
    }

    /// Picks, and starts what there is to start. `began` is when a call began that does not `wait`.
    fn look(self: &Arc<Self>, wait: bool, began: &mut Option<Instant>) -> Result<Look, Status> {
        if let Some(why) = self.config.target.refusal() {
            return Err(Status::unknown(why));
        }
        let mut state = self.lock();
        let (picked, all) = state.balancer.pick();
        if let Some((connection, send)) = picked {
            if !all || state.resolution.is_wanted() {
                let now = Some(Instant::now());
                self.resolve(&mut state, now);
                self.connect(&mut state, now);
            }
            return Ok(Look::Ready(connection, send));
        }
        if state.closed {
            return Err(Status::unavailable("the channel is closed"));
        }
        let began = if wait { None } else { Some(*began.get_or_insert_with(Instant::now)) };
        self.resolve(&mut state, began);
        self.connect(&mut state, began);
        let moved = self.transition(&mut state);
        let look = if wait {
            Ok(Look::Wait(state.retry_at()))
        } else if state.is_hopeless(began) {
            let why = self.failure(&state).unwrap_or_default();
            Err(Status::unavailable(why + &state.no_attempt(began).unwrap_or_default()))
        } else {
            Ok(Look::Wait(None))
        };
        drop(state);
        self.log(moved);
        look
    }

    /// What the log is to be told of the channel's state, once the lock is free: who listens may use the channel.
    fn transition(&self, state: &mut State) -> Option<(Connectivity, Connectivity)> {
        if !tracing::enabled!(target: CONNECTIVITY, tracing::Level::DEBUG) {
            return None;
        }
        let now = state.connectivity(&self.config);
        let before = std::mem::replace(&mut state.logged, now);
        (before != now).then_some((before, now))
    }

    fn log(&self, transition: Option<(Connectivity, Connectivity)>) {
        if let Some((before, now)) = transition {
            let target = &self.config.target.text;
            tracing::debug!(target: CONNECTIVITY, "channel {target}: {} -> {}", before.name(), now.name());
        }
    }

    /// Asks for addresses, where there are none or a connection is missing.
    fn resolve(self: &Arc<Self>, state: &mut State, began: Option<Instant>) {
        let config = &self.config;
        let starts = if state.balancer.is_empty() {
            state.resolution.start_first(began)
        } else if config.options.load_balancing != LoadBalancing::PickFirst
            && !config.source.is_fixed(&config.target)
        {
            if state.balancer.is_short() {
                state.resolution.want();
            }
            state.resolution.start_again(&config.options)
        } else {
            None
        };
        if let Some(wanted) = starts {
            tokio::spawn(ask(Arc::downgrade(self), Arc::clone(config), wanted));
        }
    }

    /// Starts the attempts to connect that are due.
    fn connect(self: &Arc<Self>, state: &mut State, began: Option<Instant>) {
        for due in state.balancer.connect(began) {
            let tls = match &self.config.security {
                Security::Plaintext => None,
                Security::Tls(tls) => Some(Ok(tls.clone())),
                Security::Deferred => {
                    let none = || Err("the channel's TLS credentials were not provided".to_owned());
                    Some(state.tls.clone().unwrap_or_else(none))
                }
            };
            let terms = Terms { tls, keepalive: state.keepalive };
            tokio::spawn(run(Arc::downgrade(self), Arc::clone(&self.config), terms, due));
        }
    }

    /// What the channel is doing. With `connect`, it connects where it is idle, and after a failure once
    /// the pause is over.
    pub(super) fn connectivity(self: &Arc<Self>, connect: bool) -> Connectivity {
        let mut state = self.lock();
        let now = state.connectivity(&self.config);
        if connect && matches!(now, Connectivity::Idle | Connectivity::TransientFailure) {
            self.resolve(&mut state, None);
            self.connect(&mut state, None);
        }
        let moved = self.transition(&mut state);
        drop(state);
        self.log(moved);
        now
    }

    /// Waits until the channel is doing something else than `last`. The end of a failure is brought
    /// about where somebody waits for it.
    pub(super) async fn changed(self: &Arc<Self>, last: Connectivity) -> Connectivity {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registers before the state is looked at, so that no change is missed.
            changed.as_mut().enable();
            let mut retry_at = None;
            {
                let mut state = self.lock();
                let mut now = state.connectivity(&self.config);
                if now == last && now == Connectivity::TransientFailure {
                    self.resolve(&mut state, None);
                    self.connect(&mut state, None);
                    now = state.connectivity(&self.config);
                    retry_at = state.retry_at();
                }
                if now != last {
                    return now;
                }
            }
            match retry_at {
                None => changed.await,
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
            }
        }
    }

    /// Ends the connections and the calls on them.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.resolution.give_up();
        for connection in state.balancer.take_all() {
            connection.end(Status::cancelled("the channel was closed"));
        }
        let moved = self.transition(&mut state);
        drop(state);
        self.log(moved);
        self.changed.notify_waiters();
    }

    /// Whether there will never be a connection again.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed || self.config.target.refusal().is_some()
    }

    /// Why there is no connection, if the last attempt failed: for the messages of deadlines.
    pub(super) fn last_failure(&self) -> Option<String> {
        self.failure(&self.lock())
    }

    fn failure(&self, state: &State) -> Option<String> {
        let resolving = || state.resolution.backoff.failure().map(|f| f.why.clone());
        let why = state.balancer.failures().or_else(resolving)?;
        Some(format!("cannot connect to {}: {why}", self.config.target.text))
    }

    /// Takes the list of addresses, and connects to those that are new.
    fn resolved(self: &Arc<Self>, found: Result<Vec<Address>, String>) {
        let mut state = self.lock();
        let options = &self.config.options;
        match found {
            // A list that is known stays in use.
            Err(why) => state.resolution.ended(Some(why), options),
            Ok(addresses) => {
                state.resolution.ended(None, options);
                if !state.closed {
                    for connection in state.balancer.update(&addresses, options) {
                        connection.drain();
                    }
                    self.connect(&mut state, Some(Instant::now()));
                }
            }
        }
        let moved = self.transition(&mut state);
        drop(state);
        self.log(moved);
        self.changed.notify_waiters();
    }

    fn failed(&self, id: u64, started: Instant, why: String) {
        let mut state = self.lock();
        if let Some(subchannel) = state.balancer.find(id) {
            subchannel.failed(started, why, &self.config.options);
        }
        let moved = self.transition(&mut state);
        drop(state);
        self.log(moved);
        self.changed.notify_waiters();
    }

    /// Takes the new connection; gives it back where nobody wants it any more.
    fn connected(&self, id: u64, connection: Connection) -> Result<(), Connection> {
        let mut state = self.lock();
        if state.closed {
            return Err(connection);
        }
        let Some(subchannel) = state.balancer.find(id) else { return Err(connection) };
        subchannel.connected(connection, &self.config.options);
        let moved = self.transition(&mut state);
        drop(state);
        self.log(moved);
        self.changed.notify_waiters();
        Ok(())
    }

    /// A server has closed a connection for too many PINGs: the next has half as many (gRPC's proposal A8).
    fn ping_less(&self) {
        let mut state = self.lock();
        state.keepalive = state.keepalive.map(|interval| interval.saturating_mul(2));
        let now = state.keepalive;
        drop(state);
        if let Some(now) = now {
            tracing::warn!(target: CONNECTION, "channel {}: the server wants fewer PINGs: one every {now:?} from now on", self.config.target.text);
        }
    }

    /// The connection that was ready is over, or takes no more calls.
    fn disconnected(&self, id: u64) {
        let mut state = self.lock();
        if let Some(subchannel) = state.balancer.find(id) {
            subchannel.forget_dead();
        }
        let moved = self.transition(&mut state);
        drop(state);
        self.log(moved);
        self.changed.notify_waiters();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("target", &self.config.target.text).finish_non_exhaustive()
    }
}

/// Asks for the addresses.
async fn ask(hub: Weak<Hub>, config: Arc<Config>, wanted: Wanted) {
    let until = config.connect_until();
    if let Some(found) = wanted.work(config.resolve_until(until)).await
        && let Some(hub) = hub.upgrade()
    {
        hub.resolved(found);
    }
}

/// One attempt, and the life of the connection that it brought.
async fn run(hub: Weak<Hub>, config: Arc<Config>, terms: Terms, due: Due) {
    let started = Instant::now();
    let Due { id, endpoint, wanted } = due;
    let target = &config.target.text;
    let Some(outcome) = wanted.work(establish(&config, terms, &endpoint)).await else { return };
    let Some(strong) = hub.upgrade() else { return };
    match outcome {
        Err(why) => {
            tracing::debug!(target: CONNECTION, "channel {target}: cannot connect: {why}");
            strong.failed(id, started, why);
        }
        Ok((connection, drive)) => {
            let peer = Arc::clone(connection.peer());
            tracing::debug!(target: CONNECTION, "channel {target}: connected to {peer}");
            let (left, end) = (connection.left(), connection.end_reason());
            if strong.connected(id, connection).is_err() {
                return;
            }
            drop(strong);
            let mut drive = std::pin::pin!(drive);
            // The next call needs another connection from when this one takes no more.
            tokio::select! {
                biased;
                () = &mut drive => {}
                () = left => {
                    tracing::debug!(target: CONNECTION, "channel {target}: {peer} takes no more calls (GOAWAY)");
                    if let Some(hub) = hub.upgrade() {
                        hub.disconnected(id);
                    }
                    drive.await;
                }
            }
            let (why, too_many_pings) = end();
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            tracing::debug!(target: CONNECTION, "channel {target}: the connection to {peer} has ended{why}");
            if let Some(hub) = hub.upgrade() {
                if too_many_pings {
                    hub.ping_less();
                }
                hub.disconnected(id);
            }
        }
    }
}
