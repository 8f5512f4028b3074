//! What goes out: headers, messages, trailers.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use tonic::{Code, Status};

use super::call::Core;
use super::lifetime::Working;
use super::trailers;
use crate::codec::Encoding;
use crate::{metadata, status};

/// Why something could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The call is over: answered, cancelled, or past its deadline.
    #[error("the call is over")]
    Ended,
    /// The response's headers were sent before.
    #[error("the response's headers have been sent already")]
    HeadersSent,
    /// The response's headers are longer than the client accepts.
    #[error(
        "the response's headers are {length} bytes; the client accepts {limit} (SETTINGS_MAX_HEADER_LIST_SIZE)"
    )]
    HeadersTooLong {
        /// Their length, as HTTP/2 counts it.
        length: usize,
        /// What the client has said that it takes.
        limit: usize,
    },
    /// The message is longer than the server may send.
    #[error("a response of {length} bytes is too long; the limit is {limit} bytes (maxSendBytes)")]
    TooLong {
        /// The message's length as sent.
        length: usize,
        /// [`ServerConfig::max_send`](super::ServerConfig::max_send).
        limit: usize,
    },
}

/// How far the answer has come. Until it has ended, the call counts among its connection's.
pub(super) enum Answer {
    /// Nothing was sent.
    Fresh { respond: SendResponse<Bytes>, working: Option<Working> },
    /// The headers were sent.
    Open { stream: SendStream<Bytes>, _working: Option<Working> },
    /// All was said, or nobody listens.
    Ended,
}

impl Answer {
    pub(super) fn headers(&mut self, metadata: HeaderMap, call: &Core) -> Result<(), Refused> {
        match self {
            Self::Fresh { respond, working } => {
                let map = call.ground.with_headers(metadata, call.encoding(), call.listing());
                let (length, limit) = (metadata::size(&map) + trailers::STATUS, call.peer_headers());
                if length > limit {
                    return Err(Refused::HeadersTooLong { length, limit });
                }
                let stream = respond.send_response(response(map), false).map_err(|_| Refused::Ended)?;
                *self = Self::Open { stream, _working: working.take() };
                Ok(())
            }
            Self::Open { .. } => Err(Refused::HeadersSent),
            Self::Ended => Err(Refused::Ended),
        }
    }

    /// Sends `message`, or gives it back where it must wait.
    pub(super) fn message(&mut self, message: Bytes, call: &Core) -> Result<Option<Bytes>, Refused> {
        if matches!(self, Self::Ended) {
            return Err(Refused::Ended);
        }
        call.ground.check_length(&message)?;
        let stream = self.open(call)?;
        // One byte of room is enough: the message is taken whole, and it is in memory anyway. Asking
        // for all of it would take the connection's window away from the other streams.
        stream.reserve_capacity(1);
        if stream.capacity() == 0 {
            let mut cx = Context::from_waker(call.waker());
            loop {
                // Ready may stem from room that has been used since; then it is asked again.
                match stream.poll_capacity(&mut cx) {
                    Poll::Pending => return Ok(Some(message)),
                    Poll::Ready(Some(Ok(0))) => {}
                    Poll::Ready(Some(Ok(_))) => break,
                    Poll::Ready(None | Some(Err(_))) => return Err(Refused::Ended),
                }
            }
        }
        stream.send_data(message, false).map_err(|_| Refused::Ended)?;
        Ok(None)
    }

    /// Headers, one message, trailers.
    pub(super) fn reply(
        &mut self,
        message: Bytes,
        mut trailers: HeaderMap,
        call: &Core,
    ) -> Result<Code, Refused> {
        let mut code = Code::Ok;
        if trailers.is_empty() {
            trailers.insert(&status::GRPC_STATUS, status::code_value(code));
        } else {
            (trailers, code) = trailers::with_status(&Status::ok(""), trailers, call.peer_headers());
        }
        let stream = self.open(call)?;
        stream.send_data(message, false).map_err(|_| Refused::Ended)?;
        stream.send_trailers(trailers).map_err(|_| Refused::Ended)?;
        Ok(code)
    }

    /// Trailers; where nothing was sent before, an error is a single HEADERS frame.
    pub(super) fn finish(
        &mut self,
        status: &Status,
        trailers: HeaderMap,
        call: &Core,
    ) -> Result<Code, Refused> {
        let (trailers, code) = trailers::with_status(status, trailers, call.peer_headers());
        let sent = match self {
            Self::Fresh { respond, .. } if status.code() != Code::Ok => {
                let map = call.ground.with_headers(trailers, Encoding::Identity, call.listing());
                respond.send_response(response(map), true).map(drop).map_err(|_| Refused::Ended)
            }
            _ => self.open(call)?.send_trailers(trailers).map_err(|_| Refused::Ended),
        };
        sent.map(|()| code)
    }

    /// Whether the client has reset the stream, or its connection is lost.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Fresh { respond, .. } => respond.poll_reset(cx).map(drop),
            Self::Open { stream, .. } => stream.poll_reset(cx).map(drop),
            Self::Ended => Poll::Pending,
        }
    }

    /// The stream, with the headers sent.
    fn open(&mut self, call: &Core) -> Result<&mut SendStream<Bytes>, Refused> {
        if let Self::Fresh { respond, working } = self {
            let map = call.ground.headers(call.encoding(), call.listing());
            let stream = respond.send_response(response(map), false).map_err(|_| Refused::Ended)?;
            *self = Self::Open { stream, _working: working.take() };
        }
        match self {
            Self::Open { stream, .. } => Ok(stream),
            _ => Err(Refused::Ended),
        }
    }
}

fn response(headers: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = headers;
    response
}
