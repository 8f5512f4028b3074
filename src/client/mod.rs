//! The client path: from a target to a call's end.
//!
//! - [`target`]: where to: the text that a user gives;
//! - [`options`]: how a channel behaves, and what a call may say of itself;
//! - [`method`]: which method;
//! - [`channel`]: a connection that is made when it is needed, with its states and its backoff;
//! - [`call`]: one call of any kind, on h2 directly;
//! - [`google`]: the credentials that Google's libraries find by themselves;
//! - [`answer`]: whether what came back is gRPC at all.

pub mod answer;
pub mod call;
pub mod channel;
pub mod google;
pub mod method;
pub mod options;
pub mod target;

pub use call::{Call, Outcome};
pub use channel::{Channel, Connectivity};
pub use method::Method;
pub use options::{CallOptions, ChannelOptions};
pub use target::Target;
