//! A request on its way: which backend, how long, and what the client is told where it comes to nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, StatusCode};
use tonic::{Code, Status};

use super::client::Client;
use super::downstream::Line;
use super::exchange::{End, Exchange, Failure, FailureKind};
use super::http2::Stream;
use super::metrics::Counters;
use super::route::{Path, Route};
use super::settings::Balance;
use super::upstream::Member;
use super::upstream::pick::{chance, pick};
use super::upstream::pool::place;
use super::{deadlines, headers, reflect, refuse, trace};
use crate::client::answer;
use crate::codec;
use crate::deadline::{Deadline, parse_timeout};

/// How often a request is sent in all where no backend has processed it.
const UNPROCESSED_ATTEMPTS: u32 = 3;

/// The pause before a request is sent again by policy, at first; it doubles, and chance takes up to half of it.
const RETRY_PAUSE: Duration = Duration::from_millis(25);

/// How a request ended, for whoever keeps count.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) line: &'a Line,
    pub(super) head: &'a http::request::Parts,
    pub(super) route: Option<&'a Route>,
    pub(super) member: Option<&'a Member>,
    pub(super) code: Code,
    /// The HTTP status, where the request is not gRPC and was answered.
    pub(super) http: Option<StatusCode>,
    /// What the proxy itself says of it, where the answer was not the backend's.
    pub(super) said: Option<&'a str>,
    pub(super) attempts: u32,
    pub(super) took: Duration,
    /// Bytes of the bodies: from the client, and to it.
    pub(super) bytes: (u64, u64),
}

/// One more of something, until this is dropped.
pub(super) struct Held<'a>(&'a AtomicU64);

impl<'a> Held<'a> {
    pub(super) fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A request that a member has now.
pub(super) struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    pub(super) fn new(member: &'a Member) -> Self {
        member.running.fetch_add(1, Relaxed);
        Self(&member.running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Why nothing is waited for any more.
enum Stop {
    Late,
    Gone,
}

/// The deadline of a request, where it has one.
struct Limit(Option<deadlines::Limit>);

impl Limit {
    fn deadline(&self) -> Option<Deadline> {
        self.0.as_ref().map(deadlines::Limit::deadline)
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_ref().map_or(Poll::Pending, |limit| limit.poll(cx))
    }

    /// `work`, unless the deadline passes or the client goes before.
    async fn wait<T>(&self, client: &mut Client, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                Poll::Ready(Ok(done))
            } else if self.poll(cx).is_ready() {
                Poll::Ready(Err(Stop::Late))
            } else {
                client.poll_gone(cx).map(|_| Err(Stop::Gone))
            }
        })
        .await
    }
}

/// What is to be told to the client at the end.
enum Verdict {
    /// It has its answer.
    Answered(Code),
    /// It has gone.
    Gone,
    Late,
    Failed(Failure),
    Broken(Failure, HeaderMap),
    Status(Status),
    /// What answers there is no HTTP/2.
    BadGateway(Status),
}

/// Forwards one request of a client's connection.
pub(super) async fn forward(line: Arc<Line>, request: Request<Stream>) {
    let began = Instant::now();
    let shared = &line.shared;
    Counters::add(&shared.counters.requests);
    let _open = Held::new(&shared.counters.requests_open);
    let (mut head, stream) = request.into_parts();
    let content_type = head.headers.get(http::header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|t| codec::is_grpc(t.as_bytes()));
    let mut client = Client::new(stream, is_grpc);

    let route = match choose(&line, &head, is_grpc) {
        Ok(route) => route,
        Err(status) => {
            finish(&line, began, &head, None, None, 0, client, Verdict::Status(status));
            return;
        }
    };
    let asked = match head.headers.get("grpc-timeout").filter(|_| is_grpc) {
        None => None,
        Some(text) => match parse_timeout(text.as_bytes()) {
            Some(timeout) => Some(timeout),
            None => {
                let status = refuse::bad_timeout(text.as_bytes());
                finish(&line, began, &head, Some(&route), None, 0, client, Verdict::Status(status));
                return;
            }
        },
    };
    let timeout = match (asked, route.settings.timeout) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let limit = Limit(timeout.map(|timeout| line.deadlines.add(Deadline::after(timeout))));
    headers::introduce(&mut head.headers, line.listen.settings.forwarded, &line.peer, line.tls);
    if shared.trace.load(Relaxed) {
        trace::pass_on(&mut head.headers);
    }

    if let Some(version) = reflect::asked_for(&head, is_grpc, &route.group) {
        let answer = reflect::answer(&line, &head, version, &route.group, &mut client, limit.deadline());
        // In a box: all other requests would have to carry the room for it.
        let verdict = match Box::pin(answer).await {
            Ok(()) => Verdict::Answered(Code::Ok),
            Err(reflect::Stop::Gone) => Verdict::Gone,
            Err(reflect::Stop::Late) => Verdict::Late,
            Err(reflect::Stop::Failed(status)) => Verdict::Status(status),
        };
        finish(&line, began, &head, Some(&route), None, 0, client, verdict);
        return;
    }
    let mut tries = Tries { tried: Vec::new(), sent: 0, delivered: false };
    let (mut verdict, member) = attempts(&line, &head, &route, &mut client, &limit, &mut tries).await;
    if let Verdict::Failed(failure) = &mut verdict
        && tries.delivered
    {
        failure.forget_refusal();
    }
    finish(&line, began, &head, Some(&route), member.as_deref(), tries.sent, client, verdict);
}

/// The attempts that were made.
struct Tries {
    /// The members that failed.
    tried: Vec<Arc<Member>>,
    /// How often the request was sent.
    sent: u32,
    /// A backend may have processed it.
    delivered: bool,
}

/// Finds the route, or says why there is none.
pub(super) fn choose(line: &Line, head: &http::request::Parts, is_grpc: bool) -> Result<Arc<Route>, Status> {
    let shared = &line.shared;
    if let Some(member) = line.loops_from() {
        Counters::add(&shared.counters.loops);
        if member.set_looped(true) {
            tracing::warn!(member = member.name(), "leads back to this proxy, and is left out");
        }
        return Err(refuse::looped(member.name()));
    }
    let path = Path::parse(head.uri.path());
    if is_grpc && path.is_none() {
        Counters::add(&shared.counters.bad_path);
        return Err(refuse::bad_path(head.uri.path()));
    }
    match shared.plan.load().routes.find(head, path) {
        Some(route) => Ok(Arc::clone(route)),
        None => {
            Counters::add(&shared.counters.no_route);
            Err(refuse::no_route(head.uri.path()))
        }
    }
}

/// Tries until there is a verdict; with the member that it came from.
async fn attempts(
    line: &Line,
    head: &http::request::Parts,
    route: &Route,
    client: &mut Client,
    limit: &Limit,
    tries: &mut Tries,
) -> (Verdict, Option<Arc<Member>>) {
    let group = &route.group;
    let counters = &line.shared.counters;
    let service = Path::parse(head.uri.path()).filter(|_| client.is_grpc).map(|path| path.service);
    loop {
        let member = {
            let members = group.members();
            let candidates = service.map_or(&members.all, |service| members.of(service));
            if candidates.members.is_empty() {
                Counters::add(&counters.no_backend);
                let status = refuse::no_member(group.name(), service.unwrap_or_default(), &members);
                return (Verdict::Status(status), None);
            }
            match pick(group, candidates, &head.headers, &tries.tried) {
                Some(member) => member,
                None => {
                    Counters::add(&counters.no_backend);
                    return (Verdict::Status(refuse::no_room(group.name())), None);
                }
            }
        };
        let _running = Running::new(&member);
        let found = match member.place_now(line.worker) {
            Some(place) => Ok(place),
            None => match limit.wait(client, place(group, &member, line.worker)).await {
                Ok(found) => found,
                Err(Stop::Late) => return (Verdict::Late, Some(Arc::clone(&member))),
                Err(Stop::Gone) => return (Verdict::Gone, Some(Arc::clone(&member))),
            },
        };
        let place = match found {
            Ok(place) => place,
            Err(why) => {
                group.blame(&member);
                let again = !tries.tried.iter().any(|t| Arc::ptr_eq(t, &member))
                    && tries.tried.len() + 1 < group.members().all.members.len();
                tries.tried.push(Arc::clone(&member));
                if again {
                    continue;
                }
                Counters::add(&counters.no_backend);
                let status = refuse::no_connection(&why.to_string());
                let verdict = if why.foreign { Verdict::BadGateway(status) } else { Verdict::Status(status) };
                return (verdict, Some(Arc::clone(&member)));
            }
        };
        let sent_at = limit.deadline().filter(|_| client.is_grpc);
        let authority = route.settings.authority.as_ref();
        let Some(onward) = headers::onward(head, group.tls.is_some(), authority, sent_at) else {
            return (Verdict::Status(refuse::no_authority()), Some(Arc::clone(&member)));
        };
        tries.sent += 1;
        group.sent();
        let retry = route.settings.retry.as_ref();
        let retry_on = match retry {
            Some(retry) if tries.sent < retry.attempts => retry.codes.clone(),
            _ => Vec::new(),
        };
        let started = Instant::now();
        let mut exchange = None;
        let end = match Exchange::start(&place, &onward, client, retry_on) {
            Ok(begun) => run(exchange.insert(begun), client, limit, started, route, &member).await,
            Err(failure) => Ok(End::Failed(failure)),
        };
        let failure = match end {
            Ok(End::Answered(code)) => {
                if code == Code::Unavailable {
                    group.blame(&member);
                } else {
                    member.succeeded();
                }
                return (Verdict::Answered(code), Some(Arc::clone(&member)));
            }
            Ok(End::ClientGone) | Err(Stop::Gone) => return (Verdict::Gone, Some(Arc::clone(&member))),
            Err(Stop::Late) => return (Verdict::Late, Some(Arc::clone(&member))),
            Ok(End::Broken(mut failure, trailers)) => {
                failure.forget_refusal();
                blame(route, &member, &failure, counters);
                return (Verdict::Broken(failure, trailers), Some(Arc::clone(&member)));
            }
            Ok(End::Foreign(head)) => {
                Counters::add(&counters.not_grpc);
                let body = |cx: &mut Context<'_>| match &mut exchange {
                    Some(exchange) => exchange.poll_body(cx),
                    None => Poll::Ready(None),
                };
                return match limit.wait(client, answer::foreign_by(&head, body)).await {
                    Ok(status) => (Verdict::Status(status), Some(Arc::clone(&member))),
                    Err(Stop::Late) => (Verdict::Late, Some(Arc::clone(&member))),
                    Err(Stop::Gone) => (Verdict::Gone, Some(Arc::clone(&member))),
                };
            }
            Ok(End::Failed(failure)) => failure,
        };
        blame(route, &member, &failure, counters);
        let unprocessed = matches!(failure.kind, FailureKind::Unprocessed(_));
        tries.delivered |= !unprocessed || client.interim;
        let by_policy = retry
            .is_some_and(|retry| tries.sent < retry.attempts && retry.codes.contains(&failure.status.code()));
        let may = client.is_whole() && (by_policy || unprocessed && tries.sent < UNPROCESSED_ATTEMPTS);
        if !may {
            return (Verdict::Failed(failure), Some(Arc::clone(&member)));
        }
        if !group.may_retry() {
            Counters::add(&counters.retries_denied);
            return (Verdict::Failed(failure), Some(Arc::clone(&member)));
        }
        Counters::add(&counters.retries);
        member.series(head.uri.path()).retries.fetch_add(1, Relaxed);
        tries.tried.push(Arc::clone(&member));
        if !unprocessed {
            let pause = RETRY_PAUSE.saturating_mul(1 << (tries.sent - 1).min(6));
            let pause = pause - pause.mul_f64(chance(500) as f64 / 1000.0);
            match limit.wait(client, tokio::time::sleep(pause)).await {
                Ok(()) => {}
                Err(Stop::Late) => return (Verdict::Late, Some(Arc::clone(&member))),
                Err(Stop::Gone) => return (Verdict::Gone, Some(Arc::clone(&member))),
            }
        }
    }
}

/// One attempt, to its end.
async fn run(
    exchange: &mut Exchange,
    client: &mut Client,
    limit: &Limit,
    started: Instant,
    route: &Route,
    member: &Member,
) -> Result<End, Stop> {
    let mut timed = route.group.settings.balance != Balance::PeakEwma;
    poll_fn(|cx| {
        let polled = exchange.poll(client, cx);
        if !timed && exchange.has_begun() {
            timed = true;
            member.took(started.elapsed());
        }
        match polled {
            Poll::Ready(end) => Poll::Ready(Ok(end)),
            Poll::Pending if limit.poll(cx).is_ready() => {
                exchange.cancel();
                Poll::Ready(Err(Stop::Late))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn blame(route: &Route, member: &Member, failure: &Failure, counters: &Counters) {
    match failure.kind {
        FailureKind::Cut => {
            Counters::add(&counters.cut);
            route.group.blame(member);
        }
        FailureKind::Reset(_) => Counters::add(&counters.resets),
        FailureKind::NoStatus => Counters::add(&counters.no_trailers),
        FailureKind::Refusal(_) if failure.status.code() == Code::Unavailable => route.group.blame(member),
        FailureKind::Refusal(_) | FailureKind::Unprocessed(_) => {}
    }
}

/// Tells the client, and those who keep count.
#[allow(clippy::too_many_arguments)] // the parts of one outcome
fn finish(
    line: &Line,
    began: Instant,
    head: &http::request::Parts,
    route: Option<&Route>,
    member: Option<&Member>,
    attempts: u32,
    client: Client,
    verdict: Verdict,
) {
    let counters = &line.shared.counters;
    let (is_grpc, passed, bytes) = (client.is_grpc, client.status, (client.received, client.returned));
    let mut said = None;
    let bad_gateway = matches!(verdict, Verdict::BadGateway(_));
    let http_status = |code| if bad_gateway { StatusCode::BAD_GATEWAY } else { refuse::http_status(code) };
    let code = match verdict {
        Verdict::Answered(code) => code,
        Verdict::Gone => {
            Counters::add(&counters.cancelled);
            Code::Cancelled
        }
        Verdict::Late => {
            Counters::add(&counters.deadlines);
            let begun = client.begun;
            let status = refuse::late(begun);
            client.finish(&status, http_status(status.code()), None, HeaderMap::new());
            said = Some(status.message().to_owned());
            status.code()
        }
        Verdict::Failed(Failure { status, kind: FailureKind::Refusal(response) }) => {
            client.pass(&response);
            status.code()
        }
        Verdict::Failed(failure) => {
            let (status, reset) = (&failure.status, failure.reset());
            client.finish(status, http_status(status.code()), reset, HeaderMap::new());
            said = Some(status.message().to_owned());
            status.code()
        }
        Verdict::Broken(failure, trailers) => {
            let http = http_status(failure.status.code());
            client.finish(&failure.status, http, failure.reset(), trailers);
            said = Some(failure.status.message().to_owned());
            failure.status.code()
        }
        Verdict::Status(status) | Verdict::BadGateway(status) => {
            client.finish(&status, http_status(status.code()), None, HeaderMap::new());
            said = Some(status.message().to_owned());
            status.code()
        }
    };
    let took = began.elapsed();
    if let Some(member) = member {
        member.series(head.uri.path()).ended(code, took, bytes);
    }
    let http = match is_grpc {
        true => None,
        false => passed.or_else(|| said.is_some().then(|| http_status(code))),
    };
    let said = said.as_deref();
    line.shared.ended(&Outcome { line, head, route, member, code, http, said, attempts, took, bytes });
}
