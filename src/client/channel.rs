//! Channels: a connection that is made when a call needs it, and made again when it breaks.
//!
//! The states are those of gRPC's "Connectivity Semantics and API". One thing is ours: after a failure
//! nothing happens until somebody calls again. A call within the pause fails at once with the last
//! error; the first one after it starts the next attempt and waits for its outcome. So a process that
//! has nothing to say makes no attempts, and a service that came back is found by the first call.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, Scheme as UriScheme, Uri};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;

use super::call::{Call, Outcome};
use super::method::Method;
use super::options::{CallOptions, ChannelOptions};
use super::target::{Scheme, Target};
use crate::codec::{self, Encoding};
use crate::error::{InvalidArgument, quote};
use crate::reactor::fork;
use crate::tls::{self, ClientTls};
use crate::transport::connection::{Connection, Keep, explain_handshake};
use crate::transport::dial::dial;
use crate::transport::socket::{Socket, Transport};

/// Each pause is this much longer than the one before it (gRPC, "Connection Backoff Protocol").
const BACKOFF_GROWTH: f64 = 1.6;
/// Each pause is off by up to this share, so that clients do not come back all at once.
const BACKOFF_JITTER: f64 = 0.2;

/// What a channel's connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// No connection, and none is being made.
    Idle,
    /// A connection is being made.
    Connecting,
    /// The connection stands.
    Ready,
    /// The last attempt failed.
    TransientFailure,
    /// The channel was closed.
    Shutdown,
}

/// A channel. Clones share the connection.
///
/// Its futures must be polled on the reactor that drives the connection. In a forked child it starts
/// anew, with a connection of its own.
#[derive(Debug, Clone)]
pub struct Channel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    // Locked by the owner's thread only, so that no other thread can hold it at a fork.
    hub: Mutex<fork::Bound<Arc<Hub>>>,
}

#[derive(Debug)]
pub(super) struct Config {
    pub(super) target: Target,
    pub(super) options: ChannelOptions,
    tls: Option<ClientTls>,
    authority: Authority,
    /// The headers that every request has.
    headers: HeaderMap,
}

/// The connection's state in this process.
pub(super) struct Hub {
    pub(super) config: Arc<Config>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    backoff: Duration,
    /// Why the last attempt failed; kept while the next one runs.
    failure: Option<String>,
    /// Set by [`Channel::close`]; a connection that is being made then ends at once.
    closed: bool,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Connecting,
    Ready(Connection),
    Failed { status: Status, retry_at: Instant },
}

impl Channel {
    /// A channel to `target`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Where target and TLS do not go together, or an option is not legal in a header.
    pub fn new(
        target: Target,
        tls: Option<ClientTls>,
        options: ChannelOptions,
    ) -> Result<Self, InvalidArgument> {
        if target.tls == Scheme::Plaintext && tls.is_some() {
            return Err(InvalidArgument::new(format!(
                "target {} says plaintext, but TLS credentials were given; expected https:// or no credentials",
                quote(&target.text)
            )));
        }
        let name = options.authority.as_deref().unwrap_or(&target.authority);
        let authority = Authority::try_from(name).map_err(|_| {
            InvalidArgument::new(format!(
                "authority {} is not legal; expected host or host:port",
                quote(name)
            ))
        })?;
        let ours = concat!("viaduct/", env!("CARGO_PKG_VERSION"));
        let agent = options.user_agent.as_ref().map_or_else(|| ours.to_owned(), |a| format!("{a} {ours}"));
        let agent = HeaderValue::from_str(&agent).map_err(|_| {
            InvalidArgument::new(format!("user agent {} is not legal in a header", quote(&agent)))
        })?;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(USER_AGENT, agent);
        headers.insert("grpc-accept-encoding", HeaderValue::from_static(codec::ACCEPTED));
        let config = Arc::new(Config { target, options, tls, authority, headers });
        let hub = Mutex::new(fork::Bound::new(Hub::new(&config)));
        Ok(Self(Arc::new(Shared { config, hub })))
    }

    pub(super) fn hub(&self) -> Arc<Hub> {
        let mut bound = self.0.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = bound.get() {
            return Arc::clone(hub);
        }
        // A forked child: what was inherited stays untouched.
        let hub = Hub::new(&self.0.config);
        *bound = fork::Bound::new(Arc::clone(&hub));
        hub
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.0.config.target
    }

    /// What calls send as `:authority` where they say nothing else.
    pub fn authority(&self) -> &str {
        self.0.config.authority.as_str()
    }

    /// How the channel behaves.
    pub fn options(&self) -> &ChannelOptions {
        &self.0.config.options
    }

    /// Frames a message for sending.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED where it is over the channel's limit.
    pub fn frame(&self, message: &[u8], encoding: Option<Encoding>) -> Result<Bytes, Status> {
        let options = self.options();
        if let Some(limit) = options.max_send.filter(|limit| message.len() > *limit) {
            return Err(Status::resource_exhausted(format!(
                "a message of {} bytes is over the limit of {limit} bytes (maxSendBytes); it was not sent",
                message.len()
            )));
        }
        codec::frame(message, encoding.unwrap_or(options.encoding))
    }

    /// A call with one request and one response.
    pub async fn unary(&self, method: Method, request: Bytes, options: CallOptions) -> Outcome {
        Call::unary(self.hub(), method, request, options).await
    }

    /// A call that streams. With a `request` it is sent and the sending side is closed.
    ///
    /// Waits for a connection, not for an answer. What goes wrong is the call's status.
    pub async fn call(&self, method: Method, request: Option<Bytes>, options: CallOptions) -> Call {
        Call::start(self.hub(), method, request, options).await
    }

    /// A call that nothing has been sent of: [`Call::begin`] does that. With a `request` the sending
    /// side is closed behind it.
    ///
    /// No task keeps the deadline of such a call. Whoever waits for it does so inside
    /// [`Call::in_time`].
    pub fn prepare(&self, method: Method, request: Option<Bytes>, options: CallOptions) -> Call {
        Call::new(self.hub(), method, request, options)
    }

    /// What the connection is doing. With `connect`, one is made where there is none, and after a failure
    /// once the pause is over; this must then be called on the reactor.
    pub fn state(&self, connect: bool) -> Connectivity {
        let hub = self.hub();
        let mut state = hub.lock();
        let now = state.connectivity();
        let due = match &state.phase {
            Phase::Idle => true,
            Phase::Failed { retry_at, .. } => *retry_at <= Instant::now(),
            Phase::Connecting | Phase::Ready(_) => false,
        };
        if connect && due && !state.closed {
            hub.connect(&mut state);
        }
        now
    }

    /// Waits until the connection is doing something else than `last`, and says what.
    ///
    /// While somebody waits for the end of [`Connectivity::TransientFailure`], the next attempt is made
    /// as soon as the pause is over.
    pub async fn changed(&self, last: Connectivity) -> Connectivity {
        let hub = self.hub();
        loop {
            let mut changed = std::pin::pin!(hub.changed.notified());
            // Registers before the state is looked at, so that no change is missed.
            changed.as_mut().enable();
            let mut retry_at = None;
            {
                let mut state = hub.lock();
                let now = state.connectivity();
                if now != last {
                    return now;
                }
                if let Phase::Failed { retry_at: at, .. } = &state.phase {
                    if *at <= Instant::now() {
                        hub.connect(&mut state);
                        return Connectivity::Connecting;
                    }
                    retry_at = Some(*at);
                }
            }
            match retry_at {
                None => changed.await,
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
            }
        }
    }

    /// Connects, and waits until the connection stands, however many attempts it takes.
    ///
    /// # Errors
    ///
    /// Where the channel is closed meanwhile.
    pub async fn wait_for_ready(&self) -> Result<(), Status> {
        self.hub().ready(true).await.map(drop)
    }

    /// Ends the connection and the calls on it. Later calls end UNAVAILABLE.
    pub fn close(&self) {
        let hub = self.hub();
        let mut state = hub.lock();
        state.closed = true;
        if let Phase::Ready(connection) = std::mem::replace(&mut state.phase, Phase::Idle) {
            connection.end(Status::cancelled("the channel was closed"));
        }
        drop(state);
        hub.changed.notify_waiters();
    }
}

impl State {
    fn connectivity(&mut self) -> Connectivity {
        if self.closed {
            return Connectivity::Shutdown;
        }
        self.forget_dead();
        match &self.phase {
            Phase::Idle => Connectivity::Idle,
            Phase::Connecting => Connectivity::Connecting,
            Phase::Ready(_) => Connectivity::Ready,
            Phase::Failed { .. } => Connectivity::TransientFailure,
        }
    }

    fn forget_dead(&mut self) {
        if let Phase::Ready(connection) = &self.phase
            && connection.sender().is_none()
        {
            self.phase = Phase::Idle;
        }
    }
}

impl Hub {
    fn new(config: &Arc<Config>) -> Arc<Self> {
        let state = State {
            phase: Phase::Idle,
            backoff: config.options.initial_backoff,
            failure: None,
            closed: false,
        };
        Arc::new(Self { config: Arc::clone(config), state: Mutex::new(state), changed: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that takes calls, and a handle to send one on it.
    pub(super) async fn ready(
        self: &Arc<Self>,
        wait: bool,
    ) -> Result<(Connection, SendRequest<Bytes>), Status> {
        if let Phase::Ready(connection) = &self.lock().phase
            && let Some(send) = connection.sender()
        {
            return Ok((connection.clone(), send));
        }
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registers before the state is looked at, so that no change is missed.
            changed.as_mut().enable();
            let mut retry_at = None;
            {
                let mut state = self.lock();
                if state.closed {
                    return Err(Status::unavailable("the channel is closed"));
                }
                state.forget_dead();
                match &state.phase {
                    Phase::Ready(connection) => {
                        if let Some(send) = connection.sender() {
                            return Ok((connection.clone(), send));
                        }
                    }
                    Phase::Idle => self.connect(&mut state),
                    Phase::Connecting => {}
                    Phase::Failed { retry_at: at, .. } if *at <= Instant::now() => self.connect(&mut state),
                    Phase::Failed { status, .. } if !wait => return Err(status.clone()),
                    Phase::Failed { retry_at: at, .. } => retry_at = Some(*at),
                }
            }
            match retry_at {
                None => changed.await,
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
            }
        }
    }

    /// Why there is no connection, if the last attempt failed: for the messages of deadlines.
    pub(super) fn last_failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Starts an attempt. The caller has seen that none is running.
    fn connect(self: &Arc<Self>, state: &mut State) {
        state.phase = Phase::Connecting;
        tokio::spawn(run(Arc::downgrade(self), Arc::clone(&self.config)));
    }

    fn failed(&self, started: Instant, why: String) {
        let mut state = self.lock();
        let options = &self.config.options;
        let pause = jitter(state.backoff);
        state.backoff = state.backoff.mul_f64(BACKOFF_GROWTH).min(options.max_backoff);
        let status = Status::unavailable(format!("cannot connect to {}: {why}", self.config.target.text));
        state.failure = Some(status.message().to_owned());
        state.phase = Phase::Failed { status, retry_at: started + pause };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes the new connection; gives it back where the channel was closed meanwhile.
    fn connected(&self, connection: Connection) -> Result<(), Connection> {
        let mut state = self.lock();
        if state.closed {
            return Err(connection);
        }
        state.backoff = self.config.options.initial_backoff;
        state.failure = None;
        state.phase = Phase::Ready(connection);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// The connection that was ready is over.
    fn disconnected(&self) {
        let mut state = self.lock();
        state.forget_dead();
        drop(state);
        self.changed.notify_waiters();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("target", &self.config.target.text).finish_non_exhaustive()
    }
}

impl Config {
    /// The head of a request.
    pub(super) fn request(
        &self,
        method: &Method,
        options: &CallOptions,
        encoding: Encoding,
    ) -> Result<http::Request<()>, Status> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.tls.is_some() { UriScheme::HTTPS } else { UriScheme::HTTP });
        parts.authority = Some(options.authority.as_ref().unwrap_or(&self.authority).clone());
        parts.path_and_query = Some(method.path().clone());
        let uri = Uri::from_parts(parts).map_err(|e| Status::internal(format!("no URI: {e}")))?;
        let mut headers = self.headers.clone();
        if encoding != Encoding::Identity {
            headers.insert("grpc-encoding", HeaderValue::from_static(encoding.name()));
        }
        if let Some(deadline) = options.deadline {
            let value = crate::deadline::format_timeout(deadline.remaining());
            // Digits and a letter.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert("grpc-timeout", value);
            }
        }
        for (name, value) in &options.metadata {
            headers.append(name, value.clone());
        }
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// One attempt, and the life of the connection that it brought.
async fn run(hub: Weak<Hub>, config: Arc<Config>) {
    let started = Instant::now();
    let timeout = config.options.connect_timeout;
    let outcome = tokio::time::timeout(timeout, establish(&config))
        .await
        .unwrap_or_else(|_| Err(format!("no connection within {timeout:?} (connectTimeout)")));
    // The channel may be gone by now, and then nobody waits.
    let Some(strong) = hub.upgrade() else { return };
    match outcome {
        Err(why) => strong.failed(started, why),
        Ok((connection, drive)) => {
            if strong.connected(connection).is_err() {
                return;
            }
            drop(strong);
            drive.await;
            if let Some(hub) = hub.upgrade() {
                hub.disconnected();
            }
        }
    }
}

async fn establish(
    config: &Config,
) -> Result<(Connection, impl Future<Output = ()> + Send + 'static + use<>), String> {
    let addresses = config.target.resolve().await?;
    let (socket, address) = dial(&addresses).await?;
    let peer = address.peer();
    let options = &config.options;
    let keep = Keep {
        keepalive: options.keepalive,
        keepalive_timeout: options.keepalive_timeout,
        without_calls: options.keepalive_without_calls,
        idle: options.idle_timeout,
    };
    let stream = match &config.tls {
        None => Transport::Plain(socket),
        Some(tls) => Transport::Client(Box::new(
            secure(tls, &config.target.server_name, socket).await.map_err(|why| format!("{peer}: {why}"))?,
        )),
    };
    Connection::new(stream, peer.clone(), keep)
        .await
        .map_err(|error| format!("{peer}: {}", explain_handshake(&error)))
}

/// The TLS handshake; HTTP/2 must come out of it.
async fn secure(tls: &ClientTls, host: &str, socket: Socket) -> Result<TlsStream<Socket>, String> {
    let name = tls.name_for(host).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(tls.config())
        .connect(name, socket)
        .await
        .map_err(|error| format!("the TLS handshake failed: {}", tls.explain(host, &error)))?;
    match stream.get_ref().1.alpn_protocol() {
        Some(tls::ALPN_H2) => Ok(stream),
        _ => Err(format!("the TLS handshake failed: {}", tls::no_h2())),
    }
}

fn jitter(pause: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    #[allow(clippy::cast_precision_loss)] // a share between 0 and 1 needs no more than 53 bits
    let share = random as f64 / u64::MAX as f64;
    pause.mul_f64(1.0 - BACKOFF_JITTER + 2.0 * BACKOFF_JITTER * share)
}
