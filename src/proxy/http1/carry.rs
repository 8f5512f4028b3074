//! A request on its way: which member, how long, and what the client is told where it comes to nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use http::{Method, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Code;

use super::body::Framing;
use super::exchange::{End, exchange, said};
use super::head::Asked;
use super::refusal::Refusal;
use super::side::tunnel;
use super::{After, Conn, Link, web};
use crate::proxy::downstream::Line;
use crate::proxy::forward::{Held, Outcome, Running, choose};
use crate::proxy::metrics::Counters;
use crate::proxy::route::{Path, Route};
use crate::proxy::settings::Balance;
use crate::proxy::upstream::Member;
use crate::proxy::upstream::link::connect;
use crate::proxy::upstream::pick::pick;
use crate::proxy::web::is_web;
use crate::proxy::{headers, refuse, trace};

/// What is offered to members in the TLS handshake.
const ALPN: &[&[u8]] = &[b"http/1.1"];

/// What is known of a request by its end.
#[derive(Default)]
struct Seen {
    route: Option<Arc<Route>>,
    member: Option<Arc<Member>>,
    attempts: u32,
}

/// What a request came to.
enum Told {
    /// The client has its answer; whether its connection can be used again.
    Answered(StatusCode, bool),
    /// Bytes were carried both ways, and have ended.
    Tunnelled,
    /// The client has gone.
    Gone,
    /// The answer broke off.
    Cut(String),
    /// There is none but the proxy's own.
    Refused(Refusal),
}

/// Carries one request, and its answer.
pub(super) async fn request<IO>(
    line: &Arc<Line>,
    conn: &mut Conn<IO>,
    mut asked: Asked,
    draining: &AtomicBool,
) -> After
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let began = Instant::now();
    let counters = &line.shared.counters;
    Counters::add(&counters.http1_requests);
    conn.writer.begun = None;
    (conn.reader.carried, conn.writer.carried) = (0, 0);
    if web::is_for(line, &asked) {
        return web::request(line, conn, asked, draining).await;
    }
    Counters::add(&counters.requests);
    let _open = Held::new(&counters.requests_open);
    headers::introduce(&mut asked.parts.headers, line.listen.settings.forwarded, &line.peer, line.tls);
    if line.shared.trace.load(Relaxed) {
        trace::pass_on(&mut asked.parts.headers);
    }
    let mut seen = Seen::default();
    let told = match choose(line, &asked.parts, Path::parse(asked.parts.uri.path()), false) {
        Err(status) => Told::Refused(status.into()),
        Ok(route) => {
            seen.route = Some(Arc::clone(&route));
            timed(line, conn, &asked, &route, &mut seen, draining).await
        }
    };
    finish(line, conn, &asked, &seen, began, told).await
}

/// All attempts, within the time that the route allows.
async fn timed<IO>(
    line: &Line,
    conn: &mut Conn<IO>,
    asked: &Asked,
    route: &Route,
    seen: &mut Seen,
    draining: &AtomicBool,
) -> Told
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let work = attempts(line, conn, asked, route, seen, draining);
    let done = match route.settings.timeout {
        None => Ok(work.await),
        Some(timeout) => tokio::time::timeout(timeout, work).await,
    };
    let counters = &line.shared.counters;
    match done {
        Ok(Done::Told(told)) => told,
        // What is no request any more has no deadline.
        Ok(Done::Upgraded(mut link, member)) => {
            Counters::add(&counters.upgrades);
            let _running = Running::new(&member);
            let client = (&mut conn.reader, &mut conn.writer);
            match tunnel(client, (&mut link.reader, &mut link.writer)).await {
                Ok((asked, answered)) => {
                    conn.reader.carried += asked;
                    conn.writer.carried += answered;
                }
                Err(error) => {
                    tracing::debug!(peer = %line.peer, member = member.name(), %error, "an upgraded connection broke");
                }
            }
            Told::Tunnelled
        }
        Err(_) => {
            Counters::add(&counters.deadlines);
            let begun = conn.writer.has_begun();
            let status = refuse::late(begun);
            if begun { Told::Cut(status.message().to_owned()) } else { Told::Refused(status.into()) }
        }
    }
}

enum Done {
    Told(Told),
    Upgraded(Box<Link>, Arc<Member>),
}

impl From<Told> for Done {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

impl From<tonic::Status> for Done {
    fn from(status: tonic::Status) -> Self {
        Self::Told(Told::Refused(status.into()))
    }
}

async fn attempts<IO>(
    line: &Line,
    conn: &mut Conn<IO>,
    asked: &Asked,
    route: &Route,
    seen: &mut Seen,
    draining: &AtomicBool,
) -> Done
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (group, counters) = (&route.group, &line.shared.counters);
    let service = Path::parse(asked.parts.uri.path()).filter(|_| is_web(&asked.parts.headers));
    let service = service.map(|path| path.service);
    // The host is the client's, or the route's; where the client names none, the member's.
    let host = route.settings.authority.as_ref().map(|authority| authority.as_str());
    let nameless = !asked.parts.headers.contains_key(http::header::HOST);
    let mut tried: Vec<Arc<Member>> = Vec::new();
    let mut again: Option<Arc<Member>> = None;
    loop {
        let stale = again.is_some();
        let member = match again.take() {
            Some(member) => member,
            None => {
                let members = group.members();
                let candidates = service.map_or(&members.all, |service| members.of(service));
                if candidates.members.is_empty() {
                    Counters::add(&counters.no_backend);
                    return refuse::no_member(group.name(), service.unwrap_or_default(), &members).into();
                }
                match pick(group, candidates, &asked.parts.headers, &tried) {
                    Some(member) => member,
                    None => {
                        Counters::add(&counters.no_backend);
                        return refuse::no_room(group.name()).into();
                    }
                }
            }
        };
        seen.member = Some(Arc::clone(&member));
        let _running = Running::new(&member);
        let kept = member.links.get(line.worker).filter(|_| !stale).and_then(|links| links.take());
        let reused = kept.is_some();
        let found = match kept {
            Some(link) => Ok(link),
            None => {
                let made = connect(group, &member, ALPN);
                match unless(conn.reader.gone(), made).await {
                    Some(made) => made.map(Link::new),
                    None => return Told::Gone.into(),
                }
            }
        };
        let mut link = match found {
            Ok(link) => link,
            Err(why) => {
                group.blame(&member);
                tried.push(Arc::clone(&member));
                if tried.len() < group.members().all.members.len() {
                    continue;
                }
                Counters::add(&counters.no_backend);
                return refuse::no_connection(&why).into();
            }
        };
        seen.attempts += 1;
        group.sent();
        let host = host.or(Some(&*member.found.authority).filter(|_| nameless));
        let started = Instant::now();
        let end = exchange(conn, asked, host, &mut link, draining).await;
        if let Some(begun) = conn.writer.begun
            && group.settings.balance == Balance::PeakEwma
        {
            member.took(begun.saturating_duration_since(started));
        }
        return match end {
            End::Answered { status, client, backend } => {
                if backend {
                    member.keep(line.worker, link);
                }
                match crate::status::code_of_http(status) {
                    Code::Unavailable if status.is_server_error() => group.blame(&member),
                    _ => member.succeeded(),
                }
                Told::Answered(status, client).into()
            }
            End::Upgraded => {
                member.succeeded();
                Done::Upgraded(Box::new(link), Arc::clone(&member))
            }
            End::Gone => Told::Gone.into(),
            End::Wrong(why) if !conn.writer.has_begun() => Told::Refused(Refusal::bad(why)).into(),
            End::Wrong(why) => Told::Cut(why.into()).into(),
            // The member had given the connection up before it saw the request (RFC 9112, section 9.3.1).
            End::Failed { silent: true, .. } if reused && is_repeatable(asked) => {
                again = Some(Arc::clone(&member));
                continue;
            }
            End::Failed { why, .. } => {
                Counters::add(&counters.cut);
                group.blame(&member);
                Told::Refused(Refusal::gateway(member.name(), &why)).into()
            }
            End::Cut(why) => {
                Counters::add(&counters.cut);
                group.blame(&member);
                if conn.writer.has_begun() {
                    Told::Cut(why).into()
                } else {
                    Told::Refused(Refusal::gateway(member.name(), &why)).into()
                }
            }
        };
    }
}

/// Whether it makes no difference if it is sent twice.
fn is_repeatable(asked: &Asked) -> bool {
    let methods = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
    asked.body == Framing::None && methods.contains(&asked.parts.method)
}

/// `work`, unless `gone` comes first.
async fn unless<T>(gone: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut gone, mut work) = (pin!(gone), pin!(work));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => gone.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Tells the client, and those who keep count.
async fn finish<IO>(
    line: &Line,
    conn: &mut Conn<IO>,
    asked: &Asked,
    seen: &Seen,
    began: Instant,
    told: Told,
) -> After
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut said_here = None;
    let http = match &told {
        Told::Answered(status, _) => Some(*status),
        Told::Tunnelled => Some(StatusCode::SWITCHING_PROTOCOLS),
        Told::Refused(refusal) => Some(refusal.status),
        Told::Gone | Told::Cut(_) => None,
    };
    let (code, after) = match told {
        Told::Answered(status, keep) => {
            let is_good = status.is_success() || status.is_redirection();
            let code = if is_good { Code::Ok } else { crate::status::code_of_http(status) };
            (code, if keep { After::Keep } else { After::Close })
        }
        Told::Tunnelled => (Code::Ok, After::Over),
        Told::Gone => {
            Counters::add(&line.shared.counters.cancelled);
            (Code::Cancelled, After::Over)
        }
        Told::Cut(why) => {
            said_here = Some(why);
            (Code::Unavailable, After::Over)
        }
        Told::Refused(refusal) => {
            // Where a body is under way, what follows it cannot be found any more.
            let keep = asked.keep && asked.body == Framing::None;
            let bare = asked.parts.method == Method::HEAD;
            let after = conn.refuse(&refusal, bare, said(keep, asked.old)).await;
            said_here = Some(refusal.text);
            (refusal.code, after)
        }
    };
    let (took, bytes) = (began.elapsed(), (conn.reader.carried, conn.writer.carried));
    let member = seen.member.as_deref();
    if let Some(member) = member {
        member.series(asked.parts.uri.path()).ended(code, took, bytes);
    }
    line.shared.ended(&Outcome {
        line,
        head: &asked.parts,
        route: seen.route.as_deref(),
        member,
        code,
        http,
        said: said_here.as_deref(),
        attempts: seen.attempts,
        took,
        bytes,
    });
    after
}
