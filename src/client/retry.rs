//! Attempts one after the other.
//!
//! A call that has a policy is made by a task of its own, the engine, until one attempt's answer begins;
//! from then on it is a call like every other. A call without a policy has no engine unless the server
//! refused it unseen: then it is sent again once, whatever the service config says. Follows gRPC's
//! proposal A6.

use std::sync::{Arc, Weak};
use std::time::Duration;

use h2::RecvStream;
use h2::client::ResponseFuture;
use http::HeaderMap;
use tonic::{Code, Status};

use super::answer;
use super::attempt::{Attempt, Head, unprocessed};
use super::backoff::jitter;
use super::call::{Answer, Call, Shared, State};
use super::hedge;
use super::hub::Hub;
use super::sending::Live;
use super::service_config::{Policy, RetryPolicy};
use crate::codec::Deframer;
use crate::transport::connection::Connection;
use crate::transport::flow::Receiver;

/// Makes the attempts of one call.
pub(super) struct Engine {
    call: Weak<Shared>,
    pub(super) hub: Arc<Hub>,
    wait: bool,
    /// Whether the one attempt that needs no policy has been made.
    refused: bool,
    numbers: u32,
}

/// An attempt whose answer has not begun.
pub(super) struct Pending {
    pub(super) number: u32,
    pub(super) head: ResponseFuture,
    connection: Connection,
    unsent: bool,
}

/// How an attempt's answer begins.
pub(super) enum Verdict {
    /// With headers: the call is this attempt.
    Begun(HeaderMap, Receiver, Deframer),
    /// With its end.
    Ended(Failure),
}

/// An attempt that has ended without headers (perhaps well).
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) trailers: HeaderMap,
    /// The server has certainly not seen it.
    unprocessed: bool,
    /// No other attempt would fare better.
    pub(super) last: bool,
}

/// What the server says about further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushback {
    After(Duration),
    Never,
}

impl Failure {
    pub(super) fn new(status: Status) -> Self {
        Self { status, trailers: HeaderMap::new(), unprocessed: false, last: false }
    }

    /// Negative or unreadable values say never.
    pub(super) fn pushback(&self) -> Option<Pushback> {
        let value = self.trailers.get("grpc-retry-pushback-ms")?;
        let number = value.to_str().ok().and_then(|text| text.parse::<i32>().ok());
        Some(match number.and_then(|n| u64::try_from(n).ok()) {
            Some(millis) => Pushback::After(Duration::from_millis(millis)),
            None => Pushback::Never,
        })
    }
}

impl Engine {
    pub(super) fn new(call: &Call, refused: bool) -> Self {
        Self {
            call: Arc::downgrade(&call.0),
            hub: Arc::clone(&call.0.hub),
            wait: call.waits(),
            refused,
            numbers: 0,
        }
    }

    pub(super) async fn run(self, policy: Option<Policy>) {
        match policy {
            Some(Policy::Hedging(policy)) => hedge::run(self, policy).await,
            Some(Policy::Retry(policy)) => self.retry(Some(policy)).await,
            None => self.retry(None).await,
        }
    }

    /// The call; `None` once nobody has it any more. Not to be held while waiting.
    pub(super) fn call(&self) -> Option<Call> {
        self.call.upgrade().map(Call)
    }

    /// A number for the next attempt.
    pub(super) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Whether this is the first failure of an attempt that nobody has seen.
    pub(super) fn goes_again(&mut self, failure: &Failure) -> bool {
        failure.unprocessed && !std::mem::replace(&mut self.refused, true)
    }

    /// An attempt that could not be started; in vain again where the channel was closed.
    pub(super) fn unopened(&self, status: Status) -> Failure {
        Failure { last: self.hub.is_closed(), ..Failure::new(status) }
    }

    async fn retry(mut self, policy: Option<RetryPolicy>) {
        let mut backoff = policy.as_ref().map(Backoff::new);
        let mut made = 0;
        loop {
            let number = self.number();
            let failure = match open(&self.call, &self.hub, self.wait, number, made).await {
                Ok(None) => return,
                Err(status) => self.unopened(status),
                Ok(Some(mut pending)) => {
                    let result = (&mut pending.head).await;
                    match self.examine(pending, result).await {
                        Verdict::Begun(headers, body, deframer) => {
                            if let Some(call) = self.call() {
                                call.begun(number, headers, body, deframer);
                            }
                            return;
                        }
                        Verdict::Ended(failure) => failure,
                    }
                }
            };
            let Some(call) = self.call() else { return };
            let kept = call.forget(number);
            if kept && self.goes_again(&failure) {
                continue;
            }
            made += 1;
            let may = call.may_go_on(&failure);
            let pause = match (&policy, &mut backoff) {
                (Some(policy), Some(backoff)) if may && kept && made < policy.max_attempts => {
                    backoff.next(failure.pushback())
                }
                _ => {
                    call.ended(failure);
                    return;
                }
            };
            call.lock().failed = Some(failure.status);
            drop(call);
            tokio::time::sleep(pause).await;
        }
    }

    /// What an attempt's answer means.
    pub(super) async fn examine(
        &self,
        pending: Pending,
        result: Result<http::Response<RecvStream>, h2::Error>,
    ) -> Verdict {
        let (limit, headers) = self.call().map_or((0, 0), |call| (call.max_receive(), call.max_headers()));
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let status = match self.call() {
                    Some(call) => call.explain(Some(&pending.connection), &error, "waiting for the answer"),
                    None => Status::cancelled("nobody has the call any more"),
                };
                let unprocessed = unprocessed(&error, pending.unsent);
                return Verdict::Ended(Failure { unprocessed, ..Failure::new(status) });
            }
        };
        Verdict::Ended(match Head::read(response, limit, headers, pending.connection.flow()) {
            Head::Begun(headers, body, deframer) => return Verdict::Begun(headers, body, deframer),
            Head::Ended(status, trailers) => Failure { trailers, ..Failure::new(status) },
            Head::Unreadable(status) => Failure { last: true, ..Failure::new(status) },
            Head::Foreign(head, body) => Failure::new(answer::foreign(&head, body).await),
        })
    }

    /// Starts an attempt, as a future of its own.
    pub(super) fn open(
        &mut self,
        previous: u32,
    ) -> impl Future<Output = Result<Option<Pending>, Status>> + Send + 'static {
        let (call, hub, wait, number) =
            (Weak::clone(&self.call), Arc::clone(&self.hub), self.wait, self.number());
        async move { open(&call, &hub, wait, number, previous).await }
    }
}

/// Starts an attempt. `None` where the call is over.
async fn open(
    call: &Weak<Shared>,
    hub: &Arc<Hub>,
    wait: bool,
    number: u32,
    previous: u32,
) -> Result<Option<Pending>, Status> {
    loop {
        let (connection, send) = hub.ready(wait).await?;
        let Some(call) = call.upgrade().map(Call) else { return Ok(None) };
        let mut state = call.lock();
        if call.end().is_some() || state.chosen.is_some() {
            return Ok(None);
        }
        let Some(attempt) = Attempt::begin(&call.0, connection, send, previous)? else { continue };
        let Attempt { connection, busy, mut send, head, unsent } = attempt;
        state.replay_on(&mut send);
        state.live.push(Live { number, send, busy });
        state.connection = Some(connection.clone());
        drop(state);
        call.0.changed.notify_waiters();
        return Ok(Some(Pending { number, head, connection, unsent }));
    }
}

/// The pauses between attempts.
struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
    multiplier: f64,
}

impl Backoff {
    fn new(policy: &RetryPolicy) -> Self {
        let first = policy.initial_backoff.min(policy.max_backoff);
        Self { first, next: first, longest: policy.max_backoff, multiplier: policy.multiplier }
    }

    fn next(&mut self, pushback: Option<Pushback>) -> Duration {
        if let Some(Pushback::After(pause)) = pushback {
            self.next = self.first;
            return pause;
        }
        let pause = self.next;
        let grown = pause.as_secs_f64() * self.multiplier;
        self.next = Duration::try_from_secs_f64(grown).unwrap_or(self.longest).min(self.longest);
        jitter(pause)
    }
}

impl Call {
    /// Hands the call over to an engine. On the reactor only.
    pub(super) fn engage(&self, state: &mut State, policy: Option<Policy>, refused: bool) {
        state.answer = Answer::Engine;
        state.engine = Some(tokio::spawn(Engine::new(self, refused).run(policy)).abort_handle());
    }

    /// Waits for as long as the engine leaves the call in the state that `still` describes.
    pub(super) async fn moved(&self, still: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            // Registers before the state is looked at, so that no change is missed.
            changed.as_mut().enable();
            if self.end().is_some() || !still(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Lets go of an attempt that has failed. Whether there can be another one.
    pub(super) fn forget(&self, number: u32) -> bool {
        let mut state = self.lock();
        state.live.retain(|live| live.number != number);
        state.chosen.is_none()
    }

    /// Whether one of the attempts is the call.
    pub(super) fn is_chosen(&self) -> bool {
        self.lock().chosen.is_some()
    }

    /// Whether another attempt is the call.
    pub(super) fn is_beaten(&self, number: u32) -> bool {
        self.lock().chosen.is_some_and(|chosen| chosen != number)
    }

    /// Counts a failure. Whether it is one that another attempt may mend.
    pub(super) fn may_go_on(&self, failure: &Failure) -> bool {
        let code = failure.status.code();
        let mends =
            code != Code::Ok && !failure.last && self.policy().is_some_and(|policy| policy.mends(code));
        let never = failure.pushback() == Some(Pushback::Never) && code != Code::Ok;
        let throttle = self.0.hub.config.throttle.as_ref();
        if let Some(throttle) = throttle.filter(|_| mends || never) {
            throttle.failed();
        }
        mends && !never && throttle.is_none_or(|throttle| throttle.allows())
    }

    /// An attempt's answer has begun: the call is this attempt, unless it is another one.
    pub(super) fn begun(&self, number: u32, headers: HeaderMap, body: Receiver, deframer: Deframer) -> bool {
        let mut state = self.lock();
        if self.end().is_some() {
            return true;
        }
        if state.chosen.is_some_and(|chosen| chosen != number) {
            return false;
        }
        state.choose(number);
        let _ = self.0.headers.set(headers);
        state.answer = Answer::Body(body, deframer);
        drop(state);
        self.0.changed.notify_waiters();
        true
    }

    /// The last attempt has ended without headers.
    pub(super) fn ended(&self, failure: Failure) {
        let Failure { status, trailers, .. } = failure;
        if status.code() == Code::Ok {
            self.count(&status);
        }
        self.finish(status, trailers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_begin_anew_after_pushback() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff::new(&RetryPolicy {
            max_attempts: 5,
            initial_backoff: millis(100),
            max_backoff: millis(300),
            multiplier: 2.0,
            retryable: [Code::Unavailable].into_iter().collect(),
        });
        let mut near = |pushback, expected: u64| {
            let pause = backoff.next(pushback);
            assert!(pause >= millis(expected * 8 / 10) && pause <= millis(expected * 12 / 10), "{pause:?}");
        };
        near(None, 100);
        near(None, 200);
        near(None, 300);
        near(None, 300);
        near(Some(Pushback::After(millis(7000))), 7000);
        near(None, 100);
    }

    #[test]
    fn what_a_server_may_say_about_retries() {
        let said = |value: &'static str| {
            let mut failure = Failure::new(Status::unavailable(""));
            failure.trailers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static(value));
            failure.pushback().unwrap()
        };
        assert_eq!(said("0"), Pushback::After(Duration::ZERO));
        assert_eq!(said("2147483647"), Pushback::After(Duration::from_millis(2_147_483_647)));
        for never in ["-1", "", "soon", "1.5", "2147483648"] {
            assert_eq!(said(never), Pushback::Never, "{never}");
        }
        assert_eq!(Failure::new(Status::unavailable("")).pushback(), None);
    }
}
