//! One connection: handshakes, requests, deadlines, keepalive, the end.
//!
//! All of a connection's calls are driven by its one task. A request of one message is gathered here,
//! without a task or a timer of its own, and goes to the inbox when it is complete.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tonic::Status;

use super::answer::Answer;
use super::body::{Body, Gather};
use super::call::{Begin, End, ServerCall};
use super::inbox::Incoming;
use super::keepalive::Keepalive;
use super::lifecycle::{Membership, Phase};
use super::lifetime::{Due, Lifetime};
use super::local::Local;
use super::router::RequestShape;
use super::stream::{PeerAddr, wrap};
use super::timers::Deadlines;
use super::{Ground, Site, request};
use crate::tls::{ALPN_H2, ServerTls, explain};
use crate::transport::flow::{Flow, MAX_HEADER_LIST, Receiver, Side};
use crate::transport::socket::Socket;
use crate::transport::wire::Flusher;

/// How many requests the connection's task gathers itself. It looks at each of them whenever it runs;
/// what is beyond gets a task of its own.
const GATHERED_HERE: usize = 32;

/// Serves an accepted socket to its end.
pub(super) async fn run(
    socket: Socket,
    peer: PeerAddr,
    tls: Option<ServerTls>,
    site: Arc<Site>,
    member: &mut Membership,
) {
    let until = Instant::now() + site.ground.config.handshake_timeout;
    let limit = site.ground.config.header_list_limit().max(MAX_HEADER_LIST) as usize;
    let Some(tls) = tls else {
        let named = Peer { address: peer, certificate: None };
        return match peer {
            PeerAddr::Ip(_) => serve(socket, named, site, member, until).await,
            PeerAddr::Unix => serve(Local::new(socket, limit), named, site, member, until).await,
        };
    };
    let accepted = member.before(until, TlsAcceptor::from(tls.config()).accept(socket)).await;
    let why = match accepted {
        Some(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(ALPN_H2) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let named = Peer { address: peer, certificate: shown.map(|one| one.as_ref().into()) };
            return match peer {
                PeerAddr::Ip(_) => serve(stream, named, site, member, until).await,
                PeerAddr::Unix => serve(Local::new(stream, limit), named, site, member, until).await,
            };
        }
        Some(Ok(_)) => crate::tls::no_h2(),
        Some(Err(error)) => explain(&error),
        None if site.lifecycle.phase() != Phase::Serving => return,
        None => "the TLS handshake took too long".into(),
    };
    site.ground.counters.tls_failed.add();
    tracing::info!("no TLS connection with {peer}: {why}");
}

/// Who is on the other side.
struct Peer {
    address: PeerAddr,
    /// In DER.
    certificate: Option<Arc<[u8]>>,
}

async fn serve<IO>(io: IO, peer: Peer, site: Arc<Site>, member: &mut Membership, until: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = &site.ground.config;
    let reads = Arc::new(AtomicU64::new(0));
    let flow = Flow::new(Side::Server, config.windows(), config.header_list_limit());
    let (wire, flusher) = wrap(io, Arc::clone(&reads), flow.clone());
    let handshake = config.http2().handshake::<_, Bytes>(wire);
    let mut http2 = match member.before(until, handshake).await {
        Some(Ok(http2)) => http2,
        None if site.lifecycle.phase() != Phase::Serving => return,
        failed => {
            site.ground.counters.handshakes_failed.add();
            match failed {
                Some(Err(error)) => tracing::info!("no HTTP/2 connection with {}: {error}", peer.address),
                _ => tracing::info!("no HTTP/2 connection with {}: the preface took too long", peer.address),
            }
            return;
        }
    };
    let keepalive = config.keepalive.and_then(|silence| {
        Some(Keepalive::new(http2.ping_pong()?, reads, silence, config.keepalive_timeout))
    });
    let lifetime = Lifetime::new(config);
    let mut driver = Driver {
        peer,
        site,
        member,
        flow,
        draining: false,
        gathering: Vec::new(),
        deadlines: Deadlines::default(),
        keepalive,
        lifetime,
    };
    poll_fn(|cx| driver.poll(&mut http2, &flusher, cx)).await;
}

/// What a connection's task knows beside HTTP/2.
struct Driver<'a> {
    peer: Peer,
    site: Arc<Site>,
    member: &'a mut Membership,
    flow: Flow,
    draining: bool,
    gathering: Vec<Gather>,
    deadlines: Deadlines,
    keepalive: Option<Keepalive>,
    lifetime: Option<Lifetime>,
}

impl Driver<'_> {
    /// Ready when the connection is at its end.
    fn poll<IO, S>(
        &mut self,
        http2: &mut Connection<IO, Bytes>,
        flusher: &Flusher<S>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        S: AsyncWrite + Unpin,
    {
        let step = self.step(http2, cx);
        // All answers of this turn leave in one write.
        match flusher.poll_flush(cx) {
            Poll::Ready(Err(error)) => {
                tracing::debug!(peer = %self.peer.address, %error, "the connection broke");
                Poll::Ready(())
            }
            _ => step,
        }
    }

    fn step<IO>(&mut self, http2: &mut Connection<IO, Bytes>, cx: &mut Context<'_>) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        match self.member.phase(cx.waker()) {
            Phase::Serving => {}
            Phase::Draining => self.go_away(http2),
            Phase::Aborted => return Self::cut(http2, cx),
        }
        if let Some(lifetime) = &mut self.lifetime
            && let Poll::Ready(due) = lifetime.poll(cx)
        {
            tracing::debug!(peer = %self.peer.address, ?due, "the connection has lived as long as it may");
            match due {
                Due::GoAway => {
                    self.ground().counters.retired.add();
                    self.go_away(http2);
                    // Polled here, the timer wakes this task for what comes after.
                    return self.step(http2, cx);
                }
                Due::Cut => {
                    self.ground().counters.outlived.add();
                    return Self::cut(http2, cx);
                }
            }
        }
        loop {
            match http2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.accept(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    if self.flow.is_broken() || (!error.is_io() && !error.is_remote()) {
                        self.ground().counters.protocol_errors.add();
                    }
                    tracing::debug!(peer = %self.peer.address, %error, "the connection broke");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.gather();
        self.deadlines.poll(cx);
        if let Some(keepalive) = &mut self.keepalive
            && keepalive.poll(cx).is_ready()
        {
            self.ground().counters.keepalive_timeouts.add();
            tracing::debug!(peer = %self.peer.address, "the peer did not answer a PING");
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Tells the client to send no more calls here; those that are under way go on.
    fn go_away<IO>(&mut self, http2: &mut Connection<IO, Bytes>)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        if !std::mem::replace(&mut self.draining, true) {
            http2.graceful_shutdown();
        }
    }

    fn cut<IO>(http2: &mut Connection<IO, Bytes>, cx: &mut Context<'_>) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        http2.abrupt_shutdown(Reason::NO_ERROR);
        // One chance for the GOAWAY to leave.
        let _ = http2.poll_closed(cx);
        Poll::Ready(())
    }

    fn ground(&self) -> &Arc<Ground> {
        &self.site.ground
    }

    fn accept(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.ground().counters.requests.add();
        // Refused or not: the connection was of use.
        let working = self.lifetime.as_ref().map(Lifetime::begin);
        let (head, stream) = request.into_parts();
        let asked = match request::read(&head, &self.site.router, self.ground()) {
            Ok(asked) => asked,
            Err(rejection) => {
                // First the body, so that h2 sees nobody interested in it once the answer is out.
                drop(stream);
                return request::reject(rejection, respond, self.ground());
            }
        };
        let begin = Begin {
            head,
            peer: self.peer.address,
            certificate: self.peer.certificate.clone(),
            deadline: asked.deadline,
            encoding: asked.response,
            listing: asked.listing,
            peer_headers: self.flow.peer_header_list(),
        };
        let stream = Receiver::new(stream, self.flow.clone());
        let body = Body::new(stream, asked.request, self.ground().config.max_receive);
        let ground = Arc::clone(self.ground());
        let answer = Answer::Fresh { respond, working };
        let (streamed, gathered) = match asked.shape {
            RequestShape::Many => (Some(body), None),
            RequestShape::One => (None, Some(body)),
        };
        let call = ServerCall::new(begin, ground, answer, streamed);
        self.limit(&call);
        let Some(body) = gathered else {
            return self.site.deliver(Incoming { method: asked.method, call, message: None });
        };
        // Frames come in by this task only, which looks again at what it gathers each time it has
        // read: nobody needs to be woken.
        let mut gather = Gather::new(asked.method, call, body);
        match gather.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => self.site.gathered(gather, message),
            Poll::Pending if self.gathering.len() < GATHERED_HERE => self.gathering.push(gather),
            Poll::Pending => {
                let site = Arc::clone(&self.site);
                tokio::spawn(async move {
                    let message = poll_fn(|cx| gather.poll_alone(cx)).await;
                    site.gathered(gather, message);
                });
            }
        }
    }

    fn limit(&mut self, call: &ServerCall) {
        if let Some(deadline) = call.deadline() {
            self.deadlines.add(deadline.instant(), call.downgrade());
        }
    }

    /// Looks at the requests that were not complete.
    fn gather(&mut self) {
        let mut at = 0;
        while let Some(gather) = self.gathering.get_mut(at) {
            match gather.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => at += 1,
                Poll::Ready(message) => {
                    let gather = self.gathering.swap_remove(at);
                    self.site.gathered(gather, message);
                }
            }
        }
    }
}

impl Site {
    fn gathered(&self, gather: Gather, message: Option<crate::codec::Message>) {
        let Some(message) = message else { return };
        let (method, call) = gather.into_call();
        self.deliver(Incoming { method, call, message: Some(message) });
    }

    /// Puts a call into the inbox, or refuses it.
    fn deliver(&self, incoming: Incoming) {
        if let Err(refused) = self.inbox.push(incoming) {
            self.ground.counters.queue_full.add();
            let status = Status::resource_exhausted(format!(
                "the server has {} calls waiting and takes no more",
                self.ground.config.max_queued
            ));
            // It may have been cancelled meanwhile.
            let _ = refused.call.0.finish(&status, HeaderMap::new(), End::Refused);
        }
    }
}
