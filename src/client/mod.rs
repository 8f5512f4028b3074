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
//! - [`google`]: the credentials that Google's libraries find by themselves;
//! - [`service_config`]: what the service's owner says of all that;
//! - [`call`]: one call of any kind, on h2 directly; its parts are `sending`, `receiving` and `attempt`;
//! - `retry`, `hedge`, `throttle`: calls that are more than one attempt;
//! - [`answer`]: whether what came back is gRPC at all.

pub mod answer;
mod attempt;
mod backoff;
mod balancer;
pub mod call;
pub mod channel;
pub mod google;
mod hedge;
mod hub;
pub mod method;
pub mod options;
mod receiving;
pub mod resolver;
mod retry;
mod sending;
pub mod service_config;
mod services;
mod subchannel;
pub mod target;
mod throttle;
mod want;

pub use call::{Call, Outcome};
pub use channel::{Channel, Connectivity};
pub use method::Method;
pub use options::{CallOptions, ChannelOptions, LoadBalancing, Proxy};
pub use resolver::Resolve;
pub use service_config::ServiceConfig;
pub use target::Target;
