//! How a server behaves.

use super::error::Error;
use super::input::{Options, count, encoding, span};
use crate::server::ServerConfig;

/// How a server behaves. Zeros are the defaults; `size` is `sizeof(viaduct_server_options)`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct viaduct_server_options {
    /// `sizeof(viaduct_server_options)`: a later library knows by it which fields there are.
    pub size: usize,
    /// Threads of the library's that run handlers, which may then wait. By default there are none:
    /// handlers run on the runtime's thread and must be quick, which is faster.
    pub threads: u64,
    /// Calls that may wait while no handler is free, be it in a thread's queue; the next is answered
    /// RESOURCE_EXHAUSTED. Default 4096.
    pub max_queued: u64,
    /// The longest request message, in bytes after decompression; default 4 MiB.
    pub max_receive_bytes: u64,
    /// The longest response message, in bytes as sent; no limit by default.
    pub max_send_bytes: u64,
    /// Calls that one connection may have at once; default 1024.
    pub max_concurrent_streams: u64,
    /// Connections that may be open; default 10000.
    pub max_connections: u64,
    /// How long running calls may take after `viaduct_server_shutdown`; default 30 s.
    pub drain_timeout_ms: i64,
    /// PING a client after so much silence; never by default.
    pub keepalive_ms: i64,
    /// Give a connection up where a PING is not answered within this; default 20 s.
    pub keepalive_timeout_ms: i64,
    /// How long a connection may take to begin; default 10 s.
    pub handshake_timeout_ms: i64,
    /// A `viaduct_compression`, for the responses to clients that accept it.
    pub compression: i32,
    /// The longest headers of a request, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2); longer ones are
    /// answered RESOURCE_EXHAUSTED. Default 16 KiB.
    pub max_metadata_bytes: u64,
    /// Tell a connection to go away (GOAWAY) after so long without a call; never by default.
    pub max_connection_idle_ms: i64,
    /// Tell a connection to go away after so long, give or take a tenth; its calls go on. Never by default.
    pub max_connection_age_ms: i64,
    /// How long those calls may take before the connection is cut; as long as they like by default.
    pub max_connection_age_grace_ms: i64,
}

// SAFETY: numbers only, and the size first.
unsafe impl Options for viaduct_server_options {
    const NAME: &'static str = "viaduct_server_options";
}

/// More threads than any machine has use for; a larger number is a mistake.
const MAX_THREADS: u64 = 4096;

impl viaduct_server_options {
    /// The core's configuration, and how many threads there are.
    pub(super) fn read(self) -> Result<(ServerConfig, usize), Error> {
        let default = ServerConfig::default();
        let threads = count(self.threads, "threads")?.unwrap_or(0);
        if self.threads > MAX_THREADS {
            return Err(super::input::invalid(format!(
                "threads is {}; expected at most {MAX_THREADS}",
                self.threads
            )));
        }
        let config = ServerConfig {
            max_queued: count(self.max_queued, "max_queued")?.unwrap_or(default.max_queued),
            max_receive: count(self.max_receive_bytes, "max_receive_bytes")?.unwrap_or(default.max_receive),
            max_send: count(self.max_send_bytes, "max_send_bytes")?,
            max_concurrent_streams: count(self.max_concurrent_streams, "max_concurrent_streams")?
                .unwrap_or(default.max_concurrent_streams),
            max_connections: count(self.max_connections, "max_connections")?
                .unwrap_or(default.max_connections),
            drain_timeout: span(self.drain_timeout_ms, "drain_timeout_ms")?.unwrap_or(default.drain_timeout),
            keepalive: span(self.keepalive_ms, "keepalive_ms")?,
            keepalive_timeout: span(self.keepalive_timeout_ms, "keepalive_timeout_ms")?
                .unwrap_or(default.keepalive_timeout),
            handshake_timeout: span(self.handshake_timeout_ms, "handshake_timeout_ms")?
                .unwrap_or(default.handshake_timeout),
            encoding: encoding(self.compression)?.unwrap_or_default(),
            max_header_list: count(self.max_metadata_bytes, "max_metadata_bytes")?
                .unwrap_or(default.max_header_list),
            max_connection_idle: span(self.max_connection_idle_ms, "max_connection_idle_ms")?,
            max_connection_age: span(self.max_connection_age_ms, "max_connection_age_ms")?,
            max_connection_age_grace: span(self.max_connection_age_grace_ms, "max_connection_age_grace_ms")?,
            ..default
        };
        Ok((config, threads))
    }
}
