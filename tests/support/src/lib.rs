//! Peers for tests: servers that speak HTTP/2 right and, on purpose, wrong.
//!
//! They write raw frames ([`frame`], [`hpack`]) from blocking sockets on std threads, so nothing of h2 or tokio
//! stands between a test and the bytes on the wire. Each listens on loopback, on a port of the system's choice.
//!
//! ```
//! use viaduct_testkit::{Behaviour, WrongServer};
//!
//! let server = WrongServer::start(Behaviour::Html(503))?;
//! let target = format!("http://{}", server.addr);
//! // … call it, and expect UNAVAILABLE …
//! assert_eq!(server.stats().streams, 0);
//! # std::io::Result::Ok(())
//! ```
//!
//! Beside them: certificates of any kind ([`certificates`]), and the real `openssl` as a peer ([`openssl`]).
//!
//! The binary `wrong-server` is the same for tests that are no Rust: `wrong-server --list` names the behaviours.
//!
//! When a peer answers: [`Behaviour::Echo`] and its like send each message back as it arrives and the trailers at
//! the client's half-close, so they serve all four kinds of call; the others act once per call, as soon as the first
//! message is whole or the client half-closes. Request headers are not decoded: every path is served.

#![forbid(unsafe_code)]

mod act;
mod behaviour;
pub mod certificates;
mod connection;
pub mod frame;
pub mod hpack;
pub mod openssl;
mod server;
mod stats;
mod stream;

pub use behaviour::Behaviour;
pub use server::WrongServer;
pub use stats::{Stats, StreamFrames};
