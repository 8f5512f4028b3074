//! `Viaduct\ChannelOptions`

use std::sync::Arc;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendHashTable, ZendStr};
use viaduct::client::{ChannelOptions as Core, LoadBalancing, Proxy, ServiceConfig};
use viaduct::error::{InvalidArgument, quote};
use viaduct::transport::proxy::ProxyServer;

use super::compression::Compression;
use super::range::{BYTES, authority, header_text, integer, metadata_bytes, positive_seconds};
use crate::errors::{self, Thrown};
use crate::metadata;
use crate::zend::call::{Call, Case};
use crate::zend::class::{Class, rust_class};

/// How a channel behaves.
pub(crate) struct ChannelOptions {
    pub(crate) values: Core,
    /// Whether channels that are alike share connections, which outlive the objects and the request.
    pub(crate) persistent: bool,
}

rust_class!(ChannelOptions, "Viaduct\\ChannelOptions");

impl Class for ChannelOptions {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        let int = |name, default| Arg::new(name, DataType::Long).default(default);
        let float = |name, default| Arg::new(name, DataType::Double).default(default);
        let bool = |name| Arg::new(name, DataType::Bool).default("false");
        let nullable = |name, of| Arg::new(name, of).allow_null().default("null");
        constructor
            .arg(int("maxReceiveBytes", "4194304"))
            .arg(nullable("maxSendBytes", DataType::Long))
            .arg(nullable("keepalive", DataType::Double))
            .arg(float("keepaliveTimeout", "20.0"))
            .arg(bool("keepaliveWithoutCalls"))
            .arg(float("connectTimeout", "20.0"))
            .arg(nullable("idleTimeout", DataType::Double))
            .arg(float("initialBackoff", "1.0"))
            .arg(float("maxBackoff", "120.0"))
            .arg(nullable("userAgent", DataType::String))
            .arg(nullable("authority", DataType::String))
            .arg(
                Arg::new("compression", DataType::object("Viaduct\\Compression"))
                    .default("Viaduct\\Compression::None"),
            )
            .arg(bool("waitForReady"))
            .arg(nullable("serviceConfig", DataType::String))
            .arg(Arg::new("retries", DataType::Bool).default("true"))
            .arg(nullable("loadBalancing", DataType::String))
            .arg(nullable("proxy", DataType::String))
            .arg(int("maxMetadataBytes", "65536"))
            .arg(nullable("metadata", DataType::Array))
            .arg(Arg::new("persistent", DataType::Bool).default("true"))
            .required_args(0)
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let a = call.arguments(0..=20)?;
        // All types first, as PHP's own functions do; then the ranges.
        let max_receive_bytes = a.get_or(0, 4_194_304)?;
        let max_send_bytes = a.nullable(1)?;
        let keepalive = a.nullable(2)?;
        let keepalive_timeout = a.get_or(3, 20.0)?;
        let keepalive_without_calls = a.get_or(4, false)?;
        let connect_timeout = a.get_or(5, 20.0)?;
        let idle_timeout = a.nullable(6)?;
        let initial_backoff = a.get_or(7, 1.0)?;
        let max_backoff = a.get_or(8, 120.0)?;
        let user_agent = a.nullable::<&ZendStr>(9)?;
        let host = a.nullable::<&ZendStr>(10)?;
        let Case(compression) = a.get_or(11, Case(Compression::None))?;
        let wait_for_ready = a.get_or(12, false)?;
        let service_config = a.nullable::<&ZendStr>(13)?;
        let retries = a.get_or(14, true)?;
        let load_balancing = a.nullable::<&ZendStr>(15)?;
        let proxy = a.nullable::<&ZendStr>(16)?;
        let max_metadata_bytes = a.get_or(17, 65_536)?;
        let entries = a.nullable::<&ZendHashTable>(18)?;
        let persistent = a.get_or(19, true)?;
        if max_backoff < initial_backoff {
            return Err(errors::invalid_argument(format!(
                "maxBackoff is {max_backoff}; expected at least initialBackoff, which is {initial_backoff}"
            )));
        }
        let values = Core {
            max_receive: integer("maxReceiveBytes", max_receive_bytes, BYTES)?,
            max_send: max_send_bytes.map(|n| integer("maxSendBytes", n, BYTES)).transpose()?,
            keepalive: keepalive.map(|s| positive_seconds("keepalive", s)).transpose()?,
            keepalive_timeout: positive_seconds("keepaliveTimeout", keepalive_timeout)?,
            keepalive_without_calls,
            connect_timeout: positive_seconds("connectTimeout", connect_timeout)?,
            idle_timeout: idle_timeout.map(|s| positive_seconds("idleTimeout", s)).transpose()?,
            initial_backoff: positive_seconds("initialBackoff", initial_backoff)?,
            max_backoff: positive_seconds("maxBackoff", max_backoff)?,
            user_agent: user_agent.map(|text| header_text("userAgent", text)).transpose()?,
            authority: host.map(|text| authority("authority", text)).transpose()?,
            encoding: compression.into(),
            wait_for_ready,
            service_config: service_config.map(service).transpose()?,
            retries,
            load_balancing: load_balancing.map_or(Ok(LoadBalancing::PickFirst), policy)?,
            proxy: proxy.map_or(Ok(Proxy::FromEnvironment), through)?,
            max_header_list: metadata_bytes(max_metadata_bytes)?,
            metadata: entries
                .map(|entries| metadata::from_php(entries, "metadata"))
                .transpose()?
                .unwrap_or_default(),
            ..Core::default()
        };
        Ok(Self { values, persistent })
    }
}

fn service(text: &ZendStr) -> Result<Arc<ServiceConfig>, InvalidArgument> {
    let text = text.as_str().map_err(|_| {
        InvalidArgument::new("serviceConfig is not UTF-8; expected the JSON of a service config")
    })?;
    ServiceConfig::parse(text).map(Arc::new)
}

fn policy(name: &ZendStr) -> Result<LoadBalancing, Thrown> {
    match name.as_bytes() {
        b"pick_first" => Ok(LoadBalancing::PickFirst),
        b"round_robin" => Ok(LoadBalancing::RoundRobin),
        other => Err(errors::invalid_argument(format!(
            "loadBalancing is {}; expected \"pick_first\" or \"round_robin\"",
            quote(&String::from_utf8_lossy(other))
        ))),
    }
}

/// A proxy's URI; an empty one means none.
fn through(uri: &ZendStr) -> Result<Proxy, Thrown> {
    let uri = String::from_utf8_lossy(uri.as_bytes());
    if uri.is_empty() {
        return Ok(Proxy::None);
    }
    ProxyServer::parse(&uri).map_err(|error| errors::invalid_argument(error.to_string()))?;
    Ok(Proxy::Uri(uri.into_owned()))
}
