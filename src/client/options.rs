//! How a channel behaves, and what a call may say of itself.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::uri::Authority;

use super::service_config::ServiceConfig;
use crate::codec::Encoding;
use crate::deadline::Deadline;

/// How a channel behaves.
#[derive(Debug, Clone)]
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
    /// How long one attempt to connect may take, name resolution and TLS included.
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
}

/// How calls are spread over the addresses of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadBalancing {
    /// All to the first one that can be reached.
    PickFirst,
    /// To one after the other.
    RoundRobin,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            max_receive: 4 << 20,
            max_send: None,
            keepalive: None,
            keepalive_timeout: Duration::from_secs(20),
            keepalive_without_calls: false,
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
