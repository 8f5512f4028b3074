//! HTTP/2 (RFC 9113) for what forwards: both ends of a connection, made for streams that are joined to other streams.
//!
//! ```text
//!   socket ── drive ── receive ──► core: streams, windows ◄── stream ── the task that holds it
//!               ▲                     │
//!               └────── out ◄─────────┘
//! ```
//!
//! - `server`, `client`: the two ends; `drive`: between a connection and its socket;
//! - `receive`: what the peer says, frame by frame; `block`: header blocks; `core`: what is known, and what is to be said; `streams`;
//! - `stream`: one stream, as the task that holds it sees it; `inbox`: what nobody has read yet; `out`: what nobody has
//!   written yet;
//! - `head`: from header fields to heads; `hpack`: from bytes to header fields (RFC 7541); `frame`, `settings`, `error`.
//!
//! A frame is written into the connection's buffer when it is said, as far as the windows and the buffer have room; no
//! stream has a queue of what it would like to say. So what waits, waits where it came from: nothing is read from a
//! backend that a client does not take. Why this is not the library that all else here stands on, with figures:
//! `docs/proxy-http2.md`.

mod block;
mod client;
mod core;
mod drive;
mod error;
mod frame;
mod head;
mod inbox;
mod out;
mod receive;
mod server;
mod settings;
mod stream;
mod streams;

pub(in crate::proxy) use self::client::Client;
pub(in crate::proxy) use self::core::Tally;
pub(in crate::proxy) use self::error::Error;
pub(in crate::proxy) use self::frame::PREFACE;
pub(in crate::proxy) use self::head::Onward;
pub(in crate::proxy) use self::server::{Ended, Server};
pub(in crate::proxy) use self::settings::Config;
pub(in crate::proxy) use self::stream::{Shut, Stream};
