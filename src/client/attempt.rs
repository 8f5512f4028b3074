//! One attempt at a call: a request on a connection, up to the head of its answer.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use tonic::Status;

use super::answer;
use super::call::Shared;
use crate::codec::Deframer;
use crate::status;
use crate::transport::connection::{Busy, Connection};
use crate::transport::flow::{Flow, Receiver};

/// A request that is on its way.
pub(super) struct Attempt {
    pub(super) connection: Connection,
    pub(super) busy: Busy,
    pub(super) send: SendStream<Bytes>,
    pub(super) head: ResponseFuture,
}

impl Attempt {
    /// Sends the request's head, and the request itself where there is only one. `previous` attempts at
    /// the same call have failed. `None` where the connection ended meanwhile: nothing was sent.
    pub(super) fn begin(
        call: &Shared,
        connection: Connection,
        mut send: SendRequest<Bytes>,
        previous: u32,
    ) -> Result<Option<Self>, Status> {
        let config = &call.hub.config;
        let encoding = call.options.encoding.unwrap_or(config.options.encoding);
        let request = config.request(&call.method, &call.options, encoding, previous)?;
        let (head, mut stream) = match send.send_request(request, false) {
            Ok(pair) => pair,
            Err(_) if connection.sender().is_none() => return Ok(None),
            Err(error) => return Err(Status::internal(format!("the request cannot be sent: {error}"))),
        };
        if let Some(request) = &call.request {
            stream
                .send_data(request.clone(), true)
                .map_err(|error| connection.explain(&error, "sending the request"))?;
        }
        let busy = connection.busy();
        Ok(Some(Self { connection, busy, send: stream, head }))
    }
}

/// The head of an answer.
pub(super) enum Head {
    /// Messages and trailers follow.
    Begun(HeaderMap, Receiver, Deframer),
    /// A trailers-only answer.
    Ended(Status, HeaderMap),
    /// The answer is gRPC, but we cannot read it.
    Unreadable(Status),
    /// The answer is not gRPC.
    Foreign(Box<http::response::Parts>, RecvStream),
}

impl Head {
    /// `limit` is the longest message that is taken, in bytes.
    pub(super) fn read(response: http::Response<RecvStream>, limit: usize, flow: &Flow) -> Self {
        let (head, body) = response.into_parts();
        if !answer::is_grpc(&head) {
            return Self::Foreign(Box::new(head), body);
        }
        if let Some(status) = status::from_headers(&head.headers) {
            return Self::Ended(status, head.headers);
        }
        match answer::encoding(&head) {
            Ok(encoding) => {
                let body = Receiver::new(body, flow.clone());
                Self::Begun(head.headers, body, Deframer::new(encoding, limit))
            }
            Err(status) => Self::Unreadable(status),
        }
    }
}
