//! Channel arguments: what `grpc.*` means to the core.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ext_php_rs::types::ZendHashTable;
use viaduct::client::{ChannelOptions, LoadBalancing, Proxy, ServiceConfig};
use viaduct::codec::Encoding;
use viaduct::error::{InvalidArgument, quote};
use viaduct::transport::proxy::ProxyServer;

use super::exceptions::invalid_argument;
use crate::errors::Thrown;
use crate::zend::array::{Entries, Key};

/// Keys of the array that are no arguments of the channel.
const OTHERS: [&str; 3] = ["credentials", "force_new", "grpc_target_persist_bound"];

/// What gRPC's core takes for "never" and "no limit", where spans and sizes are meant.
const INT_MAX: i64 = i32::MAX as i64;

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Int(i64),
    Text(String),
}

/// Reads the arguments, in their order; for channels and servers.
pub(crate) fn read(array: &ZendHashTable) -> Result<Vec<(String, Value)>, Thrown> {
    let mut all = Vec::new();
    for (key, value) in Entries::of(array) {
        let Key::Text(_) = key else { return Err(invalid_argument("args keys must be strings")) };
        let key = key.text().into_owned();
        if OTHERS.contains(&&*key) {
            continue;
        }
        let value = match (value.long(), value.zend_str()) {
            (Some(n), _) => Value::Int(n),
            (None, Some(text)) => Value::Text(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            (None, None) => return Err(invalid_argument("args values must be int or string")),
        };
        all.push((key, value));
    }
    Ok(all)
}

/// What the arguments make of a channel.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) options: ChannelOptions,
    /// The name that the server's certificate must have, in the target's place.
    pub(crate) server_name: Option<String>,
    /// Whether proxies are out of the question, whatever the other arguments say.
    without_proxy: bool,
}

/// What an argument does. Numbers that make no sense are passed over, as gRPC's core does.
enum Effect {
    Int(fn(&mut Settings, i64)),
    Text(fn(&mut Settings, &str)),
    Checked(fn(&mut Settings, &str) -> Result<(), InvalidArgument>),
    /// Known, and of no effect on a channel of ours.
    Nothing,
}

use Effect::{Checked, Int, Nothing, Text};

/// The arguments that we know. The meanings are those in gRPC's `grpc_types.h`.
const KNOWN: &[(&str, Effect)] = &[
    (
        "grpc.max_receive_message_length",
        Int(|s, n| s.options.max_receive = bytes(n).unwrap_or(s.options.max_receive)),
    ),
    ("grpc.max_send_message_length", Int(|s, n| s.options.max_send = bytes(n).filter(|n| *n != usize::MAX))),
    ("grpc.keepalive_time_ms", Int(|s, n| s.options.keepalive = span(n))),
    (
        "grpc.keepalive_timeout_ms",
        Int(|s, n| s.options.keepalive_timeout = span(n).unwrap_or(s.options.keepalive_timeout)),
    ),
    ("grpc.keepalive_permit_without_calls", Int(|s, n| s.options.keepalive_without_calls = n != 0)),
    ("grpc.ssl_target_name_override", Text(|s, name| s.server_name = Some(name.to_owned()))),
    ("grpc.default_authority", Text(|s, name| s.options.authority = Some(name.to_owned()))),
    ("grpc.primary_user_agent", Text(|s, name| s.options.user_agent = Some(name.to_owned()))),
    (
        "grpc.initial_reconnect_backoff_ms",
        Int(|s, n| s.options.initial_backoff = span(n).unwrap_or(s.options.initial_backoff)),
    ),
    (
        "grpc.max_reconnect_backoff_ms",
        Int(|s, n| s.options.max_backoff = span(n).unwrap_or(s.options.max_backoff)),
    ),
    ("grpc.client_idle_timeout_ms", Int(|s, n| s.options.idle_timeout = span(n))),
    ("grpc.default_compression_algorithm", Int(|s, n| s.options.encoding = encoding(n))),
    // The least time that an attempt to connect is given.
    (
        "grpc.min_reconnect_backoff_ms",
        Int(|s, n| s.options.connect_timeout = span(n).unwrap_or(s.options.connect_timeout)),
    ),
    ("grpc.service_config", Checked(service_config)),
    ("grpc.enable_retries", Int(|s, n| s.options.retries = n != 0)),
    (
        "grpc.per_rpc_retry_buffer_size",
        Int(|s, n| s.options.retry_buffer = bytes(n).unwrap_or(s.options.retry_buffer)),
    ),
    (
        "grpc.lb_policy_name",
        Text(|s, name| {
            if name == "round_robin" {
                s.options.load_balancing = LoadBalancing::RoundRobin;
            }
        }),
    ),
    ("grpc.http_proxy", Checked(proxy)),
    ("grpc.enable_http_proxy", Int(|s, n| s.without_proxy = n == 0)),
    (
        "grpc.max_metadata_size",
        Int(|s, n| s.options.max_header_list = u32::try_from(n).unwrap_or(s.options.max_header_list)),
    ),
    (
        "grpc.dns_min_time_between_resolutions_ms",
        Int(|s, n| s.options.min_resolution_interval = span(n).unwrap_or(s.options.min_resolution_interval)),
    ),
    (
        "grpc.http2.max_pings_without_data",
        Int(|s, n| {
            s.options.max_pings_without_data = u32::try_from(n).unwrap_or(s.options.max_pings_without_data);
        }),
    ),
    // The system's resolver decides.
    ("grpc.dns_enable_srv_queries", Nothing),
    ("grpc.dns_ares_query_timeout", Nothing),
    // The server's.
    ("grpc.max_connection_idle_ms", Nothing),
    ("grpc.max_connection_age_ms", Nothing),
    ("grpc.max_connection_age_grace_ms", Nothing),
    ("grpc.max_concurrent_streams", Nothing),
    ("grpc.so_reuseport", Nothing),
];

/// What the arguments make of a channel. Unknown ones are listed once at debug level.
pub(crate) fn settings(arguments: &[(String, Value)]) -> Result<Settings, Thrown> {
    let mut settings = Settings::default();
    let mut unknown = Vec::new();
    for (key, value) in arguments {
        match (KNOWN.iter().find(|(name, _)| name == key).map(|(_, effect)| effect), value) {
            (Some(Int(apply)), value) => apply(&mut settings, int(key, value)?),
            (Some(Text(apply)), Value::Text(text)) => apply(&mut settings, text),
            (Some(Checked(apply)), Value::Text(text)) => {
                apply(&mut settings, text)
                    .map_err(|error| invalid_argument(&format!("args: {key}: {error}")))?;
            }
            (Some(Text(_) | Checked(_)), Value::Int(n)) => {
                return Err(wrong(key, &n.to_string(), "a string"));
            }
            (Some(Nothing), _) => {}
            (None, _) => unknown.push(key.as_str()),
        }
    }
    list(&unknown);
    if settings.without_proxy {
        settings.options.proxy = Proxy::None;
    }
    settings.options.initial_backoff = settings.options.initial_backoff.min(settings.options.max_backoff);
    if settings.options.authority.is_none() {
        // As in gRPC's core: who overrides the name means the whole server.
        settings.options.authority = settings.server_name.clone();
    }
    Ok(settings)
}

fn service_config(settings: &mut Settings, json: &str) -> Result<(), InvalidArgument> {
    settings.options.service_config = Some(Arc::new(ServiceConfig::parse(json)?));
    Ok(())
}

/// A proxy for this channel. An empty one means none.
fn proxy(settings: &mut Settings, uri: &str) -> Result<(), InvalidArgument> {
    settings.options.proxy = if uri.is_empty() {
        Proxy::None
    } else {
        ProxyServer::parse(uri)?;
        Proxy::Uri(uri.to_owned())
    };
    Ok(())
}

/// The number that an argument is. What comes out of configuration files is often text.
pub(super) fn int(key: &str, value: &Value) -> Result<i64, Thrown> {
    match value {
        Value::Int(n) => Ok(*n),
        Value::Text(text) => text.trim().parse().map_err(|_| wrong(key, &quote(text), "an int")),
    }
}

#[cold]
fn wrong(key: &str, value: &str, expected: &str) -> Thrown {
    invalid_argument(&format!("args: {key} is {value}; expected {expected}"))
}

/// Whether an argument means something to a channel, or is one that it passes over.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.iter().any(|(name, _)| *name == key)
}

/// Lists arguments that we do not know: each once in a process.
pub(super) fn list(unknown: &[&str]) {
    static LISTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if unknown.is_empty() || !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let new: Vec<_> = unknown.iter().filter(|key| listed.insert((**key).to_owned())).copied().collect();
    if !new.is_empty() {
        tracing::debug!("arguments that are not known and have no effect: {}", new.join(", "));
    }
}

/// A size in bytes; −1 is no limit.
fn bytes(n: i64) -> Option<usize> {
    if n == -1 { Some(usize::MAX) } else { usize::try_from(n).ok() }
}

/// A span in milliseconds; none for "never" and for what is none.
fn span(n: i64) -> Option<Duration> {
    u64::try_from(n).ok().filter(|ms| *ms > 0 && n < INT_MAX).map(Duration::from_millis)
}

/// The numbers of gRPC's `grpc_compression_algorithm`.
pub(super) fn encoding(n: i64) -> Encoding {
    match n {
        1 => Encoding::Deflate,
        2 => Encoding::Gzip,
        _ => Encoding::Identity,
    }
}
