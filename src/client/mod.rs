//! The client path: from a target to a call's end.
//!
//! - [`target`]: where to: the text that a user gives;
//! - [`options`]: how a channel behaves, and what a call may say of itself;
//! - [`method`]: which method;
//! - [`channel`]: the handle, and what all its calls have in common;
//! - `hub`: what a channel is in one process: who waits for a connection, and what is started for it;
//! - [`resolver`]: which addresses there are, and when to ask again;
//! - `balancer`: which connection takes the next call;
//! - `subchannel`, `backoff`: one connection, its states and its pauses;
//! - [`call`]: one call of any kind, on h2 directly;
//! - [`google`]: the credentials that Google's libraries find by themselves;
//! - [`answer`]: whether what came back is gRPC at all.

pub mod answer;
mod backoff;
mod balancer;
pub mod call;
pub mod channel;
pub mod google;
mod hub;
pub mod method;
pub mod options;
pub mod resolver;
mod subchannel;
pub mod target;

pub use call::{Call, Outcome};
pub use channel::{Channel, Connectivity};
pub use method::Method;
pub use options::{CallOptions, ChannelOptions, LoadBalancing, Proxy};
pub use resolver::Resolve;
pub use target::Target;
