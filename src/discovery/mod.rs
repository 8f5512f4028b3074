//! What a server says of itself.
//!
//! - [`reflection`]: which services it has, and what their messages are made of;
//! - [`health`]: whether it wants to be called.
//!
//! Both are protocol only. What they say and understand is carried by whatever implements [`Unary`]: a
//! [`Channel`] with [`OverChannel`], or a connection that is not one.

#![forbid(unsafe_code)]

pub mod health;
pub mod reflection;

use std::time::Duration;

use bytes::Bytes;
use tonic::{Code, Status};

use crate::client::{CallOptions, Channel, Method};
use crate::codec::Encoding;
use crate::deadline::Deadline;

/// What makes calls with one request and one response.
pub trait Unary {
    /// Calls the method at `path`. Neither message has a prefix.
    fn unary(&self, path: &str, request: Vec<u8>) -> impl Future<Output = Result<Bytes, Status>> + Send;
}

/// Calls over a channel, all with the same options.
#[derive(Debug, Clone)]
pub struct OverChannel {
    /// The channel.
    pub channel: Channel,
    /// What each call says of itself. A deadline stands over all of them.
    pub options: CallOptions,
    /// How long one call may take.
    pub timeout: Option<Duration>,
}

impl Unary for OverChannel {
    async fn unary(&self, path: &str, request: Vec<u8>) -> Result<Bytes, Status> {
        let method = Method::parse(path).map_err(|error| Status::internal(error.to_string()))?;
        let request = self.channel.frame(&request, Some(Encoding::Identity))?;
        let mut options = self.options.clone();
        options.deadline = Deadline::earliest(options.deadline, self.timeout.map(Deadline::after));
        let outcome = self.channel.unary(method, request, options).await;
        match (outcome.status.code(), outcome.message) {
            (Code::Ok, Some(message)) => Ok(message.into_bytes()),
            _ => Err(outcome.status),
        }
    }
}

/// The status of an answer that cannot be read.
fn unreadable(what: &str, error: &prost::DecodeError) -> Status {
    Status::internal(format!("the server's answer is not a {what}: {error}"))
}
