//! One stream of a client's connection, joined with one stream of a backend's.
//!
//! Bytes pass as they come, in both directions at once: the window of one side opens when the other side has taken
//! what was received. So a reader that stops makes the writer wait, and what lies between them is bounded by one window
//! and one send buffer. Nothing is read of a body.
//!
//! What goes wrong before the head of the answer has been passed on is told to the caller, who may try elsewhere. After
//! that the caller ends the stream in a way that no client takes for a whole answer.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use tonic::{Code, Status};

use super::client::Client;
use super::http2::{self, Error, Onward, Shut, Stream};
use crate::client::answer;
use crate::status::{self, GRPC_STATUS};

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum End {
    /// The answer was passed on, whole. The status is none where the request is not gRPC.
    Answered(Code),
    /// The answer was passed on in part, and cannot go on. The headers are what the backend's trailers had beside.
    Broken(Box<(Failure, HeaderMap)>),
    /// The client has gone, or reset its stream.
    ClientGone,
    /// The backend failed before an answer began.
    Failed(Failure),
    /// The answer is not gRPC, where it had to be. Nothing has been passed on.
    Foreign(Box<http::response::Parts>),
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
    fn new(error: &Error, doing: &str) -> Self {
        let reset = error.reset();
        let kind = if error.is_unprocessed() {
            FailureKind::Unprocessed(reset)
        } else {
            reset.map_or(FailureKind::Cut, FailureKind::Reset)
        };
        Self { status: error.status(doing), kind }
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
    backend: Stream,
    /// The request's head has left: it may have to wait until the backend takes more streams.
    begun: bool,
    /// The request has left whole, or the backend takes no more of it.
    sent: bool,
    /// What earlier attempts have read, and this one has still to send; the first piece comes last.
    again: Vec<Bytes>,
    request: Bytes,
    /// Whether the client's window opens as `request` is taken.
    weighs: bool,
    /// The head of the answer has come.
    has_head: bool,
    answer: Bytes,
    /// The status, where the head of the answer had it.
    code: Option<Code>,
    answered: bool,
    retry_on: Vec<Code>,
}

impl Exchange {
    /// Sends the head of the request. `retry_on` are the statuses that the caller would like to try again.
    pub(super) fn start(
        place: &http2::Client,
        head: &Onward<'_>,
        client: &Client,
        retry_on: Vec<Code>,
    ) -> Result<Self, Failure> {
        let mut again = client.kept();
        again.reverse();
        let ends = again.is_empty() && client.ended && client.trailers.is_none();
        let backend = place.open(head, ends).map_err(|error| {
            let status = error.status("the request was being sent");
            Failure { status, kind: FailureKind::Unprocessed(None) }
        })?;
        Ok(Self {
            backend,
            begun: false,
            sent: ends,
            again,
            request: Bytes::new(),
            weighs: false,
            has_head: false,
            answer: Bytes::new(),
            code: None,
            answered: false,
            retry_on,
        })
    }

    /// Whether the head of the answer has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_head
    }

    /// A piece of the answer's body, where that is not passed on; none where nothing more comes.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.backend.poll_data(cx).map(|data| data?.ok())
    }

    /// Gives the backend's side up.
    pub(super) fn cancel(&mut self) {
        self.backend.reset(Reason::CANCEL);
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
        if self.answered && (self.sent || self.backend.poll_failed(cx).is_ready()) {
            return Poll::Ready(End::Answered(self.code.unwrap_or(Code::Ok)));
        }
        match client.poll_gone(cx) {
            Poll::Ready(reason) => self.gone(reason.filter(|_| !client.is_grpc)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// To the backend of a call it is always a cancellation; else it hears what the client said.
    fn gone(&mut self, reason: Option<Reason>) -> Poll<End> {
        self.backend.reset(reason.unwrap_or(Reason::CANCEL));
        Poll::Ready(End::ClientGone)
    }

    fn poll_request(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<Sent> {
        if !self.begun {
            ready!(self.backend.poll_begun(cx));
            self.begun = true;
        }
        loop {
            if self.request.is_empty() {
                match self.again.pop() {
                    Some(piece) => {
                        self.request = piece;
                        self.weighs = false;
                    }
                    None if client.ended => {
                        // A backend that has reset the stream does not need the end.
                        let _ = match &client.trailers {
                            Some(trailers) => self.backend.send_trailers(trailers),
                            None => self.backend.end(),
                        };
                        return Poll::Ready(Sent::Done);
                    }
                    None => match ready!(client.stream.poll_data(cx)) {
                        Some(Ok(data)) => {
                            client.received += data.len() as u64;
                            client.ended = client.stream.is_read();
                            self.weighs = !client.keep(&data);
                            self.request = data;
                        }
                        Some(Err(_)) => return Poll::Ready(Sent::Gone),
                        None => match ready!(client.stream.poll_trailers(cx)) {
                            Ok(trailers) => {
                                client.trailers = trailers;
                                client.ended = true;
                                continue;
                            }
                            Err(_) => return Poll::Ready(Sent::Gone),
                        },
                    },
                }
            }
            let ends = client.ended && client.trailers.is_none() && self.again.is_empty();
            let Ok(taken) = ready!(self.backend.poll_send(&mut self.request, ends, cx)) else {
                // The backend takes no more; its answer, or its error, is still to come.
                return Poll::Ready(Sent::Done);
            };
            if self.weighs {
                client.release(taken);
            }
            if ends && self.request.is_empty() {
                return Poll::Ready(Sent::Done);
            }
        }
    }

    fn poll_answer(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<End> {
        if !self.has_head
            && let Some(end) = ready!(self.poll_head(client, cx))
        {
            return Poll::Ready(end);
        }
        // Of a call the end is known only with its status.
        let may_end = !client.is_grpc || self.code.is_some();
        loop {
            if self.answer.is_empty() {
                match ready!(self.backend.poll_data(cx)) {
                    Some(Ok(data)) => self.answer = data,
                    Some(Err(error)) => {
                        let failure = Failure::new(&error, "the answer was being read");
                        return Poll::Ready(broken(failure, HeaderMap::new()));
                    }
                    None => break,
                }
            }
            let ends = may_end && self.backend.is_read();
            let Ok(taken) = ready!(client.stream.poll_send(&mut self.answer, ends, cx)) else {
                return self.gone(None);
            };
            client.returned += taken as u64;
            self.backend.release(taken);
            if ends && self.answer.is_empty() {
                return Poll::Ready(End::Answered(self.code.unwrap_or(Code::Ok)));
            }
        }
        let trailers = match ready!(self.backend.poll_trailers(cx)) {
            Ok(trailers) => trailers,
            Err(error) => {
                let failure = Failure::new(&error, "the trailers were being read");
                return Poll::Ready(broken(failure, HeaderMap::new()));
            }
        };
        let code = trailers.as_ref().and_then(code_of).or(self.code);
        if client.is_grpc && code.is_none() {
            return Poll::Ready(broken(Failure::no_status(), trailers.unwrap_or_default()));
        }
        // A client that has gone needs no end.
        let _ = match trailers {
            Some(trailers) => client.stream.send_trailers(&trailers),
            None => client.stream.end(),
        };
        Poll::Ready(End::Answered(code.unwrap_or(Code::Ok)))
    }

    /// Ready with nothing once the head has been passed on and more is to come.
    fn poll_head(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let polled = self.backend.poll_head(cx);
        while let Some(interim) = self.backend.interim() {
            // What cannot be passed on is no loss: the answer itself comes later.
            let _ = client.stream.respond(interim.status(), interim.headers(), false);
            client.interim = true;
        }
        let head = match ready!(polled) {
            Ok(head) => head,
            Err(error) => {
                let failure = Failure::new(&error, "the answer was awaited");
                return Poll::Ready(Some(End::Failed(failure)));
            }
        };
        self.has_head = true;
        let ends = self.backend.is_read();
        if client.is_grpc {
            if !answer::is_grpc(&head) {
                return Poll::Ready(Some(End::Foreign(Box::new(head))));
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
        Poll::Ready(match client.begin(head.status, &head.headers, ends) {
            Ok(()) if ends => Some(End::Answered(self.code.unwrap_or(Code::Ok))),
            Ok(()) => None,
            Err(Shut) => {
                self.backend.reset(Reason::CANCEL);
                Some(End::ClientGone)
            }
        })
    }
}

fn broken(failure: Failure, trailers: HeaderMap) -> End {
    End::Broken(Box::new((failure, trailers)))
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get(&GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}
