//! `Viaduct\ServerOptions`

use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use viaduct::codec::Encoding;
use viaduct::server::ServerConfig;

use super::compression::Compression;
use super::range::{BYTES, integer, metadata_bytes, positive_seconds, seconds};
use crate::errors::Thrown;
use crate::zend::call::{Call, Case};
use crate::zend::class::{Class, rust_class};

/// The most of anything that is counted.
const COUNT: i64 = 2_147_483_647;

/// How a server behaves.
pub(crate) struct ServerOptions {
    pub(crate) values: ServerOptionValues,
}

/// The options in the core's terms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerOptionValues {
    /// At least 1; 1: handlers run one after the other, without fibers.
    pub(crate) concurrency: usize,
    pub(crate) max_queued: usize,
    pub(crate) max_receive_bytes: usize,
    pub(crate) max_send_bytes: Option<usize>,
    pub(crate) max_concurrent_streams: usize,
    pub(crate) max_connections: usize,
    /// May be zero.
    pub(crate) drain_timeout: Duration,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) compression: Encoding,
    pub(crate) expose_errors: bool,
    pub(crate) max_metadata_bytes: u32,
    pub(crate) max_connection_idle: Option<Duration>,
    pub(crate) max_connection_age: Option<Duration>,
    pub(crate) max_connection_age_grace: Option<Duration>,
}

impl Default for ServerOptionValues {
    fn default() -> Self {
        Self {
            concurrency: 256,
            max_queued: 4096,
            max_receive_bytes: 4_194_304,
            max_send_bytes: None,
            max_concurrent_streams: 1024,
            max_connections: 10_000,
            drain_timeout: Duration::from_secs(30),
            keepalive: None,
            keepalive_timeout: Duration::from_secs(20),
            compression: Encoding::Identity,
            expose_errors: false,
            max_metadata_bytes: 16 << 10,
            max_connection_idle: None,
            max_connection_age: None,
            max_connection_age_grace: None,
        }
    }
}

impl ServerOptionValues {
    /// What the core is told of them.
    pub(crate) fn core(&self) -> ServerConfig {
        ServerConfig {
            max_queued: self.max_queued,
            max_receive: self.max_receive_bytes,
            max_concurrent_streams: u32::try_from(self.max_concurrent_streams).unwrap_or(u32::MAX),
            max_connections: self.max_connections,
            drain_timeout: self.drain_timeout,
            keepalive: self.keepalive,
            keepalive_timeout: self.keepalive_timeout,
            encoding: self.compression,
            max_header_list: self.max_metadata_bytes,
            max_connection_idle: self.max_connection_idle,
            max_connection_age: self.max_connection_age,
            max_connection_age_grace: self.max_connection_age_grace,
            ..ServerConfig::default()
        }
    }
}

rust_class!(ServerOptions, "Viaduct\\ServerOptions");

impl Class for ServerOptions {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        let int = |name, default| Arg::new(name, DataType::Long).default(default);
        let float = |name, default| Arg::new(name, DataType::Double).default(default);
        let nullable = |name, of| Arg::new(name, of).allow_null().default("null");
        constructor
            .arg(int("concurrency", "256"))
            .arg(int("maxQueued", "4096"))
            .arg(int("maxReceiveBytes", "4194304"))
            .arg(nullable("maxSendBytes", DataType::Long))
            .arg(int("maxConcurrentStreams", "1024"))
            .arg(int("maxConnections", "10000"))
            .arg(float("drainTimeout", "30.0"))
            .arg(nullable("keepalive", DataType::Double))
            .arg(float("keepaliveTimeout", "20.0"))
            .arg(
                Arg::new("compression", DataType::object("Viaduct\\Compression"))
                    .default("Viaduct\\Compression::None"),
            )
            .arg(Arg::new("exposeErrors", DataType::Bool).default("false"))
            .arg(int("maxMetadataBytes", "16384"))
            .arg(nullable("maxConnectionIdle", DataType::Double))
            .arg(nullable("maxConnectionAge", DataType::Double))
            .arg(nullable("maxConnectionAgeGrace", DataType::Double))
            .required_args(0)
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let a = call.arguments(0..=15)?;
        // All types first, as PHP's own functions do; then the ranges.
        let concurrency = a.get_or(0, 256)?;
        let max_queued = a.get_or(1, 4096)?;
        let max_receive_bytes = a.get_or(2, 4_194_304)?;
        let max_send_bytes = a.nullable(3)?;
        let max_concurrent_streams = a.get_or(4, 1024)?;
        let max_connections = a.get_or(5, 10_000)?;
        let drain_timeout = a.get_or(6, 30.0)?;
        let keepalive = a.nullable(7)?;
        let keepalive_timeout = a.get_or(8, 20.0)?;
        let Case(compression) = a.get_or(9, Case(Compression::None))?;
        let expose_errors = a.get_or(10, false)?;
        let max_metadata_bytes = a.get_or(11, 16_384)?;
        let max_connection_idle = a.nullable(12)?;
        let max_connection_age = a.nullable(13)?;
        let max_connection_age_grace = a.nullable(14)?;
        let values = ServerOptionValues {
            // Each handler has a fiber, and each fiber a stack of its own (fiber.stack_size, 2 MiB mapped).
            concurrency: integer("concurrency", concurrency, 1..=65_536)?,
            max_queued: integer("maxQueued", max_queued, 0..=COUNT)?,
            max_receive_bytes: integer("maxReceiveBytes", max_receive_bytes, BYTES)?,
            max_send_bytes: max_send_bytes.map(|n| integer("maxSendBytes", n, BYTES)).transpose()?,
            max_concurrent_streams: integer("maxConcurrentStreams", max_concurrent_streams, 1..=COUNT)?,
            max_connections: integer("maxConnections", max_connections, 1..=COUNT)?,
            drain_timeout: seconds("drainTimeout", drain_timeout)?,
            keepalive: keepalive.map(|s| positive_seconds("keepalive", s)).transpose()?,
            keepalive_timeout: positive_seconds("keepaliveTimeout", keepalive_timeout)?,
            compression: compression.into(),
            expose_errors,
            max_metadata_bytes: metadata_bytes(max_metadata_bytes)?,
            max_connection_idle: max_connection_idle
                .map(|s| positive_seconds("maxConnectionIdle", s))
                .transpose()?,
            max_connection_age: max_connection_age
                .map(|s| positive_seconds("maxConnectionAge", s))
                .transpose()?,
            max_connection_age_grace: max_connection_age_grace
                .map(|s| seconds("maxConnectionAgeGrace", s))
                .transpose()?,
        };
        Ok(Self { values })
    }
}
