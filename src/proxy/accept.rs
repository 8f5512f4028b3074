//! From a listening socket to a connection whose protocol is known.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::downstream::{self, Line};
use super::http1;
use super::metrics::Counters;
use super::settings::{Listen, ListenKind, ListenTls};
use super::sniff::{Protocol, sniff};
use super::tcp;
use crate::error::InvalidArgument;
use crate::server::lifecycle::{Lifecycle, Membership, Phase};
use crate::server::listener::Acceptor;
use crate::server::stream::PeerAddr;
use crate::tls::{ALPN_H2, ClientAuth, Identity, ServerTls, explain};
use crate::transport::socket::Socket;

/// How long accepting rests after an error that would come again at once (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The other protocol that is offered beside HTTP/2.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// What holds for connections that are accepted from now on.
#[derive(Debug)]
pub(super) struct ListenPlan {
    pub(super) settings: Listen,
    pub(super) tls: Option<Arc<ServerConfig>>,
}

impl ListenPlan {
    /// # Errors
    ///
    /// The certificates cannot be used.
    pub(super) fn new(settings: Listen) -> Result<Self, InvalidArgument> {
        let alpn: &[&[u8]] = match settings.kind {
            ListenKind::Http => &[ALPN_H2, ALPN_HTTP1],
            // Whatever a client would speak there is between it and the backend.
            ListenKind::Tcp { .. } => &[],
        };
        let tls = settings.tls.as_ref().map(|tls| server_config(tls, alpn)).transpose()?;
        Ok(Self { settings, tls })
    }
}

fn server_config(tls: &ListenTls, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, InvalidArgument> {
    let mut identities = Vec::with_capacity(tls.identities.len());
    for (cert, key) in &tls.identities {
        identities.push(Identity::new(cert, key)?);
    }
    if identities.is_empty() {
        return Err(InvalidArgument::new("TLS needs a certificate and its key; none was given"));
    }
    let default = identities.remove(0);
    let clients = match &tls.client_ca {
        None => ClientAuth::None,
        Some(ca) if tls.client_optional => ClientAuth::Optional(ca),
        Some(ca) => ClientAuth::Required(ca),
    };
    let mut config = (*ServerTls::with_identities(default, identities, clients)?.config()).clone();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// An address that is listened on.
#[derive(Debug)]
pub(super) struct Listening {
    /// As it stands in the configuration.
    pub(super) address: String,
    /// As a client would dial it, with the port that was bound.
    pub(super) target: String,
    pub(super) plan: ArcSwap<ListenPlan>,
    pub(super) lifecycle: Arc<Lifecycle>,
    open: AtomicUsize,
}

impl Listening {
    pub(super) fn new(target: String, plan: ListenPlan) -> Self {
        Self {
            address: plan.settings.address.clone(),
            target,
            plan: ArcSwap::from_pointee(plan),
            lifecycle: Arc::default(),
            open: AtomicUsize::new(0),
        }
    }
}

/// One place among the open connections.
struct Open(Arc<Listening>, Arc<Shared>);

impl Open {
    fn take(listening: &Arc<Listening>, shared: &Arc<Shared>) -> Option<Self> {
        let open = Self(Arc::clone(listening), Arc::clone(shared));
        let now = listening.open.fetch_add(1, Relaxed) + 1;
        shared.counters.connections_open.fetch_add(1, Relaxed);
        (now <= listening.plan.load().settings.max_connections).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        self.1.counters.connections_open.fetch_sub(1, Relaxed);
    }
}

/// Accepts until the listener drains. What the kernel has accepted by then is still served: it is told to go away in
/// the words of its protocol. `member` stands first and so is dropped last.
pub(super) async fn accept(
    mut member: Membership,
    acceptor: Acceptor,
    worker: usize,
    listening: Arc<Listening>,
    shared: Arc<Shared>,
) {
    let counters = &shared.counters;
    let take = |(socket, peer)| {
        Counters::add(&counters.connections);
        let Some(open) = Open::take(&listening, &shared) else {
            return Counters::add(&counters.connections_refused);
        };
        let mut member = listening.lifecycle.join();
        let plan = listening.plan.load_full();
        tokio::spawn(async move {
            let Open(_, shared) = &open;
            connection(socket, peer, plan, worker, Arc::clone(shared), &mut member).await;
            drop(open);
        });
    };
    loop {
        let next = poll_fn(|cx| match (acceptor.poll_accept(cx), member.phase(cx.waker())) {
            (Poll::Ready(accepted), Phase::Serving | Phase::Draining) => Poll::Ready(Some(accepted)),
            (Poll::Pending, Phase::Serving) => Poll::Pending,
            _ => Poll::Ready(None),
        });
        match next.await {
            None => break,
            Some(Ok(accepted)) => take(accepted),
            // The client gave up while it waited.
            Some(Err(error)) if is_of_the_client(&error) => {}
            Some(Err(error)) => {
                Counters::add(&counters.accept_errors);
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    match acceptor.close() {
        Ok(rest) => rest.into_iter().for_each(take),
        Err(error) => tracing::warn!(%error, "connections that had come in were cut"),
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Serves an accepted socket to its end.
async fn connection(
    socket: Socket,
    peer: PeerAddr,
    plan: Arc<ListenPlan>,
    worker: usize,
    shared: Arc<Shared>,
    member: &mut Membership,
) {
    let until = Instant::now() + plan.settings.handshake_timeout;
    let local = socket.ends().map(|(local, _)| local);
    let line = |tls| Arc::new(Line::new(Arc::clone(&shared), worker, Arc::clone(&plan), (peer, local), tls));
    if let ListenKind::Tcp { group } = &plan.settings.kind {
        return tcp::serve(socket, line(plan.tls.is_some()), group, member, until).await;
    }
    let Some(Ok((protocol, stream))) = member.before(until, sniff(socket)).await else {
        return Counters::add(&shared.counters.unknown_protocol);
    };
    let Some(tls) = &plan.tls else {
        return spoken(protocol, stream, line(false), member, until).await;
    };
    if protocol != Protocol::Tls {
        if plan.settings.plaintext {
            return spoken(protocol, stream, line(false), member, until).await;
        }
        tracing::debug!(%peer, "no TLS, where TLS is required");
        return Counters::add(&shared.counters.tls_failed);
    }
    let stream = match member.before(until, TlsAcceptor::from(Arc::clone(tls)).accept(stream)).await {
        Some(Ok(stream)) => stream,
        failed => {
            if let Some(Err(error)) = failed {
                tracing::debug!(%peer, "no TLS connection: {}", explain(&error));
            }
            return Counters::add(&shared.counters.tls_failed);
        }
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(ALPN_H2) => spoken(Protocol::Http2, stream, line(true), member, until).await,
        Some(ALPN_HTTP1) => spoken(Protocol::Http1, stream, line(true), member, until).await,
        // A client without ALPN says by its first bytes what it speaks.
        _ => match member.before(until, sniff(stream)).await {
            Some(Ok((protocol, stream))) => spoken(protocol, stream, line(true), member, until).await,
            _ => Counters::add(&shared.counters.unknown_protocol),
        },
    }
}

async fn spoken<IO>(protocol: Protocol, io: IO, line: Arc<Line>, member: &mut Membership, until: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match protocol {
        Protocol::Http2 => downstream::serve(io, line, member, until).await,
        Protocol::Http1 => http1::serve(io, line, member, until).await,
        Protocol::Tls | Protocol::Unknown => {
            tracing::debug!(peer = %line.peer, ?protocol, "nothing that is spoken here");
            Counters::add(&line.shared.counters.unknown_protocol);
        }
    }
}
