//! Viaduct's engine: gRPC over HTTP/2 for hosts that own their thread.
//!
//! The modules stand in layers, and each knows only those below it:
//!
//! | layer | modules | what it is |
//! |---|---|---|
//! | faces | [`ffi`], `tool` (and the crate `viaduct-php`) | thin: they translate, nothing else |
//! | surveys | [`discovery`] | what a server says of itself |
//! | roads | [`client`], [`server`], [`proxy`] | channels and calls; listeners and handlers; what is forwarded |
//! | ground | [`tls`], [`transport`] | one HTTP/2 connection and what protects it |
//! | reactor | [`reactor`] | who drives the runtime, and what happens at `fork` |
//! | vocabulary | [`status`], [`metadata`], [`deadline`], [`codec`] | no I/O, no threads; `codec` tells `reactor::memory` of large messages |

#![deny(unsafe_code)]
// The layers below have a few things that only the proxy uses.
#![cfg_attr(not(feature = "proxy"), allow(dead_code))]

pub mod client;
pub mod codec;
pub mod deadline;
pub mod discovery;
pub mod error;
#[cfg(feature = "capi")]
pub mod ffi;
pub mod metadata;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod reactor;
pub mod server;
pub mod status;
pub mod tls;
#[cfg(feature = "command")]
pub mod tool;
pub mod transport;
mod waiting;

/// The version of this crate, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use tonic::{Code, Status};
