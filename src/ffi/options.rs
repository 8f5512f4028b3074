//! How a channel behaves, and what a call says of itself.

use std::ffi::c_char;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;

use super::error::Error;
use super::handle;
use super::input::{Options, choice, count, encoding, invalid, span, text_optional};
use super::metadata::{map_of, viaduct_metadata};
use super::server_call::viaduct_server_call;
use crate::client::{CallOptions, ChannelOptions, LoadBalancing, Proxy, ServiceConfig};
use crate::deadline::Deadline;
use crate::error::quote;

/// Yes, no, or what is the default.
// C gives its numbers.
#[allow(dead_code)]
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_choice {
    /// The default.
    VIADUCT_DEFAULT = 0,
    /// Yes.
    VIADUCT_YES = 1,
    /// No.
    VIADUCT_NO = 2,
}

/// How messages are compressed.
// C gives its numbers.
#[allow(dead_code)]
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_compression {
    /// As the channel or the server says; where that says nothing, not at all.
    VIADUCT_COMPRESSION_DEFAULT = 0,
    /// Not at all.
    VIADUCT_COMPRESSION_NONE = 1,
    /// gzip (RFC 1952).
    VIADUCT_COMPRESSION_GZIP = 2,
    /// deflate (RFC 1950).
    VIADUCT_COMPRESSION_DEFLATE = 3,
}

/// Which of a target's servers take the calls.
// C gives its numbers.
#[allow(dead_code)]
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_load_balancing {
    /// One connection, to the first address that takes it.
    VIADUCT_PICK_FIRST = 0,
    /// One connection to each address; the calls rotate over those that stand.
    VIADUCT_ROUND_ROBIN = 1,
}

/// How a channel behaves. Zero and NULL are the defaults; `size` is `sizeof(viaduct_channel_options)`.
/// The strings are copied.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct viaduct_channel_options {
    /// `sizeof(viaduct_channel_options)`: a later library knows by it which fields there are.
    pub size: usize,
    /// The longest message that is taken, in bytes after decompression; default 4 MiB.
    pub max_receive_bytes: u64,
    /// The longest message that is sent, in bytes before compression; no limit by default.
    pub max_send_bytes: u64,
    /// PING after so much silence, in milliseconds; never by default. After two PINGs without DATA or HEADERS from this
    /// side, one a minute; after GOAWAY "too_many_pings" the interval doubles.
    pub keepalive_ms: i64,
    /// Give the connection up where a PING is not answered within this; default 20 s.
    pub keepalive_timeout_ms: i64,
    /// How long one attempt to connect may take; default 20 s.
    pub connect_timeout_ms: i64,
    /// Close the connection after so long without a call; never by default.
    pub idle_timeout_ms: i64,
    /// The pause after the first failed attempt; default 1 s.
    pub initial_backoff_ms: i64,
    /// The longest pause between attempts; default 120 s.
    pub max_backoff_ms: i64,
    /// Put before the library's own name in `user-agent`.
    pub user_agent: *const c_char,
    /// Sent as `:authority` in the target's place.
    pub authority: *const c_char,
    /// The service config, as JSON text.
    pub service_config: *const c_char,
    /// "http://host:port" of an HTTP proxy, "" for none. NULL: as the environment says.
    pub proxy: *const c_char,
    /// A `viaduct_compression`.
    pub compression: i32,
    /// A `viaduct_load_balancing`.
    pub load_balancing: i32,
    /// A `viaduct_choice`: whether calls wait for a connection; by default they fail with the attempt.
    pub wait_for_ready: i32,
    /// A `viaduct_choice`: PING while no call runs, too; by default not.
    pub keepalive_without_calls: i32,
    /// A `viaduct_choice`: whether calls are sent again, by policy or where the server did not see
    /// them; by default they are.
    pub retries: i32,
    /// The longest headers or trailers of an answer, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2); longer
    /// ones end their call RESOURCE_EXHAUSTED. Default 64 KiB.
    pub max_metadata_bytes: u64,
}

// SAFETY: numbers and pointers only, and the size first.
unsafe impl Options for viaduct_channel_options {
    const NAME: &'static str = "viaduct_channel_options";
}

impl viaduct_channel_options {
    pub(super) fn read(self) -> Result<ChannelOptions, Error> {
        let default = ChannelOptions::default();
        let or = |ms, what, default| span(ms, what).map(|given: Option<Duration>| given.unwrap_or(default));
        let service_config = text_optional(self.service_config, "service_config")?;
        Ok(ChannelOptions {
            max_receive: count(self.max_receive_bytes, "max_receive_bytes")?.unwrap_or(default.max_receive),
            max_send: count(self.max_send_bytes, "max_send_bytes")?,
            keepalive: span(self.keepalive_ms, "keepalive_ms")?,
            keepalive_timeout: or(
                self.keepalive_timeout_ms,
                "keepalive_timeout_ms",
                default.keepalive_timeout,
            )?,
            connect_timeout: or(self.connect_timeout_ms, "connect_timeout_ms", default.connect_timeout)?,
            idle_timeout: span(self.idle_timeout_ms, "idle_timeout_ms")?,
            initial_backoff: or(self.initial_backoff_ms, "initial_backoff_ms", default.initial_backoff)?,
            max_backoff: or(self.max_backoff_ms, "max_backoff_ms", default.max_backoff)?,
            user_agent: text_optional(self.user_agent, "user_agent")?.map(str::to_owned),
            authority: text_optional(self.authority, "authority")?.map(str::to_owned),
            service_config: service_config.map(ServiceConfig::parse).transpose()?.map(Arc::new),
            proxy: match text_optional(self.proxy, "proxy")? {
                None => Proxy::FromEnvironment,
                Some("") => Proxy::None,
                Some(uri) => Proxy::Uri(uri.to_owned()),
            },
            encoding: encoding(self.compression)?.unwrap_or_default(),
            load_balancing: match self.load_balancing {
                0 => LoadBalancing::PickFirst,
                1 => LoadBalancing::RoundRobin,
                other => return Err(invalid(format!("{other} is no viaduct_load_balancing"))),
            },
            wait_for_ready: choice(self.wait_for_ready, "wait_for_ready")?.unwrap_or(false),
            keepalive_without_calls: choice(self.keepalive_without_calls, "keepalive_without_calls")?
                .unwrap_or(false),
            retries: choice(self.retries, "retries")?.unwrap_or(true),
            max_header_list: count(self.max_metadata_bytes, "max_metadata_bytes")?
                .unwrap_or(default.max_header_list),
            ..default
        })
    }
}

/// What a call says of itself. Zero and NULL are the defaults; `size` is `sizeof(viaduct_call_options)`.
/// What it leads to is copied.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct viaduct_call_options {
    /// `sizeof(viaduct_call_options)`.
    pub size: usize,
    /// What is sent with the request.
    pub metadata: *const viaduct_metadata,
    /// The deadline: so many milliseconds from now. 0: none. Negative: it has passed.
    pub timeout_ms: i64,
    /// Sent as `:authority` in the channel's place.
    pub authority: *const c_char,
    /// The call on whose behalf this one is made: its deadline holds here, too.
    pub parent: *const viaduct_server_call,
    /// A `viaduct_compression`.
    pub compression: i32,
    /// A `viaduct_choice`: whether to wait for a connection; by default as the channel says.
    pub wait_for_ready: i32,
}

// SAFETY: numbers and pointers only, and the size first.
unsafe impl Options for viaduct_call_options {
    const NAME: &'static str = "viaduct_call_options";
}

impl viaduct_call_options {
    pub(super) fn read(self) -> Result<CallOptions, Error> {
        let own = match self.timeout_ms {
            0 => None,
            ms => Some(Deadline::after(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))),
        };
        let parent = handle::get_optional(self.parent)?.and_then(viaduct_server_call::deadline);
        let authority = text_optional(self.authority, "authority")?;
        Ok(CallOptions {
            metadata: map_of(self.metadata)?,
            deadline: Deadline::earliest(own, parent),
            wait_for_ready: choice(self.wait_for_ready, "wait_for_ready")?,
            encoding: encoding(self.compression)?,
            authority: authority
                .map(|text| {
                    Authority::from_str(text).map_err(|_| {
                        invalid(format!("authority {} is not legal; expected host or host:port", quote(text)))
                    })
                })
                .transpose()?,
        })
    }
}
