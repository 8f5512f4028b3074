//! A call's receiving side: headers, messages, the end.

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

/// How far to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To the next message.
    Message,
    /// To the headers.
    Headers,
    /// To the end; messages are kept.
    End,
    /// To the end, or to a second message; messages are kept.
    Second,
}

/// What polling for a message leads to.
enum Step {
    Message(Message),
    /// What was asked for is here.
    Done,
    End,
    /// The engine has the call.
    Engine,
    /// The answer is not gRPC.
    Foreign(Box<http::response::Parts>, RecvStream),
}

impl Call {
    /// The next message; `None` once the call has ended: see [`end`](Self::end). Several tasks may wait: each message is
    /// one's.
    pub async fn recv(&self) -> Option<Message> {
        self.advance(Until::Message).await
    }

    /// Receives `until` there. A message where that is asked for, or an empty one where there is a second.
    pub(super) async fn advance(&self, until: Until) -> Option<Message> {
        loop {
            match poll_fn(|cx| self.poll_step(cx, until)).await {
                Step::Message(message) => return Some(message),
                Step::Done => return (until == Until::Second).then(Message::default),
                Step::End => return None,
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

    fn poll_step(&self, cx: &mut Context<'_>, until: Until) -> Poll<Step> {
        let mut state = self.lock();
        match until {
            Until::Message => {
                if let Some(message) = state.ahead.pop_front() {
                    return Poll::Ready(Step::Message(message));
                }
            }
            Until::Headers if self.0.headers.get().is_some() => return Poll::Ready(Step::Done),
            Until::Second if state.ahead.len() > 1 => return Poll::Ready(Step::Done),
            Until::Headers | Until::End | Until::Second => {}
        }
        if self.end().is_some() {
            return Poll::Ready(Step::End);
        }
        let all = state.receivers.join(cx.waker());
        let cx = &mut Context::from_waker(all.as_ref().unwrap_or(cx.waker()));
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
                    if until == Until::Headers && matches!(state.answer, Answer::Body(..)) {
                        return Poll::Ready(Step::Done);
                    }
                }
                Answer::Body(body, deframer) => {
                    match deframer.next() {
                        Ok(Some(message)) if until == Until::Message => {
                            return Poll::Ready(Step::Message(message));
                        }
                        Ok(Some(message)) => {
                            state.ahead.push_back(message);
                            state.receivers.wake_all();
                            if until == Until::Second && state.ahead.len() > 1 {
                                return Poll::Ready(Step::Done);
                            }
                            continue;
                        }
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
                                if let Some(status) =
                                    answer::too_long("trailers", &trailers, self.max_headers())
                                {
                                    break Err(status);
                                }
                                let status = status::from_headers(&trailers);
                                break match (deframer.finish(), status) {
                                    // An error that the server names is more than a cut message.
                                    (_, Some(status)) if status.code() != Code::Ok => Ok((status, trailers)),
                                    (Err(cut), Some(_)) => Err(cut),
                                    (Ok(()), Some(status)) => Ok((status, trailers)),
                                    (Err(cut), None) => Ok((Status::unknown(cut.message()), trailers)),
                                    (Ok(()), None) => Ok((answer::no_trailers(), trailers)),
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
            Ok(response) => {
                match Head::read(response, self.max_receive(), self.max_headers(), connection.flow()) {
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
                }
            }
        };
        self.count(&status);
        self.finish_locked(state, status, trailers);
        Poll::Ready(())
    }

    /// Waits for the headers; none where the call ends without.
    pub async fn wait_headers(&self) -> HeaderMap {
        if self.0.headers.get().is_none() && self.end().is_none() {
            self.advance(Until::Headers).await;
        }
        self.headers().cloned().unwrap_or_default()
    }

    /// Waits for the end of the call; messages that come meanwhile are kept, also where the wait is
    /// given up.
    pub async fn wait_end(&self) -> (Status, HeaderMap) {
        self.advance(Until::End).await;
        self.tell().cloned().unwrap_or_else(|| (Status::unknown("the call has no end"), HeaderMap::new()))
    }
}
