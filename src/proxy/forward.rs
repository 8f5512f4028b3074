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
use crate::deadline::{Deadline, GRPC_TIMEOUT, parse_timeout};

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
///
/// No `async fn`: its future would have room for the request twice, and not be small enough to be allocated cheaply.
pub(super) fn forward(
    line: Arc<Line>,
    request: Request<Stream>,
) -> impl Future<Output = ()> + Send + 'static {
    let began = Instant::now();
    Counters::add(&line.shared.counters.requests);
    line.shared.counters.requests_open.fetch_add(1, Relaxed);
    let (head, stream) = request.into_parts();
    let content_type = head.headers.get(http::header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|t| codec::is_grpc(t.as_bytes()));
    let client = Client::new(stream, is_grpc);
    let mut work = Work { line, began, head, client, route: None };
    async move {
        let (verdict, member, sent) = work.run().await;
        work.finish(verdict, member.as_deref(), sent);
    }
}

/// A request, and what belongs to it from its beginning to its end.
struct Work {
    line: Arc<Line>,
    began: Instant,
    head: http::request::Parts,
    client: Client,
    route: Option<Arc<Route>>,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.line.shared.counters.requests_open.fetch_sub(1, Relaxed);
    }
}

impl Work {
    /// All of it, up to what is to be told to the client; with the member that it came from, and how often the
    /// request was sent.
    async fn run(&mut self) -> (Verdict, Option<Arc<Member>>, u32) {
        let line = &*self.line;
        let is_grpc = self.client.is_grpc;
        let path = Path::parse(self.head.uri.path());
        // A client that took it back in the same breath has nothing done for it.
        if self.client.stream.has_failed() {
            return (Verdict::Gone, None, 0);
        }
        let route = match choose(line, &self.head, path, is_grpc) {
            Ok(route) => &*self.route.insert(route),
            Err(status) => return (Verdict::Status(status), None, 0),
        };
        let asked = match self.head.headers.get(&GRPC_TIMEOUT).filter(|_| is_grpc) {
            None => None,
            Some(text) => match parse_timeout(text.as_bytes()) {
                Some(timeout) => Some(timeout),
                None => return (Verdict::Status(refuse::bad_timeout(text.as_bytes())), None, 0),
            },
        };
        let timeout = match (asked, route.settings.timeout) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let limit = Limit(timeout.map(|timeout| line.deadlines.add(Deadline::at(self.began, timeout))));
        headers::introduce(&mut self.head.headers, line.listen.settings.forwarded, &line.peer, line.tls);
        if line.shared.trace.load(Relaxed) {
            trace::pass_on(&mut self.head.headers);
        }
        // What is no call is not served by one of the services.
        let path = path.filter(|_| is_grpc);
        let client = &mut self.client;
        if let Some(version) = reflect::asked_for(path, &route.group) {
            let answer = reflect::answer(line, &self.head, version, &route.group, client, limit.deadline());
            // In a box: all other requests would have to carry the room for it.
            let verdict = match Box::pin(answer).await {
                Ok(()) => Verdict::Answered(Code::Ok),
                Err(reflect::Stop::Gone) => Verdict::Gone,
                Err(reflect::Stop::Late) => Verdict::Late,
                Err(reflect::Stop::Failed(status)) => Verdict::Status(status),
            };
            return (verdict, None, 0);
        }
        let mut tries = Tries { tried: Vec::new(), sent: 0, delivered: false };
        let service = path.map(|path| path.service);
        let (mut verdict, member) =
            attempts(line, &self.head, service, route, client, &limit, &mut tries).await;
        if let Verdict::Failed(failure) = &mut verdict
            && tries.delivered
        {
            failure.forget_refusal();
        }
        (verdict, member, tries.sent)
    }

    /// Tells the client, and those who keep count.
    fn finish(&mut self, verdict: Verdict, member: Option<&Member>, attempts: u32) {
        let Self { line, began, head, client, route } = self;
        let counters = &line.shared.counters;
        let (is_grpc, passed, bytes) = (client.is_grpc, client.status, (client.received, client.returned));
        let mut said = None;
        let bad_gateway = matches!(verdict, Verdict::BadGateway(_));
        let http_status =
            |code| if bad_gateway { StatusCode::BAD_GATEWAY } else { refuse::http_status(code) };
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
        let route = route.as_deref();
        line.shared.ended(&Outcome { line, head, route, member, code, http, said, attempts, took, bytes });
    }
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
pub(super) fn choose(
    line: &Line,
    head: &http::request::Parts,
    path: Option<Path<'_>>,
    is_grpc: bool,
) -> Result<Arc<Route>, Status> {
    let shared = &line.shared;
    if let Some(member) = line.loops_from() {
        Counters::add(&shared.counters.loops);
        if member.set_looped(true) {
            tracing::warn!(member = member.name(), "leads back to this proxy, and is left out");
        }
        return Err(refuse::looped(member.name()));
    }
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
    service: Option<&str>,
    route: &Route,
    client: &mut Client,
    limit: &Limit,
    tries: &mut Tries,
) -> (Verdict, Option<Arc<Member>>) {
    let group = &route.group;
    let counters = &line.shared.counters;
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
            None => match limit.wait(client, Box::pin(place(group, &member, line.worker))).await {
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
        tries.sent += 1;
        group.sent();
        let retry = route.settings.retry.as_ref();
        let retry_on = match retry {
            Some(retry) if tries.sent < retry.attempts => retry.codes.clone(),
            _ => Vec::new(),
        };
        let mut exchange = None;
        let begun = {
            let authority = route.settings.authority.as_ref();
            let deadline = limit.deadline().filter(|_| client.is_grpc);
            let Some(onward) = headers::onward(head, group.tls.is_some(), authority, deadline) else {
                return (Verdict::Status(refuse::no_authority()), Some(Arc::clone(&member)));
            };
            Exchange::start(&place, &onward, client, retry_on).map(|begun| exchange.insert(begun))
        };
        drop(place);
        let end = match begun {
            Ok(exchange) => run(exchange, client, limit, route, &member).await,
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
            Ok(End::Broken(broken)) => {
                let (mut failure, trailers) = *broken;
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
                return match limit.wait(client, Box::pin(answer::foreign_by(&head, body))).await {
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
            match limit.wait(client, Box::pin(tokio::time::sleep(pause))).await {
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
    route: &Route,
    member: &Member,
) -> Result<End, Stop> {
    // Only where somebody asks: the clock costs more than all the rest here.
    let mut started = (route.group.settings.balance == Balance::PeakEwma).then(Instant::now);
    poll_fn(|cx| {
        let polled = exchange.poll(client, cx);
        if let Some(since) = started
            && exchange.has_begun()
        {
            started = None;
            member.took(since.elapsed());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a function gives is this large.
    fn size<A, B, R>(_: impl Fn(A, B) -> R) -> usize {
        std::mem::size_of::<R>()
    }

    #[test]
    fn a_request_is_small_enough_to_be_allocated_cheaply() {
        // Beyond 1,032 bytes glibc has no list for each thread any more.
        let size = size(forward);
        assert!(size <= 1032, "{size} bytes");
    }
}
