//! What a server can be told.

use std::time::Duration;

use crate::codec::Encoding;
use crate::transport::flow::{BASE_WINDOW, MAX_HEADER_LIST, MAX_WINDOW, Windows};

/// How a server behaves. Every field has a default that serves; change what you must.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Calls that may wait while no handler is free. The next one is answered RESOURCE_EXHAUSTED.
    pub max_queued: usize,
    /// The longest request message, in bytes, after decompression.
    pub max_receive: usize,
    /// The longest response message, in bytes as sent; no limit without it.
    pub max_send: Option<usize>,
    /// Streams that one connection may have open (SETTINGS_MAX_CONCURRENT_STREAMS).
    pub max_concurrent_streams: u32,
    /// Connections that may be open. The next one is accepted and closed at once.
    pub max_connections: usize,
    /// The longest list of headers of a request, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2). Clients are
    /// told (SETTINGS_MAX_HEADER_LIST_SIZE). A longer one is answered RESOURCE_EXHAUSTED; one of more than 16 MiB may end
    /// the connection.
    pub max_header_list: u32,
    /// How long running calls may take after [`drain`](super::ServerHandle::drain) before their
    /// connections are cut.
    pub drain_timeout: Duration,
    /// How long a connection may be silent before it is sent a PING; none without it.
    pub keepalive: Option<Duration>,
    /// How long the answer to that PING may take before the connection is cut.
    pub keepalive_timeout: Duration,
    /// How long a connection may be without a call before it is told to go away (GOAWAY); for ever
    /// without it.
    pub max_connection_idle: Option<Duration>,
    /// How long a connection may live, give or take a tenth, before it is told to go away; for ever
    /// without it. Its calls go on.
    pub max_connection_age: Option<Duration>,
    /// How long those calls may take before the connection is cut; as long as they like without it.
    pub max_connection_age_grace: Option<Duration>,
    /// How long a connection may take over its TLS handshake and HTTP/2 preface.
    pub handshake_timeout: Duration,
    /// How responses are compressed where the client accepts it.
    pub encoding: Encoding,
    /// Bytes of a stream that may be under way to the consumer before it has taken any: every stream's
    /// flow-control window, at least 65,535. A stream that is read gets more from `window_budget`.
    pub stream_window: u32,
    /// Bytes that all streams of a connection together may have under way above `stream_window` each.
    /// One gets at most 16 MiB, and at most a quarter of what the others leave. So a connection holds at
    /// most `max_concurrent_streams` × `stream_window` + `window_budget` bytes that no consumer has taken.
    pub window_budget: u32,
    /// Bytes of a stream that may wait to be sent; a message is taken while fewer wait.
    pub send_buffer: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_queued: 4096,
            max_receive: 4 << 20,
            max_send: None,
            max_concurrent_streams: 1024,
            max_connections: 10_000,
            max_header_list: 16 << 10,
            drain_timeout: Duration::from_secs(30),
            keepalive: None,
            keepalive_timeout: Duration::from_secs(20),
            max_connection_idle: None,
            max_connection_age: None,
            max_connection_age_grace: None,
            handshake_timeout: Duration::from_secs(10),
            encoding: Encoding::Identity,
            stream_window: BASE_WINDOW,
            window_budget: 32 << 20,
            send_buffer: 256 << 10,
        }
    }
}

/// What h2 may charge for small DATA frames that wait for the consumer, before it calls the client
/// abusive and closes the connection. It charges 256 bytes less the payload for each, so the default
/// (half the connection's window) cuts a legal stream of small messages to a slow handler after some
/// tens of thousands. A window of 64 KiB full of empty messages (5 bytes each) is charged 3.3 MB; this
/// is room for 60 unread streams of those, for 330 of messages of 20 bytes, or for any number that the
/// server takes of 100 bytes. What streams get above that window counts its frames.
const DATA_FRAME_BUDGET: usize = 192 << 20;

/// The longest frame that a client may send. A DATA frame is a piece of memory: 64 KiB keeps a message of 1 MiB in 16.
pub(super) const MAX_FRAME: u32 = 64 << 10;

impl ServerConfig {
    /// The windows of a connection.
    pub(super) fn windows(&self) -> Windows {
        Windows { base: self.stream_window, budget: self.window_budget.into() }
    }

    /// The longest list of headers that is taken, in bytes as HTTP/2 counts them.
    pub(super) fn header_list_limit(&self) -> u32 {
        self.max_header_list.max(1024)
    }

    /// The HTTP/2 side of this configuration.
    pub(super) fn http2(&self) -> h2::server::Builder {
        let streams = self.max_concurrent_streams.max(1);
        let mut builder = h2::server::Builder::new();
        builder
            // The wire tells the client others.
            .initial_window_size(MAX_WINDOW)
            .initial_connection_window_size(MAX_WINDOW)
            .max_concurrent_streams(streams)
            .max_frame_size(MAX_FRAME)
            .max_header_list_size(self.header_list_limit().max(MAX_HEADER_LIST))
            .max_send_buffer_size(self.send_buffer.max(1))
            .data_frame_budget(DATA_FRAME_BUDGET)
            // A client may cancel all its calls at once before we look (h2 allows 20 by default) …
            .max_pending_accept_reset_streams(streams as usize)
            // … and send on, for a while, on streams that we answered early (50 by default); what is
            // forgotten counts as an error, and 1024 errors end the connection.
            .max_concurrent_reset_streams(streams as usize);
        builder
    }
}
