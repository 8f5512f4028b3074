//! Channels: connections that are made when a call needs them, and made again when they break.
//!
//! The states are those of gRPC's "Connectivity Semantics and API". One thing is ours: after a failure
//! nothing happens until somebody calls again. A call within the pause fails at once with the last
//! error; the first one after it starts the next attempt and waits for its outcome. So a process that
//! has nothing to say makes no attempts, and a service that came back is found by the first call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, Scheme as UriScheme, Uri};
use tokio::time::Instant;
use tonic::Status;

use super::call::{Call, Outcome};
pub(super) use super::hub::Hub;
use super::method::Method;
use super::options::{CallOptions, ChannelOptions};
use super::resolver::{Resolve, Source};
use super::target::{Scheme, Target};
use super::throttle::Throttle;
use crate::codec::{self, Encoding};
use crate::error::{InvalidArgument, quote};
use crate::reactor::fork;
use crate::tls::ClientTls;
use crate::transport::dial::Address;
use crate::transport::proxy::Tunnel;

/// The target of log lines.
const RESOLVER: &str = "viaduct::resolver";

/// What a channel is doing. With several connections: the best that any of them does.
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

impl Connectivity {
    /// As gRPC's documents have it: `TRANSIENT_FAILURE`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Connecting => "CONNECTING",
            Self::Ready => "READY",
            Self::TransientFailure => "TRANSIENT_FAILURE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// A channel. Clones share its connections.
///
/// Its futures must be polled on the reactor that drives the connections. In a forked child it starts
/// anew, with connections of its own.
#[derive(Debug, Clone)]
pub struct Channel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    // Locked by the owner's thread only, so that no other thread can hold it at a fork.
    hub: Mutex<fork::Bound<Arc<Hub>>>,
}

/// Whether connections are TLS, and by which credentials.
#[derive(Debug)]
pub(super) enum Security {
    Plaintext,
    Tls(ClientTls),
    /// By those that [`Channel::provide_tls`] gives.
    Deferred,
}

#[derive(Debug)]
pub(super) struct Config {
    pub(super) target: Target,
    pub(super) options: ChannelOptions,
    pub(super) security: Security,
    pub(super) source: Source,
    /// The way through a proxy, where there is one.
    pub(super) tunnel: Option<Tunnel>,
    authority: Authority,
    /// The headers that every request has.
    headers: HeaderMap,
    /// Holds for the channel, whatever the method.
    pub(super) throttle: Option<Throttle>,
}

impl Channel {
    /// A channel to `target`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Where target and TLS or target and proxy do not go together, or an option is not legal in a
    /// header.
    pub fn new(
        target: Target,
        tls: Option<ClientTls>,
        options: ChannelOptions,
    ) -> Result<Self, InvalidArgument> {
        Self::build(target, tls.map_or(Security::Plaintext, Security::Tls), options, None)
    }

    /// As [`new`](Self::new), over TLS with credentials that are not there yet: see
    /// [`provide_tls`](Self::provide_tls).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_deferred_tls(target: Target, options: ChannelOptions) -> Result<Self, InvalidArgument> {
        Self::build(target, Security::Deferred, options, None)
    }

    /// Gives a channel of [`with_deferred_tls`](Self::with_deferred_tls) the credentials for its next connections, or says
    /// why there are none: then they fail, with that reason. A forked child is given them anew.
    pub fn provide_tls(&self, tls: Result<ClientTls, InvalidArgument>) {
        self.hub().provide_tls(tls.map_err(|why| why.to_string()));
    }

    /// As [`new`](Self::new), with addresses that come from `resolver`, not from the target, which still
    /// gives `:authority` and the name in the server's certificate. No proxy is used.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_resolver(
        target: Target,
        tls: Option<ClientTls>,
        options: ChannelOptions,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, InvalidArgument> {
        Self::build(target, tls.map_or(Security::Plaintext, Security::Tls), options, Some(resolver))
    }

    fn build(
        target: Target,
        security: Security,
        mut options: ChannelOptions,
        resolver: Option<Arc<dyn Resolve>>,
    ) -> Result<Self, InvalidArgument> {
        if target.tls == Scheme::Plaintext && !matches!(security, Security::Plaintext) {
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
        for (name, value) in &options.metadata {
            headers.append(name, value.clone());
        }
        if let Some(policy) = options.service_config.as_ref().and_then(|config| config.load_balancing()) {
            options.load_balancing = policy;
        }
        let throttle =
            options.service_config.as_ref().and_then(|config| config.throttling()).map(Throttle::new);
        let tunnel = match &resolver {
            None => options.proxy.tunnel(&target)?,
            Some(_) => None,
        };
        let source = match (resolver, &tunnel) {
            (Some(resolver), _) => Source::Given(resolver),
            (None, Some(_)) => Source::Proxy,
            (None, None) => Source::Target,
        };
        let config =
            Arc::new(Config { target, options, security, source, tunnel, authority, headers, throttle });
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

    /// What the channel is doing. With `connect`, it connects where it is idle, and after a failure once
    /// the pause is over; this must then be called on the reactor.
    pub fn state(&self, connect: bool) -> Connectivity {
        self.hub().connectivity(connect)
    }

    /// Waits until the channel is doing something else than `last`, and says what.
    ///
    /// While somebody waits for the end of [`Connectivity::TransientFailure`], the next attempt is made
    /// as soon as the pause is over.
    pub async fn changed(&self, last: Connectivity) -> Connectivity {
        self.hub().changed(last).await
    }

    /// Connects, and waits until a connection stands, however many attempts it takes.
    ///
    /// # Errors
    ///
    /// Where the channel is closed meanwhile.
    pub async fn wait_for_ready(&self) -> Result<(), Status> {
        self.hub().ready(true).await.map(drop)
    }

    /// A channel like this one that is closed.
    #[must_use]
    pub fn closed(&self) -> Self {
        let hub = Hub::new(&self.0.config);
        hub.close();
        let hub = Mutex::new(fork::Bound::new(hub));
        Self(Arc::new(Shared { config: Arc::clone(&self.0.config), hub }))
    }

    /// Ends the connections and the calls on them. Later calls end UNAVAILABLE.
    pub fn close(&self) {
        self.hub().close();
    }
}

impl Config {
    /// When an attempt to connect that begins now must be done.
    pub(super) fn connect_until(&self) -> Instant {
        let now = Instant::now();
        // A span that the clock cannot count is no limit: ten years.
        let far = Duration::from_secs(10 * 365 * 24 * 3600);
        now.checked_add(self.options.connect_timeout).unwrap_or_else(|| now + far)
    }

    /// The addresses to connect to, now. `until` is the end of the time to connect in.
    pub(super) async fn resolve_until(&self, until: Instant) -> Result<Vec<Address>, String> {
        let resolving = self.source.resolve(&self.target, self.tunnel.as_ref());
        let found = tokio::time::timeout_at(until, resolving).await.unwrap_or_else(|_| {
            Err(format!("no addresses within {:?} (connectTimeout)", self.options.connect_timeout))
        });
        if tracing::enabled!(target: RESOLVER, tracing::Level::DEBUG) {
            let target = &self.target.text;
            match &found {
                Ok(addresses) => {
                    let list: Vec<_> = addresses.iter().map(Address::peer).collect();
                    tracing::debug!(target: RESOLVER, "target {target} is {}", list.join(", "));
                }
                Err(why) => tracing::debug!(target: RESOLVER, "target {target}: {why}"),
            }
        }
        found
    }

    /// The head of a request that comes after `previous` attempts at the same call.
    pub(super) fn request(
        &self,
        method: &Method,
        options: &CallOptions,
        encoding: Encoding,
        previous: u32,
    ) -> Result<http::Request<()>, Status> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(match self.security {
            Security::Plaintext => UriScheme::HTTP,
            Security::Tls(_) | Security::Deferred => UriScheme::HTTPS,
        });
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
                headers.insert(&crate::deadline::GRPC_TIMEOUT, value);
            }
        }
        if previous > 0 {
            headers.insert("grpc-previous-rpc-attempts", HeaderValue::from(previous));
        }
        if !self.options.metadata.is_empty() {
            // The call's own metadata stands in the place of the channel's.
            for name in options.metadata.keys().filter(|name| self.options.metadata.contains_key(*name)) {
                headers.remove(name);
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
