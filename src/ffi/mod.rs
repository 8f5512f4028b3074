//! The C API: thin, one file per C object.
//!
//! What a C program may rely on stands in the header's first comment, which `cbindgen.toml` has. Here is
//! how it is kept:
//!
//! - `handle`: every cast between a C pointer and a Rust value. A handle points into a shell that knows
//!   its kind, the process it was made in, and whether it has been freed;
//! - `fence`: every export runs behind it. A panic ends there, and spoils its handle only;
//! - `input`: what comes in by value: texts, bytes, options, places for results;
//! - `error`: the results, and the sentence that belongs to the last one;
//! - `completion`, `callback`: what is started now and told later, by a queue or by a function.
//!
//! The other files are the objects. They hold values of [`client`](crate::client), [`server`](crate::server) and
//! [`proxy`](crate::proxy), and translate. A file here never reaches into another one's handle but
//! through `handle`.
//!
//! The runtime drives a thread of its own ([`Reactor::threaded`](crate::reactor::Reactor::threaded)).
//! What need not wait is done on the caller's thread; what waits is a future that the caller's thread
//! polls, or a task.
#![allow(unsafe_code)]
// What C sees is public by its symbol, not by its path, and has C's names.
#![allow(unreachable_pub, non_camel_case_types)]

mod callback;
mod completion;
mod error;
mod fence;
mod handle;
mod input;

mod buffer;
mod call;
mod channel;
mod credentials;
mod handlers;
mod log;
mod metadata;
mod options;
mod proxy;
mod queue;
mod runtime;
mod server;
mod server_call;
mod server_options;
mod status;
mod version;
