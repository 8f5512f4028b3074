//! How a channel behaves, and what a call may say of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::uri::Authority;

use super::service_config::ServiceConfig;
use super::target::Target;
use crate::codec::Encoding;
use crate::deadline::Deadline;
use crate::error::{InvalidArgument, quote};
use crate::transport::proxy::{ProxyServer, Tunnel, without_user};

/// Which of a target's servers take the calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadBalancing {
    /// One connection, to the first address that takes it.
    #[default]
    PickFirst,
    /// One connection to each address; the calls rotate over those that stand.
    RoundRobin,
}

/// Whether connections lead through an HTTP proxy, by CONNECT (RFC 9110, section 9.3.6).
///
/// Unix sockets never do, and neither do channels with a resolver of their own. The target's name is
/// resolved by the proxy. The loopback is no exception, as it is none in gRPC: where a proxy is set for
/// all, `no_proxy=localhost,127.0.0.1,::1` excepts it.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As gRPC does: the first of `grpc_proxy`, `https_proxy`, `http_proxy` that is set, read when the
    /// channel is made. An empty one means no proxy, and one that is not understood is ignored, with an
    /// error in the log.
    ///
    /// `no_grpc_proxy`, or else `no_proxy`, excepts targets: a list with commas in between, of endings of
    /// host names (`example.com` excepts `badexample.com`, too; `.example.com` does not) and of
    /// networks (`10.0.0.0/8`), which are compared with targets that are addresses. Targets of several
    /// addresses are excepted, too.
    #[default]
    FromEnvironment,
    /// No proxy.
    None,
    /// This one: `http://host:port` or `http://user:password@host:port`, without a port 443. No target
    /// is excepted; one of several addresses is refused.
    Uri(String),
}

impl Proxy {
    /// The way through the proxy to `target`, where there is one.
    pub(super) fn tunnel(&self, target: &Target) -> Result<Option<Tunnel>, InvalidArgument> {
        let to = target.host_and_port();
        let server = match (self, &to) {
            (Self::None, _) | (Self::FromEnvironment, None) => None,
            (Self::FromEnvironment, Some((host, _))) => {
                ProxyServer::from_environment(host, |name| std::env::var(name).ok())
            }
            (Self::Uri(uri), _) => Some(ProxyServer::parse(uri)?),
        };
        match (server, to) {
            (Some(server), Some((host, port))) => Ok(Some(Tunnel::new(server, &host, port))),
            (Some(_), None) if !target.is_local() => Err(InvalidArgument::new(format!(
                "target {} has several addresses, and a proxy was given; expected one host and port",
                quote(&target.text)
            ))),
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromEnvironment => f.write_str("FromEnvironment"),
            Self::None => f.write_str("None"),
            // A password is nobody's business.
            Self::Uri(uri) => write!(f, "Uri({:?})", without_user(uri)),
        }
    }
}

/// How a channel behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelOptions {
    /// The longest message that is taken, in bytes, after decompression.
    pub max_receive: usize,
    /// The longest message that is sent, in bytes, before compression.
    pub max_send: Option<usize>,
    /// PING after this much silence.
    pub keepalive: Option<Duration>,
    /// Give the connection up where a PING is not answered within this.
    pub keepalive_timeout: Duration,
    /// PING while no call runs, too.
    pub keepalive_without_calls: bool,
    /// After so many PINGs with no DATA or HEADERS of ours in between, only one a minute; 0: no limit.
    ///
    /// gRPC's `grpc.http2.max_pings_without_data`, which is 2 there as well: servers at their defaults close a connection that
    /// PINGs more often.
    pub max_pings_without_data: u32,
    /// How long one attempt to connect may take, name resolution, proxy and TLS included.
    ///
    /// gRPC's `grpc.min_reconnect_backoff_ms` is this: what an attempt may take at least, however short
    /// the pause is.
    pub connect_timeout: Duration,
    /// Close the connection after this long without a call.
    pub idle_timeout: Option<Duration>,
    /// The pause after the first failed attempt.
    pub initial_backoff: Duration,
    /// The longest pause between attempts.
    pub max_backoff: Duration,
    /// Put before our own name in `user-agent`.
    pub user_agent: Option<String>,
    /// Sent as `:authority` in the target's place.
    pub authority: Option<String>,
    /// How messages are compressed where the call does not say.
    pub encoding: Encoding,
    /// Whether calls wait for a connection where the call does not say.
    pub wait_for_ready: bool,
    /// What the service's owner says about timeouts, retries and the like.
    pub service_config: Option<Arc<ServiceConfig>>,
    /// Whether calls that failed are sent again at all: by policy, or because they were not processed.
    pub retries: bool,
    /// How much of one call's requests is kept for sending it again, in bytes; what is longer is sent once.
    pub retry_buffer: usize,
    /// Which of the target's servers take the calls.
    pub load_balancing: LoadBalancing,
    /// Where the calls go to several servers and one is missing: ask for their addresses again, no more
    /// often than this.
    pub min_resolution_interval: Duration,
    /// Whether the connections lead through a proxy.
    pub proxy: Proxy,
    /// The longest headers or trailers of an answer, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2). Servers are
    /// told (SETTINGS_MAX_HEADER_LIST_SIZE). Longer ones end their call RESOURCE_EXHAUSTED; those of more than 16 MiB may
    /// end the connection.
    pub max_header_list: u32,
    /// Sent with every call, where the call's own metadata has nothing under the key.
    pub metadata: HeaderMap,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            max_receive: 4 << 20,
            max_send: None,
            keepalive: None,
            keepalive_timeout: Duration::from_secs(20),
            keepalive_without_calls: false,
            max_pings_without_data: 2,
            connect_timeout: Duration::from_secs(20),
            idle_timeout: None,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(120),
            user_agent: None,
            authority: None,
            encoding: Encoding::Identity,
            wait_for_ready: false,
            service_config: None,
            retries: true,
            retry_buffer: 256 << 10,
            load_balancing: LoadBalancing::PickFirst,
            min_resolution_interval: Duration::from_secs(30),
            proxy: Proxy::FromEnvironment,
            max_header_list: 64 << 10,
            metadata: HeaderMap::new(),
        }
    }
}

/// What a call says of itself.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The metadata to send: see [`metadata::append`](crate::metadata::append).
    pub metadata: HeaderMap,
    /// When the call is over.
    pub deadline: Option<Deadline>,
    /// Whether to wait while the channel is in TRANSIENT_FAILURE.
    pub wait_for_ready: Option<bool>,
    /// How the messages are compressed.
    pub encoding: Option<Encoding>,
    /// Sent as `:authority` in the channel's place.
    pub authority: Option<Authority>,
}
