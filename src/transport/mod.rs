//! One HTTP/2 connection: making it, keeping it, ending it.
//!
//! - [`socket`]: the kinds of byte stream there are, as one type;
//! - [`wire`]: what stands between h2 and the socket, so that one turn of a connection is one write;
//! - [`lookup`]: from a host name to addresses;
//! - [`hpack`]: header blocks, for those who look at them beside h2 or without it;
//! - [`flow`]: flow control, a window for each stream, in h2's stead;
//! - [`dial`]: from addresses to a socket, several at once where the first is slow (RFC 8305);
//! - [`secure`]: the client's TLS handshake;
//! - [`proxy`]: through an HTTP proxy, by CONNECT;
//! - [`connection`]: a client's connection and the task that drives it.

pub mod connection;
pub mod dial;
pub mod flow;
mod frames;
pub(crate) mod hpack;
pub(crate) mod keepalive;
pub mod lookup;
pub mod proxy;
pub mod secure;
pub mod socket;
mod streams;
pub mod wire;
