//! One stream of a client's connection, joined with one stream of a backend's.
//!
//! Bytes pass as they come, in both directions at once: the window of one side opens when the other side has taken
//! what was received. So a reader that stops makes the writer wait, and what lies between them is bounded by one window
//! and one send buffer. Nothing is read of a body.
//!
//! What goes wrong before the head of the answer has been passed on is told to the caller, who may try elsewhere. After
//! that the caller ends the stream in a way that no client takes for a whole answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use tonic::{Code, Status};

use super::client::{Answer, Client};
use super::upstream::pool::Place;
use crate::client::answer;
use crate::status;
use crate::transport::connection;

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum End {
    /// The answer was passed on, whole. The status is none where the request is not gRPC.
    Answered(Code),
    /// The answer was passed on in part, and cannot go on. The headers are what the backend's trailers had beside.
    Broken(Failure, HeaderMap),
    /// The client has gone, or reset its stream.
    ClientGone,
    /// The backend failed before an answer began.
    Failed(Failure),
    /// The answer is not gRPC, where it had to be. Nothing has been passed on.
    Foreign(Box<http::response::Parts>, RecvStream),
}

/// Why there is no answer, or no whole one.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) kind: FailureKind,
}

#[derive(Debug)]
pub(super) enum FailureKind {
    /// The backend has certainly not processed the request (RFC 9113, section 8.7).
    Unprocessed(Option<Reason>),
    /// The backend reset the stream.
    Reset(Reason),
    /// The connection broke.
    Cut,
    /// The answer ended without a status.
    NoStatus,
    /// The backend answered in one frame with a status that the route would like to try again.
    Refusal(Box<Response<()>>),
}

impl Failure {
    fn new(place: &Place, error: &h2::Error, doing: &str) -> Self {
        let reset = error.reason().filter(|_| error.is_reset() && error.is_remote());
        let kind = if connection::unprocessed(error) {
            FailureKind::Unprocessed(reset)
        } else {
            reset.map_or(FailureKind::Cut, FailureKind::Reset)
        };
        Self { status: place.connection.explain(error, doing), kind }
    }

    fn no_status() -> Self {
        Self { status: answer::no_trailers(), kind: FailureKind::NoStatus }
    }

    /// Something of the request was delivered: to say REFUSED_STREAM would be to say that it may safely be sent again.
    pub(super) fn forget_refusal(&mut self) {
        if self.reset() == Some(Reason::REFUSED_STREAM) {
            self.kind = FailureKind::Reset(Reason::INTERNAL_ERROR);
        }
    }

    /// How the stream was reset, for a client to which a reset is passed on.
    pub(super) fn reset(&self) -> Option<Reason> {
        match self.kind {
            FailureKind::Reset(reason) => Some(reason),
            FailureKind::Unprocessed(reset) => reset,
            _ => None,
        }
    }
}

/// How the request's direction ended.
#[derive(PartialEq, Eq)]
enum Sent {
    /// All of it is on its way, or the backend takes no more.
    Done,
    /// The client has gone.
    Gone,
}

/// An attempt: the request is on its way to one backend.
pub(super) struct Exchange {
    response: Option<ResponseFuture>,
    to_server: SendStream<Bytes>,
    sent: bool,
    /// What earlier attempts have read, and this one has still to send; the first piece comes last.
    again: Vec<Bytes>,
    request: Bytes,
    /// Whether the client's window opens as `request` is taken.
    weighs: bool,
    from_server: Option<RecvStream>,
    answer: Bytes,
    /// The status, where the head of the answer had it.
    code: Option<Code>,
    answered: bool,
    retry_on: Vec<Code>,
    place: Place,
}

impl Exchange {
    /// Sends the head of the request. `retry_on` are the statuses that the caller would like to try again.
    pub(super) fn start(
        mut place: Place,
        head: http::Request<()>,
        client: &Client,
        retry_on: Vec<Code>,
    ) -> Result<Self, Failure> {
        let mut again = client.kept();
        again.reverse();
        let ends = again.is_empty() && client.ended && client.trailers.is_none();
        let (response, to_server) = place.send.send_request(head, ends).map_err(|error| {
            let status = place.connection.explain(&error, "the request was being sent");
            Failure { status, kind: FailureKind::Unprocessed(None) }
        })?;
        Ok(Self {
            response: Some(response),
            to_server,
            sent: ends,
            again,
            request: Bytes::new(),
            weighs: false,
            from_server: None,
            answer: Bytes::new(),
            code: None,
            answered: false,
            retry_on,
            place,
        })
    }

    /// Whether the head of the answer has come.
    pub(super) fn has_begun(&self) -> bool {
        self.response.is_none()
    }

    /// Gives the backend's side up.
    pub(super) fn cancel(&mut self) {
        self.to_server.send_reset(Reason::CANCEL);
    }

    /// Takes both directions as far as they go now.
    pub(super) fn poll(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<End> {
        if !self.sent {
            match self.poll_request(client, cx) {
                Poll::Ready(Sent::Done) => self.sent = true,
                Poll::Ready(Sent::Gone) => return self.gone(None),
                Poll::Pending => {}
            }
        }
        if !self.answered
            && let Poll::Ready(end) = self.poll_answer(client, cx)
        {
            match end {
                // A backend may answer early and yet read on: only a call is over with its answer.
                End::Answered(_) if !self.sent && !client.is_grpc => self.answered = true,
                end => return Poll::Ready(end),
            }
        }
        if self.answered && (self.sent || self.to_server.poll_reset(cx).is_ready()) {
            return Poll::Ready(End::Answered(self.code.unwrap_or(Code::Ok)));
        }
        match client.poll_gone(cx) {
            Poll::Ready(reason) => self.gone(reason.filter(|_| !client.is_grpc)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// To the backend of a call it is always a cancellation; else it hears what the client said.
    fn gone(&mut self, reason: Option<Reason>) -> Poll<End> {
        self.to_server.send_reset(reason.unwrap_or(Reason::CANCEL));
        Poll::Ready(End::ClientGone)
    }

    fn poll_request(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<Sent> {
        loop {
            if self.request.is_empty() {
                match self.again.pop() {
                    Some(piece) => {
                        self.request = piece;
                        self.weighs = false;
                    }
                    None if client.ended => {
                        // A backend that has reset the stream does not need the end.
                        let _ = match client.trailers.clone() {
                            Some(trailers) => self.to_server.send_trailers(trailers),
                            None => self.to_server.send_data(Bytes::new(), true),
                        };
                        return Poll::Ready(Sent::Done);
                    }
                    None => {
                        match ready!(client.body.poll_data(cx)) {
                            Some(Ok(data)) => {
                                client.received += data.len() as u64;
                                client.ended = client.body.is_end_stream();
                                self.weighs = !client.keep(&data);
                                self.request = data;
                            }
                            Some(Err(_)) => return Poll::Ready(Sent::Gone),
                            None => match ready!(client.body.poll_trailers(cx)) {
                                Ok(trailers) => {
                                    client.trailers = trailers;
                                    client.ended = true;
                                }
                                Err(_) => return Poll::Ready(Sent::Gone),
                            },
                        }
                        if self.request.is_empty() {
                            continue;
                        }
                    }
                }
            }
            let Some(room) = ready!(poll_room(&mut self.to_server, self.request.len(), cx)) else {
                // The backend takes no more; its answer, or its error, is still to come.
                return Poll::Ready(Sent::Done);
            };
            let piece = self.request.split_to(room.min(self.request.len()));
            let taken = piece.len();
            let ends =
                client.ended && client.trailers.is_none() && self.request.is_empty() && self.again.is_empty();
            if self.to_server.send_data(piece, ends).is_err() {
                return Poll::Ready(Sent::Done);
            }
            if self.weighs {
                client.release(taken);
            }
            if ends {
                return Poll::Ready(Sent::Done);
            }
        }
    }

    fn poll_answer(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<End> {
        if self.response.is_some()
            && let Some(end) = ready!(self.poll_head(client, cx))
        {
            return Poll::Ready(end);
        }
        let (Some(from_server), Answer::Begun(to_client)) = (&mut self.from_server, &mut client.answer)
        else {
            return Poll::Pending;
        };
        // Of a call the end is known only with its status.
        let may_end = !client.is_grpc || self.code.is_some();
        loop {
            if self.answer.is_empty() {
                match ready!(from_server.poll_data(cx)) {
                    Some(Ok(data)) => self.answer = data,
                    Some(Err(error)) => {
                        let failure = Failure::new(&self.place, &error, "the answer was being read");
                        return Poll::Ready(End::Broken(failure, HeaderMap::new()));
                    }
                    None => break,
                }
                if self.answer.is_empty() {
                    continue;
                }
            }
            let Some(room) = ready!(poll_room(to_client, self.answer.len(), cx)) else {
                return self.gone(None);
            };
            let piece = self.answer.split_to(room.min(self.answer.len()));
            let taken = piece.len();
            let ends = may_end && self.answer.is_empty() && from_server.is_end_stream();
            if to_client.send_data(piece, ends).is_err() {
                return self.gone(None);
            }
            client.returned += taken as u64;
            // Fails only where more is given back than was received.
            let _ = from_server.flow_control().release_capacity(taken);
            if ends {
                return Poll::Ready(End::Answered(self.code.unwrap_or(Code::Ok)));
            }
        }
        let trailers = match ready!(from_server.poll_trailers(cx)) {
            Ok(trailers) => trailers,
            Err(error) => {
                let failure = Failure::new(&self.place, &error, "the trailers were being read");
                return Poll::Ready(End::Broken(failure, HeaderMap::new()));
            }
        };
        let code = trailers.as_ref().and_then(code_of).or(self.code);
        if client.is_grpc && code.is_none() {
            return Poll::Ready(End::Broken(Failure::no_status(), trailers.unwrap_or_default()));
        }
        // A client that has gone needs no end.
        let _ = match trailers {
            Some(trailers) => to_client.send_trailers(trailers),
            None => to_client.send_data(Bytes::new(), true),
        };
        Poll::Ready(End::Answered(code.unwrap_or(Code::Ok)))
    }

    /// Ready with nothing once the head has been passed on and more is to come.
    fn poll_head(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let (Some(response), Answer::Fresh(respond)) = (&mut self.response, &mut client.answer) else {
            return Poll::Ready(None);
        };
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            // What cannot be passed on is no loss: the answer itself comes later.
            let _ = respond.send_informational(interim);
            client.interim = true;
        }
        let response = match ready!(Pin::new(response).poll(cx)) {
            Ok(response) => response,
            Err(error) => {
                let failure = Failure::new(&self.place, &error, "the answer was awaited");
                return Poll::Ready(Some(End::Failed(failure)));
            }
        };
        self.response = None;
        let (head, body) = response.into_parts();
        let ends = body.is_end_stream();
        if client.is_grpc {
            if !answer::is_grpc(&head) {
                return Poll::Ready(Some(End::Foreign(Box::new(head), body)));
            }
            self.code = code_of(&head.headers);
            match self.code {
                None if ends => return Poll::Ready(Some(End::Failed(Failure::no_status()))),
                Some(code) if ends && self.retry_on.contains(&code) => {
                    let status = status::from_headers(&head.headers).unwrap_or_else(answer::no_trailers);
                    let kind = FailureKind::Refusal(Box::new(Response::from_parts(head, ())));
                    return Poll::Ready(Some(End::Failed(Failure { status, kind })));
                }
                _ => {}
            }
        } else if !head.status.is_success() && !head.status.is_redirection() {
            self.code = Some(status::code_of_http(head.status));
        }
        client.status = Some(head.status);
        Poll::Ready(match respond.send_response(Response::from_parts(head, ()), ends) {
            Ok(_) if ends => Some(End::Answered(self.code.unwrap_or(Code::Ok))),
            Ok(stream) => {
                client.begun(stream);
                self.from_server = Some(body);
                None
            }
            Err(_) => {
                self.to_server.send_reset(Reason::CANCEL);
                Some(End::ClientGone)
            }
        })
    }
}

/// How much `stream` takes now, at most `wanted`; `None` where it takes nothing any more.
pub(super) fn poll_room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<usize>> {
    stream.reserve_capacity(wanted);
    loop {
        match stream.capacity() {
            0 => match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None),
            },
            room => return Poll::Ready(Some(room)),
        }
    }
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}
