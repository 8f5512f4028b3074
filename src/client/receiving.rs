//! A call's receiving side: headers, messages, the end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use h2::RecvStream;
use http::HeaderMap;
use tonic::{Code, Status};

use super::answer;
use super::attempt::{Head, unprocessed};
use super::call::{Answer, Call, State};
use crate::codec::Message;
use crate::status;

/// What polling for a message leads to.
enum Step {
    Message(Message),
    /// The headers are here, and nothing more was asked for.
    Headers,
    End,
    /// The engine has the call.
    Engine,
    /// The answer is not gRPC.
    Foreign(Box<http::response::Parts>, RecvStream),
}

impl Call {
    /// The next message; `None` once the call has ended: see [`end`](Self::end).
    pub async fn recv(&self) -> Option<Message> {
        self.advance(false).await
    }

    /// As [`recv`](Self::recv); with `to_headers` no further than to the headers.
    async fn advance(&self, to_headers: bool) -> Option<Message> {
        loop {
            match poll_fn(|cx| self.poll_step(cx, to_headers)).await {
                Step::Message(message) => return Some(message),
                Step::Headers | Step::End => return None,
                Step::Engine => self.moved(|state| matches!(state.answer, Answer::Engine)).await,
                Step::Foreign(head, body) => {
                    let status = answer::foreign(&head, body).await;
                    self.finish(status, HeaderMap::new());
                }
            }
        }
    }

    /// A message that is here already, without waiting. `None`: ask [`recv`](Self::recv).
    pub fn try_recv(&self) -> Option<Message> {
        let mut state = self.lock();
        if let Some(message) = state.ahead.pop_front() {
            return Some(message);
        }
        match &mut state.answer {
            // An error is found again by `recv`, which knows what to do with it.
            Answer::Body(_, deframer) => deframer.next().ok().flatten(),
            _ => None,
        }
    }

    fn poll_step(&self, cx: &mut Context<'_>, to_headers: bool) -> Poll<Step> {
        let mut state = self.lock();
        if let Some(message) = state.ahead.pop_front() {
            return Poll::Ready(Step::Message(message));
        }
        if self.end().is_some() {
            return Poll::Ready(Step::End);
        }
        let state = &mut *state;
        let ended = loop {
            match &mut state.answer {
                Answer::None => break Err(Status::internal("the call was not opened")),
                Answer::Engine => return Poll::Ready(Step::Engine),
                Answer::Foreign(..) => {
                    if let Answer::Foreign(head, body) = std::mem::take(&mut state.answer) {
                        return Poll::Ready(Step::Foreign(head, body));
                    }
                }
                Answer::Head(..) => {
                    ready!(self.poll_head(cx, state));
                    if self.end().is_some() {
                        return Poll::Ready(Step::End);
                    }
                    if to_headers && matches!(state.answer, Answer::Body(..)) {
                        return Poll::Ready(Step::Headers);
                    }
                }
                Answer::Body(body, deframer) => {
                    match deframer.next() {
                        Ok(Some(message)) => return Poll::Ready(Step::Message(message)),
                        Ok(None) => {}
                        Err(status) => break Err(status),
                    }
                    match ready!(body.poll_data(deframer.missing(), cx)) {
                        Some(Ok(data)) => deframer.push(data),
                        Some(Err(error)) => {
                            break Err(self.explain(
                                state.connection.as_ref(),
                                &error,
                                "receiving the answer",
                            ));
                        }
                        None => match ready!(body.poll_trailers(cx)) {
                            Ok(trailers) => {
                                let trailers = trailers.unwrap_or_default();
                                let status = status::from_headers(&trailers);
                                break match (deframer.finish(), status) {
                                    // An error that the server names is more than a cut message.
                                    (_, Some(status)) if status.code() != Code::Ok => Ok((status, trailers)),
                                    (Err(cut), _) => Err(cut),
                                    (Ok(()), Some(status)) => Ok((status, trailers)),
                                    (Ok(()), None) => Err(answer::no_trailers()),
                                };
                            }
                            Err(error) => {
                                break Err(self.explain(
                                    state.connection.as_ref(),
                                    &error,
                                    "waiting for the trailers",
                                ));
                            }
                        },
                    }
                }
            }
        };
        let (status, trailers) = ended.unwrap_or_else(|status| (status, HeaderMap::new()));
        self.count(&status);
        self.finish_locked(state, status, trailers);
        Poll::Ready(Step::End)
    }

    /// Waits for the head of the answer; afterwards `state.answer` is something else, or the call over.
    pub(super) fn poll_head(&self, cx: &mut Context<'_>, state: &mut State) -> Poll<()> {
        let (Answer::Head(head, unsent), Some(connection)) = (&mut state.answer, &state.connection) else {
            return Poll::Ready(());
        };
        let (status, trailers) = match ready!(std::pin::Pin::new(head).poll(cx)) {
            Err(error) => {
                // What the server has not processed is sent again.
                if unprocessed(&error, *unsent)
                    && (self.0.request.is_some() || state.replay.is_some())
                    && self.0.hub.config.options.retries
                    && self.0.killed.get().is_none()
                {
                    state.send = None;
                    state.busy = None;
                    self.engage(state, None, true);
                    return Poll::Ready(());
                }
                (self.explain(state.connection.as_ref(), &error, "waiting for the answer"), HeaderMap::new())
            }
            Ok(response) => match Head::read(response, self.max_receive(), connection.flow()) {
                Head::Begun(headers, body, deframer) => {
                    let _ = self.0.headers.set(headers);
                    state.replay = None;
                    state.answer = Answer::Body(body, deframer);
                    return Poll::Ready(());
                }
                Head::Foreign(head, body) => {
                    state.answer = Answer::Foreign(head, body);
                    return Poll::Ready(());
                }
                Head::Ended(status, trailers) => (status, trailers),
                Head::Unreadable(status) => (status, HeaderMap::new()),
            },
        };
        self.count(&status);
        self.finish_locked(state, status, trailers);
        Poll::Ready(())
    }

    /// Waits for the headers; none where the call ends without.
    pub async fn wait_headers(&self) -> HeaderMap {
        if self.0.headers.get().is_none()
            && self.end().is_none()
            && let Some(message) = self.advance(true).await
        {
            self.lock().ahead.push_front(message);
        }
        self.headers().cloned().unwrap_or_default()
    }

    /// Waits for the end of the call; messages that come meanwhile are kept, also where the wait is
    /// given up.
    pub async fn wait_end(&self) -> (Status, HeaderMap) {
        let mut kept = Kept { call: self, messages: std::mem::take(&mut self.lock().ahead) };
        while let Some(message) = self.recv().await {
            kept.messages.push_back(message);
        }
        drop(kept);
        self.end().cloned().unwrap_or_else(|| (Status::unknown("the call has no end"), HeaderMap::new()))
    }
}

/// Messages that are put back when whoever looked past them is done.
struct Kept<'a> {
    call: &'a Call,
    messages: VecDeque<Message>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.call.lock().ahead = std::mem::take(&mut self.messages);
    }
}
