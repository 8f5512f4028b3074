//! The client of `grpc.health.v1.Health`.

use prost::Message as _;
use tonic::{Code, Status};

use super::{Unary, unreadable};
use crate::client::{Call, CallOptions, Channel, Method};
use crate::codec::Encoding;

/// The path of the method that answers once.
pub const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The path of the method that answers whenever something changes.
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The server cannot say.
    Unknown,
    /// It takes calls.
    Serving,
    /// It takes none.
    NotServing,
    /// The server has no such service. Only [`WATCH`] says so; [`CHECK`] ends NOT_FOUND.
    ServiceUnknown,
}

impl Health {
    /// The name in the `.proto` file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }
}

/// The request of both methods. The empty `service` is the whole server.
pub fn encode(service: &str) -> Vec<u8> {
    wire::Request { service: service.to_owned() }.encode_to_vec()
}

/// Reads a response. A status that is not known is [`Health::Unknown`].
///
/// # Errors
///
/// INTERNAL where it is none.
pub fn decode(response: &[u8]) -> Result<Health, Status> {
    let response = wire::Response::decode(response).map_err(|e| unreadable("HealthCheckResponse", &e))?;
    Ok(match response.status {
        1 => Health::Serving,
        2 => Health::NotServing,
        3 => Health::ServiceUnknown,
        _ => Health::Unknown,
    })
}

/// Asks once how `service` is.
///
/// # Errors
///
/// The call's status: NOT_FOUND where the server has no such service, UNIMPLEMENTED where it has no
/// health service.
pub async fn check(over: &impl Unary, service: &str) -> Result<Health, Status> {
    decode(&over.unary(CHECK, encode(service)).await?)
}

/// A watch: how a service is, now and after every change.
#[derive(Debug)]
pub struct Watch {
    call: Call,
}

impl Watch {
    /// Begins to watch `service`.
    ///
    /// # Errors
    ///
    /// Where the request cannot be sent. What goes wrong later is said by [`next`](Self::next).
    pub async fn start(channel: &Channel, service: &str, options: CallOptions) -> Result<Self, Status> {
        let method = Method::parse(WATCH).map_err(|error| Status::internal(error.to_string()))?;
        let request = channel.frame(&encode(service), Some(Encoding::Identity))?;
        Ok(Self { call: channel.call(method, Some(request), options).await })
    }

    /// Waits for the next change.
    ///
    /// # Errors
    ///
    /// How the watch ended; it does not end by itself, so OK is UNAVAILABLE.
    // `next` is the field's word; this is no iterator.
    #[allow(clippy::should_implement_trait)]
    pub async fn next(&mut self) -> Result<Health, Status> {
        if let Some(message) = self.call.recv().await {
            return decode(&message.into_bytes());
        }
        match self.call.wait_end().await.0 {
            status if status.code() == Code::Ok => Err(Status::unavailable("the server ended the watch")),
            status => Err(status),
        }
    }
}

/// The messages of `grpc/health/v1/health.proto`.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(string, tag = "1")]
        pub(super) service: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Response {
        #[prost(int32, tag = "1")]
        pub(super) status: i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_what_the_specification_says() {
        assert_eq!(encode(""), b"");
        assert_eq!(encode("a"), [0x0a, 1, b'a']);
        for (bytes, health) in [
            (&[][..], Health::Unknown),
            (&[8, 1], Health::Serving),
            (&[8, 2], Health::NotServing),
            (&[8, 3], Health::ServiceUnknown),
            (&[8, 9], Health::Unknown),
        ] {
            assert_eq!(decode(bytes).unwrap(), health);
        }
        assert!(decode(&[8]).unwrap_err().message().contains("not a HealthCheckResponse"));
    }
}
