//! Attempts beside each other: the first good one is the call, the others are reset.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use h2::RecvStream;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::retry::{Engine, Pending, Pushback, Verdict};
use super::service_config::HedgingPolicy;

type Answered = Result<http::Response<RecvStream>, h2::Error>;
type Opening = Pin<Box<dyn Future<Output = Result<Option<Pending>, Status>> + Send>>;

enum Event {
    /// The next attempt is due.
    Due,
    Opened(Result<Option<Pending>, Status>),
    Answered(Pending, Answered),
}

/// Makes the attempts until one is the call's, or the call has ended.
pub(super) async fn run(mut engine: Engine, policy: HedgingPolicy) {
    let mut pending: Vec<Pending> = Vec::new();
    let mut opening: Option<Opening> = None;
    let mut started = 0;
    // No more attempts are started.
    let mut stopped = false;
    let mut due = Instant::now();
    let mut last = None;
    loop {
        let more = !stopped && started < policy.max_attempts;
        let event = tokio::select! {
            biased;
            (at, answered) = first(&mut pending) => Event::Answered(pending.swap_remove(at), answered),
            opened = poll_opening(&mut opening) => Event::Opened(opened),
            () = tokio::time::sleep_until(due), if more && opening.is_none() => Event::Due,
        };
        let failure = match event {
            Event::Due => {
                let Some(call) = engine.call() else { return };
                let allowed = engine.hub.config.throttle.as_ref().is_none_or(|throttle| throttle.allows());
                stopped |= started > 0 && (!allowed || call.is_chosen());
                if !stopped {
                    opening = Some(Box::pin(engine.open(started)));
                    started += 1;
                    due = Instant::now() + policy.delay;
                } else if pending.is_empty() {
                    // It was not the last one when it failed.
                    if let Some(failure) = last {
                        call.ended(failure);
                    }
                    return;
                }
                continue;
            }
            Event::Opened(Ok(Some(attempt))) => {
                pending.push(attempt);
                continue;
            }
            Event::Opened(Ok(None)) => {
                // The call is over, or another attempt is the call: then its end is waited for.
                stopped = true;
                if pending.is_empty() {
                    return;
                }
                continue;
            }
            Event::Opened(Err(status)) => engine.unopened(status),
            Event::Answered(attempt, answered) => {
                let number = attempt.number;
                let Some(call) = engine.call() else { return };
                if call.is_beaten(number) {
                    continue;
                }
                drop(call);
                match engine.examine(attempt, answered).await {
                    Verdict::Begun(headers, body, deframer) => {
                        let Some(call) = engine.call() else { return };
                        if call.begun(number, headers, body, deframer) {
                            return;
                        }
                        continue;
                    }
                    Verdict::Ended(failure) => {
                        let Some(call) = engine.call() else { return };
                        if !call.forget(number) {
                            call.may_go_on(&failure);
                            call.ended(failure);
                            return;
                        }
                        failure
                    }
                }
            }
        };
        let Some(call) = engine.call() else { return };
        if engine.goes_again(&failure) {
            started -= 1;
            due = Instant::now();
            continue;
        }
        let code = failure.status.code();
        let pushback = failure.pushback();
        stopped |= !call.may_go_on(&failure);
        let fatal = code == Code::Ok || failure.last || !policy.non_fatal.contains(code);
        let others = !pending.is_empty() || opening.is_some();
        if fatal || (!others && (stopped || started >= policy.max_attempts)) {
            call.ended(failure);
            return;
        }
        due = match pushback {
            Some(Pushback::After(pause)) => Instant::now() + pause,
            _ => Instant::now(),
        };
        call.lock().failed = Some(failure.status.clone());
        last = Some(failure);
    }
}

/// The first attempt whose answer begins; never where there is none.
fn first(pending: &mut [Pending]) -> impl Future<Output = (usize, Answered)> {
    poll_fn(|cx| {
        for (at, attempt) in pending.iter_mut().enumerate() {
            if let Poll::Ready(answered) = Pin::new(&mut attempt.head).poll(cx) {
                return Poll::Ready((at, answered));
            }
        }
        Poll::Pending
    })
}

/// The attempt that is being started; never where there is none.
fn poll_opening(opening: &mut Option<Opening>) -> impl Future<Output = Result<Option<Pending>, Status>> {
    poll_fn(|cx| {
        let Some(future) = opening else { return Poll::Pending };
        let opened = std::task::ready!(future.as_mut().poll(cx));
        *opening = None;
        Poll::Ready(opened)
    })
}
