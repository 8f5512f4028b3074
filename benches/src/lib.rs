//! What the programs of `make bench` share. `benches/run` runs them; `benches/run --help` says what it measures.
//!
//! The service is `/bench.Echo/`, its messages are bytes:
//! - `Unary`: the message comes back.
//! - `ServerStream`: the request is a [`StreamSpec`], `"1000 100"`: that many messages of that size.
//! - `ClientStream`: the answer is how many messages there were, in decimal.
//! - `Bidi`: every message comes back.

pub mod client;
pub mod codec;
pub mod framing;
pub mod measure;
pub mod peer;

pub use framing::StreamSpec;

/// What goes wrong in a bench ends it with a sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
