//! The arguments of a `Grpc\Server`.

use std::time::Duration;

use ext_php_rs::types::ZendHashTable;
use viaduct::server::ServerConfig;

use super::arguments;
use crate::errors::Thrown;

/// What the arguments say.
pub(crate) struct ServerArgs {
    pub(crate) config: ServerConfig,
    /// Whether other sockets may listen on the same port.
    pub(crate) share_ports: bool,
}

impl Default for ServerArgs {
    fn default() -> Self {
        // As in the official core, where the kernel has SO_REUSEPORT.
        Self { config: ServerConfig::default(), share_ports: true }
    }
}

impl ServerArgs {
    /// Reads them. Unknown ones are listed once at debug level.
    ///
    /// # Errors
    ///
    /// An `\InvalidArgumentException` for a key that is no string, a value that is neither a string nor an
    /// integer, and a text that is no number where a number is wanted.
    pub(crate) fn read(array: &ZendHashTable) -> Result<Self, Thrown> {
        let mut args = Self::default();
        let given = arguments::read(array)?;
        let mut unknown = Vec::new();
        for (key, value) in &given {
            match KNOWN.iter().find(|(name, _)| name == key) {
                Some((_, set)) => set(&mut args, arguments::int(key, value)?),
                None if arguments::is_known(key) => {}
                None => unknown.push(key.as_str()),
            }
        }
        arguments::list(&unknown);
        Ok(args)
    }
}

/// What an argument does. All of them are numbers.
type Effect = fn(&mut ServerArgs, i64);

/// The arguments that mean something to a server.
const KNOWN: &[(&str, Effect)] = &[
    ("grpc.max_receive_message_length", max_receive),
    ("grpc.max_message_length", max_receive),
    ("grpc.max_send_message_length", |args, n| args.config.max_send = usize::try_from(n).ok()),
    ("grpc.max_concurrent_streams", |args, n| {
        args.config.max_concurrent_streams = u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    }),
    ("grpc.keepalive_time_ms", |args, n| args.config.keepalive = span(n)),
    ("grpc.keepalive_timeout_ms", |args, n| {
        args.config.keepalive_timeout = span(n).unwrap_or(Duration::MAX);
    }),
    ("grpc.max_connection_idle_ms", |args, n| args.config.max_connection_idle = span(n)),
    ("grpc.max_connection_age_ms", |args, n| args.config.max_connection_age = span(n)),
    ("grpc.max_connection_age_grace_ms", |args, n| {
        // None at all: the calls are cut at once.
        args.config.max_connection_age_grace = if n == 0 { Some(Duration::ZERO) } else { span(n) };
    }),
    ("grpc.max_metadata_size", |args, n| {
        args.config.max_header_list = u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    }),
    ("grpc.default_compression_algorithm", |args, n| args.config.encoding = arguments::encoding(n)),
    ("grpc.so_reuseport", |args, n| args.share_ports = n != 0),
];

/// −1: no limit.
fn max_receive(args: &mut ServerArgs, n: i64) {
    args.config.max_receive = usize::try_from(n).unwrap_or(usize::MAX);
}

/// Milliseconds. The greatest number, and what is not positive, mean never.
fn span(millis: i64) -> Option<Duration> {
    let never = i64::from(i32::MAX);
    u64::try_from(millis).ok().filter(|n| *n > 0 && millis < never).map(Duration::from_millis)
}
