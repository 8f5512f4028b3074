//! The client path: from a target to a call's end.
//!
//! - [`target`]: where to: the text that a user gives;
//! - [`options`]: how a channel behaves, and what a call may say of itself;
//! - [`method`]: which method;
//! - [`channel`]: a connection that is made when it is needed, with its states and its backoff;
//! - [`google`]: the credentials that Google's libraries find by themselves;
//! - [`service_config`]: what the service's owner says of all that;
//! - [`call`]: one call of any kind, on h2 directly; its parts are `sending`, `receiving` and `attempt`;
//! - `retry`, `hedge`, `throttle`: calls that are more than one attempt;
//! - [`answer`]: whether what came back is gRPC at all.

pub mod answer;
mod attempt;
pub mod call;
pub mod channel;
pub mod google;
mod hedge;
pub mod method;
pub mod options;
mod receiving;
mod retry;
mod sending;
pub mod service_config;
pub mod target;
mod throttle;

pub use call::{Call, Outcome};
pub use channel::{Channel, Connectivity};
pub use method::Method;
pub use options::{CallOptions, ChannelOptions, LoadBalancing};
pub use service_config::ServiceConfig;
pub use target::Target;
