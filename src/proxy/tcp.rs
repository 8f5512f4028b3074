//! Raw TCP: bytes, carried both ways as they are.
//!
//! Each direction ends by itself: the end of what one side sends is told to the other, which may go on. Where one side
//! breaks, the other is reset: an end in order would say that all has arrived.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::downstream::Line;
use super::forward::Running;
use super::metrics::Counters;
use super::refuse;
use super::sniff::{Prefixed, Protocol, sniff};
use super::upstream::link::{Made, connect};
use super::upstream::pick::pick;
use super::upstream::{Group, Member};
use crate::server::lifecycle::{Membership, Phase};
use crate::tls::explain;
use crate::transport::socket::{Socket, Transport};

/// How much is read at once.
const PIECE: usize = 16 << 10;

/// A stream that can end in a way that is no end in order.
pub(super) trait Cut {
    /// Has the connection reset when it is closed.
    fn cut(&self);
}

impl Cut for Socket {
    fn cut(&self) {
        self.reset_on_close();
    }
}

impl<IO: Cut> Cut for Prefixed<IO> {
    fn cut(&self) {
        self.get_ref().cut();
    }
}

impl<IO: Cut> Cut for tokio_rustls::server::TlsStream<IO> {
    fn cut(&self) {
        self.get_ref().0.cut();
    }
}

impl Cut for Transport {
    fn cut(&self) {
        match self {
            Self::Plain(socket) => socket.cut(),
            Self::Client(stream) => stream.get_ref().0.cut(),
            Self::Server(stream) => stream.get_ref().0.cut(),
        }
    }
}

/// Serves a connection to its end: with TLS where the listener has certificates. `until` is the time by which a client
/// must have shaken hands.
pub(super) async fn serve(
    socket: Socket,
    line: Arc<Line>,
    group: &str,
    member: &mut Membership,
    until: Instant,
) {
    let counters = &line.shared.counters;
    let Some(tls) = &line.listen.tls else { return carry(socket, &line, group, member).await };
    let (protocol, stream) = if line.listen.settings.plaintext {
        match member.before(until, sniff(socket)).await {
            Some(Ok(sniffed)) => sniffed,
            _ => return Counters::add(&counters.unknown_protocol),
        }
    } else {
        (Protocol::Tls, Prefixed::unread(socket))
    };
    if protocol != Protocol::Tls {
        return carry(stream, &line, group, member).await;
    }
    match member.before(until, TlsAcceptor::from(Arc::clone(tls)).accept(stream)).await {
        Some(Ok(stream)) => carry(stream, &line, group, member).await,
        failed => {
            if let Some(Err(error)) = failed {
                tracing::debug!(peer = %line.peer, "no TLS connection: {}", explain(&error));
            }
            Counters::add(&counters.tls_failed);
        }
    }
}

async fn carry<IO>(mut client: IO, line: &Line, group: &str, membership: &mut Membership)
where
    IO: AsyncRead + AsyncWrite + Unpin + Cut,
{
    let counters = &line.shared.counters;
    Counters::add(&counters.tcp_connections);
    let carried = async {
        let Some((member, (mut backend, own))) = find(line, group).await else {
            Counters::add(&counters.no_backend);
            return client.cut();
        };
        let _running = Running::new(&member);
        match both_ways(&mut client, &mut backend).await {
            Ok((sent, received)) => {
                member.succeeded();
                tracing::debug!(peer = %line.peer, member = member.name(), sent, received, "carried");
            }
            Err(error) => {
                Counters::add(&counters.cut);
                tracing::debug!(peer = %line.peer, member = member.name(), %error, "cut");
                client.cut();
                backend.cut();
            }
        }
        // The address is free again only when the socket is.
        drop(backend);
        drop(own);
    };
    let mut carried = pin!(carried);
    // Nothing can be said to a client in bytes that are not ours: draining waits for it to end.
    poll_fn(|cx| match membership.phase(cx.waker()) {
        Phase::Aborted => Poll::Ready(()),
        Phase::Serving | Phase::Draining => carried.as_mut().poll(cx),
    })
    .await;
}

/// A connection to a member of the group, the first that takes one.
async fn find(line: &Line, name: &str) -> Option<(Arc<Member>, Made)> {
    let shared = &line.shared;
    if loops(line) {
        return None;
    }
    let group: Arc<Group> = shared.plan.load().groups.iter().find(|group| group.name() == name).cloned()?;
    let mut tried: Vec<Arc<Member>> = Vec::new();
    loop {
        let member = {
            let members = group.members();
            pick(&group, &members.all, &HeaderMap::new(), &tried)?
        };
        match connect(&group, &member, &[]).await {
            // The other end may not have known yet that the connection is its own.
            Ok(_) if loops(line) => return None,
            Ok(made) => return Some((member, made)),
            Err(why) => {
                group.blame(&member);
                tracing::debug!(peer = %line.peer, "{}", refuse::no_connection(&why).message());
                tried.push(member);
                if tried.len() >= group.members().all.members.len() {
                    return None;
                }
            }
        }
    }
}

/// Whether the client is the proxy itself. The member that leads here is left out from then on.
fn loops(line: &Line) -> bool {
    let Some(member) = line.find_loop() else { return false };
    Counters::add(&line.shared.counters.loops);
    if member.set_looped(true) {
        tracing::warn!("{}", refuse::looped(member.name()).message());
    }
    true
}

/// Carries bytes both ways until both sides have ended. How many went there and back.
///
/// # Errors
///
/// Those of the sockets.
pub(super) async fn both_ways(
    a: &mut (impl AsyncRead + AsyncWrite + Unpin),
    b: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<(u64, u64)> {
    tokio::io::copy_bidirectional_with_sizes(a, b, PIECE, PIECE).await
}
