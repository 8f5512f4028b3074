//! Connections that are not shared: one HTTP/1.1 request at a time, or raw bytes.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::group::{Group, Owned};
use super::lock;
use super::member::Member;
use super::pool::host_of;
use crate::proxy::http1::Link;
use crate::transport::dial::dial;
use crate::transport::secure::secure_for;
use crate::transport::socket::Transport;

/// How long an unused connection is kept. Servers that give theirs up after five seconds are common; a connection that
/// has been given up is noticed before it is used.
const IDLE: Duration = Duration::from_secs(30);

/// How often unused connections are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How many unused ones are kept.
const KEPT: usize = 64;

/// A new connection, and that it is the proxy's own.
pub(in crate::proxy) type Made = (Transport, Option<Owned>);

/// Connects to `member`, with TLS where the group has it; `alpn` is what is offered there.
///
/// # Errors
///
/// A sentence: why there is no connection.
pub(in crate::proxy) async fn connect(
    group: &Group,
    member: &Arc<Member>,
    alpn: &[&[u8]],
) -> Result<Made, String> {
    let timeout = group.settings.connect_timeout;
    let made = tokio::time::timeout(timeout, establish(group, member, alpn))
        .await
        .unwrap_or_else(|_| Err(format!("no connection within {timeout:?} (connect_timeout)")));
    let counters = &group.counters;
    let counter = if made.is_ok() { &counters.connections } else { &counters.connect_failures };
    counter.fetch_add(1, Relaxed);
    made.map_err(|why| format!("{}: {why}", member.name()))
}

async fn establish(group: &Group, member: &Arc<Member>, alpn: &[&[u8]]) -> Result<Made, String> {
    let (socket, _) = dial(std::slice::from_ref(&member.found.address)).await?;
    let own = group.own(socket.ends(), member);
    let stream = match &group.tls {
        None => Transport::Plain(socket),
        Some(tls) => {
            let host = host_of(&member.found.authority);
            Transport::Client(Box::new(secure_for(tls, host, socket, alpn).await?))
        }
    };
    Ok((stream, own))
}

/// The unused HTTP/1.1 connections of one worker to one member.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Links(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    unused: Vec<(Instant, Link)>,
    /// Somebody looks after them.
    tended: bool,
    retired: bool,
}

impl Links {
    /// One that still stands. The one that was used last comes first: the others grow old.
    pub(in crate::proxy) fn take(&self) -> Option<Link> {
        loop {
            let (_, mut link) = lock(&self.0).unused.pop()?;
            if link.is_quiet() {
                return Some(link);
            }
        }
    }

    /// Ends them.
    pub(super) fn retire(&self) {
        let mut inner = lock(&self.0);
        inner.retired = true;
        let unused = std::mem::take(&mut inner.unused);
        drop(inner);
        drop(unused);
    }

    /// Drops those that are old or have been given up by the member. Whether any are left.
    fn tend(&self) -> bool {
        let mut inner = lock(&self.0);
        let (kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.unused)
            .into_iter()
            .map(|(since, mut link)| (since.elapsed() < IDLE && link.is_quiet(), (since, link)))
            .partition(|(keep, _)| *keep);
        inner.unused = kept.into_iter().map(|(_, kept)| kept).collect();
        inner.tended = !inner.unused.is_empty();
        let left = inner.tended;
        drop(inner);
        drop(dropped);
        left
    }
}

impl Member {
    /// Keeps a connection for the next request.
    pub(in crate::proxy) fn keep(self: &Arc<Self>, worker: usize, link: Link) {
        let Some(links) = self.links.get(worker) else { return };
        let mut inner = lock(&links.0);
        if inner.retired || inner.unused.len() >= KEPT {
            drop(inner);
            return drop(link);
        }
        inner.unused.push((Instant::now(), link));
        if !std::mem::replace(&mut inner.tended, true) {
            tokio::spawn(look_after(Arc::downgrade(self), worker));
        }
    }
}

async fn look_after(member: Weak<Member>, worker: usize) {
    loop {
        tokio::time::sleep(LOOK).await;
        let left = member.upgrade().is_some_and(|m| m.links.get(worker).is_some_and(Links::tend));
        if !left {
            return;
        }
    }
}
