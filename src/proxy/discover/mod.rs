//! Where members come from, and what they serve.
//!
//! ```text
//!  Fixed ─────────────────────────────┐
//!  Host, Srv ── resolver ── TTL ──────┤                  ┌── services: what does it serve? (reflection)
//!  File ─────── watched ──────────────┼─ union ── group ─┤
//!  a registry ─ Watch ────────────────┘                  └── health: is it well? (grpc.health.v1)
//! ```
//!
//! - [`Watch`]: the seam; whatever names members implements it;
//! - `dns`, `file`: those that come with the proxy; `resolver`, `message`: how names are looked up;
//! - `services`: asks members which services they serve; `findings`: what an operator should know of the answers.
//!
//! One task tends a group, on the first worker, over the connections that carry that worker's traffic. It ends with its
//! group.

mod dns;
mod file;
pub(super) mod findings;
mod message;
mod resolver;
mod services;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::resolver::Resolver;
use super::Shared;
use super::health;
use super::settings::Source;
use super::upstream::{Found, Group};
use super::worker::Worker;

/// How long new groups are waited for before requests are sent to them: time for a name server and a backend that are
/// there, and no more for those that are not.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// Something that names members: a name server, a file, a registry.
pub(super) trait Watch: fmt::Debug + Send {
    /// Waits for news and returns all members: the first time as soon as it has looked, after that only what differs
    /// from before. None the first time where nothing was found out; later a look in vain is no news. Nothing is lost
    /// where the future is dropped.
    fn next(&mut self) -> News<'_>;
}

/// What [`Watch::next`] returns.
pub(super) type News<'a> = Pin<Box<dyn Future<Output = Option<Vec<Found>>> + Send + 'a>>;

/// Several watches as one.
#[derive(Debug, Default)]
struct Union(Vec<Named>);

#[derive(Debug)]
struct Named {
    source: Source,
    /// None where the source never changes.
    watch: Option<Box<dyn Watch>>,
    found: Vec<Found>,
    has_answered: bool,
}

impl Named {
    fn new(source: &Source, resolver: &Resolver) -> Self {
        let (watch, found): (Option<Box<dyn Watch>>, Vec<Found>) = match source {
            Source::Fixed { address, name, weight } => {
                let (address, name, weight) = (address.clone(), name.clone(), *weight);
                (None, vec![Found { address, authority: name.clone(), name, weight, priority: 0 }])
            }
            Source::Host { host, port, weight } => {
                (Some(Box::new(dns::Host::new(resolver.clone(), host, *port, *weight))), Vec::new())
            }
            Source::Srv { name } => (Some(Box::new(dns::Srv::new(resolver.clone(), name))), Vec::new()),
            Source::File { path } => (Some(Box::new(file::File::new(resolver.clone(), path))), Vec::new()),
        };
        Self { source: source.clone(), has_answered: watch.is_none(), watch, found }
    }
}

impl Union {
    /// All members that are known.
    fn found(&self) -> Vec<Found> {
        self.0.iter().flat_map(|one| one.found.iter().cloned()).collect()
    }

    fn has_answered(&self) -> bool {
        self.0.iter().all(|one| one.has_answered)
    }

    /// Waits for news of any of them. Never ready where nothing can change.
    async fn changed(&mut self) -> Option<&Named> {
        let mut waiting: Vec<(usize, News<'_>)> = Vec::new();
        for (at, one) in self.0.iter_mut().enumerate() {
            if let Some(watch) = &mut one.watch {
                waiting.push((at, watch.next()));
            }
        }
        let (at, found) = poll_fn(|cx| {
            for (at, news) in &mut waiting {
                if let Poll::Ready(found) = news.as_mut().poll(cx) {
                    return Poll::Ready((*at, found));
                }
            }
            Poll::Pending
        })
        .await;
        drop(waiting);
        let one = self.0.get_mut(at)?;
        if let Some(found) = found {
            one.found = found;
        }
        one.has_answered = true;
        Some(one)
    }
}

/// A group's task. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Tending(AbortHandle);

impl Drop for Tending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for groups that are new.
#[derive(Debug)]
pub(super) struct Ready {
    all: mpsc::Receiver<()>,
    /// Each group has a copy until it is ready.
    one: mpsc::Sender<()>,
}

impl Ready {
    pub(super) fn new() -> Self {
        let (one, all) = mpsc::channel();
        Self { all, one }
    }

    /// Begins to tend `group`, on `worker`. What `before` knew of a source or of a member holds until that has answered.
    pub(super) fn tend(
        &self,
        group: &Arc<Group>,
        before: &[Arc<Group>],
        shared: &Arc<Shared>,
        dns: &[SocketAddr],
        worker: &Worker,
    ) {
        let resolver = Resolver::new(dns.to_vec());
        let mut union = Union::default();
        for source in &group.settings.sources {
            let mut one = Named::new(source, &resolver);
            if one.watch.is_some()
                && let Some(known) = before.iter().find_map(|old| old.known(source))
            {
                one.found = known;
            }
            union.0.push(one);
        }
        group.set_members(union.found());
        group.inherit(before);
        let task = tend(Arc::clone(group), Arc::clone(shared), union, self.one.clone());
        group.tend(Tending(worker.handle().spawn(task).abort_handle()));
    }

    /// Waits until all of them know their members and what these serve, but not for long.
    pub(super) fn wait(self) {
        let Self { all, one } = self;
        drop(one);
        // Late or not, it goes on.
        let _ = all.recv_timeout(READY_WITHIN);
    }
}

async fn tend(group: Arc<Group>, shared: Arc<Shared>, mut union: Union, ready: mpsc::Sender<()>) {
    let (settle, settled) = watch::channel(union.has_answered());
    let sources = async {
        loop {
            if let Some(one) = union.changed().await {
                group.learn(&one.source, &one.found);
            }
            group.set_members(union.found());
            settle.send_replace(union.has_answered());
        }
    };
    let services = services::tend(&group, &shared, settled, ready);
    let health = health::tend(&group);
    tokio::join!(sources, services, health);
}
