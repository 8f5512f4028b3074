//! The arguments of a `Grpc\Server`.

use std::time::Duration;

use ext_php_rs::types::ZendHashTable;
use viaduct::codec::Encoding;
use viaduct::server::ServerConfig;

use super::arguments::{self, Value};
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
    /// Reads them. Those that are not ours are taken and mean nothing.
    ///
    /// # Errors
    ///
    /// An `\InvalidArgumentException` for a key that is no string, and a value that is neither a string
    /// nor an integer.
    pub(crate) fn read(array: &ZendHashTable) -> Result<Self, Thrown> {
        let mut args = Self::default();
        for (key, value) in arguments::read(array)? {
            if let Value::Int(number) = value {
                args.set(&key, number);
            }
        }
        Ok(args)
    }

    fn set(&mut self, name: &str, number: i64) {
        let config = &mut self.config;
        match name {
            // −1: no limit.
            "grpc.max_receive_message_length" | "grpc.max_message_length" => {
                config.max_receive = usize::try_from(number).unwrap_or(usize::MAX);
            }
            "grpc.max_send_message_length" => config.max_send = usize::try_from(number).ok(),
            "grpc.max_concurrent_streams" => {
                config.max_concurrent_streams = u32::try_from(number.max(1)).unwrap_or(u32::MAX);
            }
            "grpc.keepalive_time_ms" => config.keepalive = span(number),
            "grpc.keepalive_timeout_ms" => {
                config.keepalive_timeout = span(number).unwrap_or(Duration::MAX);
            }
            "grpc.max_connection_idle_ms" => config.max_connection_idle = span(number),
            "grpc.max_connection_age_ms" => config.max_connection_age = span(number),
            // None at all: the calls are cut at once.
            "grpc.max_connection_age_grace_ms" if number == 0 => {
                config.max_connection_age_grace = Some(Duration::ZERO);
            }
            "grpc.max_connection_age_grace_ms" => config.max_connection_age_grace = span(number),
            "grpc.max_metadata_size" => {
                config.max_header_list = u32::try_from(number.max(1)).unwrap_or(u32::MAX);
            }
            // `grpc_compression_algorithm`
            "grpc.default_compression_algorithm" => {
                config.encoding = match number {
                    1 => Encoding::Deflate,
                    2 => Encoding::Gzip,
                    _ => Encoding::Identity,
                };
            }
            "grpc.so_reuseport" => self.share_ports = number != 0,
            _ => {}
        }
    }
}

/// Milliseconds. The greatest number, and what is not positive, mean never.
fn span(millis: i64) -> Option<Duration> {
    let never = i64::from(i32::MAX);
    u64::try_from(millis).ok().filter(|n| *n > 0 && millis < never).map(Duration::from_millis)
}
