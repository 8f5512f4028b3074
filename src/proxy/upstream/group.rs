//! A group: its members, and which of them serve what.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::lock;
use super::member::{Found, Member};
use super::pick::{Mood, Ring};
use crate::error::InvalidArgument;
use crate::proxy::discover::Tending;
use crate::proxy::metrics::GroupCounters;
use crate::proxy::settings::{self, Eject, Source};
use crate::tls::ClientTls;

/// Backends that are equal. It lives as long as its configuration is the same.
#[derive(Debug)]
pub struct Group {
    pub(in crate::proxy) settings: settings::Group,
    pub(in crate::proxy) tls: Option<ClientTls>,
    pub(in crate::proxy) counters: GroupCounters,
    members: ArcSwap<Members>,
    workers: usize,
    /// Taken while the members change.
    change: Mutex<()>,
    /// The proxy's own ends of connections, to know them where they come in again.
    own: Arc<Own>,
    /// Turns for round robin.
    pub(in crate::proxy) turn: AtomicU64,
    /// What may be sent again now, in thousandths of a request.
    budget: AtomicU64,
    /// Counts what changes in how members are. Begins with 1.
    pub(in crate::proxy) changes: Arc<AtomicU64>,
    pub(in crate::proxy) born: Instant,
    /// Told each time that the members are others, or that one has a new connection.
    news: watch::Sender<()>,
    /// What the sources have said last, for a group that takes this one's place.
    known: Mutex<Vec<(Source, Vec<Found>)>>,
    /// The task that looks after the members.
    tending: Mutex<Option<Tending>>,
}

/// The members at one moment.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Members {
    /// All of them.
    pub(in crate::proxy) all: Candidates,
    /// Those that say that they serve it, by service.
    by_service: HashMap<Box<str>, Candidates>,
    /// Those that cannot tell.
    open: Candidates,
}

/// Members among which one is picked.
#[derive(Debug, Clone, Default)]
pub(in crate::proxy) struct Candidates {
    pub(in crate::proxy) members: Arc<[Arc<Member>]>,
    pub(in crate::proxy) ring: Option<Arc<Ring>>,
    pub(super) mood: Arc<Mood>,
    /// The same members by priority, the first one first. Empty where they all have the same.
    pub(super) levels: Arc<[Candidates]>,
}

impl Candidates {
    fn new(members: Vec<Arc<Member>>, settings: &settings::Group) -> Self {
        let ring =
            matches!(settings.balance, settings::Balance::RingHash(_)).then(|| Arc::new(Ring::new(&members)));
        let mut by_priority: BTreeMap<u16, Vec<Arc<Member>>> = BTreeMap::new();
        for member in &members {
            by_priority.entry(member.priority()).or_default().push(Arc::clone(member));
        }
        let levels = match by_priority.len() {
            0 | 1 => Arc::default(),
            _ => by_priority.into_values().map(|level| Self::new(level, settings)).collect(),
        };
        Self { members: members.into(), ring, mood: Arc::default(), levels }
    }
}

/// The proxy's own connections, by both of their ends, and to whom they lead. One end is not enough: a client on the
/// same machine may have the same port at the same time, for another destination.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Own(Mutex<HashMap<Ends, Weak<Member>>>);

/// The end that has connected, and the one that was connected to.
type Ends = (SocketAddr, SocketAddr);

/// A listener for both families sees addresses of IPv4 in the clothes of IPv6.
fn canonical((from, to): Ends) -> Ends {
    let bare = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    (bare(from), bare(to))
}

impl Own {
    /// The member that the connection between these ends leads to.
    pub(in crate::proxy) fn find(&self, from: SocketAddr, to: SocketAddr) -> Option<Arc<Member>> {
        let map = lock(&self.0);
        map.get(&canonical((from, to))).and_then(Weak::upgrade)
    }
}

/// Forgets a connection when it has ended.
#[derive(Debug)]
pub(in crate::proxy) struct Owned(Arc<Own>, Ends);

impl Drop for Owned {
    fn drop(&mut self) {
        lock(&self.0.0).remove(&self.1);
    }
}

/// What stays in the budget at most, in thousandths of a request, and what is there at first.
const BUDGET: (u64, u64) = (100_000, 10_000);

impl Group {
    /// A group without members yet.
    ///
    /// # Errors
    ///
    /// Its TLS texts cannot be used.
    pub(in crate::proxy) fn new(
        settings: settings::Group,
        workers: usize,
        own: Arc<Own>,
    ) -> Result<Self, InvalidArgument> {
        let tls = match &settings.tls {
            None => None,
            Some(tls) => {
                let identity = tls.identity.as_ref().map(|(cert, key)| (&cert[..], &key[..]));
                Some(ClientTls::new(tls.ca.as_deref(), identity, tls.server_name.as_deref())?)
            }
        };
        // Where nothing may be sent again, there is nothing to begin with, either.
        let budget = if settings.retry_budget > 0.0 { BUDGET.1 } else { 0 };
        Ok(Self {
            settings,
            tls,
            counters: GroupCounters::default(),
            members: ArcSwap::default(),
            workers,
            change: Mutex::default(),
            own,
            turn: AtomicU64::new(0),
            budget: AtomicU64::new(budget),
            changes: Arc::new(AtomicU64::new(1)),
            born: Instant::now(),
            news: watch::Sender::new(()),
            known: Mutex::default(),
            tending: Mutex::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Hears that the members are others, or that one has a new connection: its services may be others, too.
    pub(in crate::proxy) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// What `source` has said last.
    pub(in crate::proxy) fn known(&self, source: &Source) -> Option<Vec<Found>> {
        lock(&self.known).iter().find(|(known, _)| known == source).map(|(_, found)| found.clone())
    }

    /// Remembers what `source` says.
    pub(in crate::proxy) fn learn(&self, source: &Source, found: &[Found]) {
        let mut known = lock(&self.known);
        known.retain(|(before, _)| before != source);
        known.push((source.clone(), found.to_vec()));
    }

    /// Holds the task that looks after the members, until [`retire`](Self::retire).
    pub(in crate::proxy) fn tend(&self, tending: Tending) {
        *lock(&self.tending) = Some(tending);
    }

    /// The members now.
    pub(in crate::proxy) fn members(&self) -> arc_swap::Guard<Arc<Members>> {
        self.members.load()
    }

    /// Replaces the members. Those that stay keep their connections and what is known of them.
    pub(in crate::proxy) fn set_members(&self, found: Vec<Found>) {
        let _changing = lock(&self.change);
        let before = self.members.load_full();
        let mut now: Vec<Arc<Member>> = Vec::with_capacity(found.len());
        for one in found {
            let same =
                |m: &&Arc<Member>| m.found.address == one.address && m.found.authority == one.authority;
            if now.iter().any(|m| same(&m)) {
                continue;
            }
            match before.all.members.iter().find(same) {
                Some(known) => {
                    known.set_share(&one);
                    now.push(Arc::clone(known));
                }
                None => {
                    now.push(Arc::new(Member::new(one, self.workers, Arc::clone(&self.changes))));
                }
            }
        }
        for left in before.all.members.iter().filter(|m| !now.iter().any(|n| Arc::ptr_eq(m, n))) {
            left.retire();
        }
        self.publish(now);
        self.news.send_replace(());
    }

    /// Takes over what earlier groups know of the services of the same members, until these are asked.
    pub(in crate::proxy) fn inherit(&self, before: &[Arc<Self>]) {
        if self.settings.discover.is_none() {
            return;
        }
        for member in self.members.load().all.members.iter() {
            let same = |m: &&Arc<Member>| {
                m.found.address == member.found.address && m.found.authority == member.found.authority
            };
            let known = before
                .iter()
                .find_map(|group| group.members.load().all.members.iter().find(same)?.services());
            if let Some(known) = known {
                member.set_services(Some(known.to_vec()));
            }
        }
        self.sort_services();
    }

    /// Reads anew which member serves what. Returns what no member serves any more, and what is new.
    pub(in crate::proxy) fn sort_services(&self) -> (Vec<String>, Vec<String>) {
        let _changing = lock(&self.change);
        let before = self.members.load_full();
        self.publish(before.all.members.to_vec());
        let now = self.members.load();
        let missing = |a: &Members, b: &Members| {
            let mut names: Vec<String> = a
                .by_service
                .keys()
                .filter(|k| !b.by_service.contains_key(*k))
                .map(|k| (**k).into())
                .collect();
            names.sort();
            names
        };
        (missing(&before, &now), missing(&now, &before))
    }

    pub(super) fn publish(&self, all: Vec<Arc<Member>>) {
        let mut by_service: HashMap<Box<str>, Vec<Arc<Member>>> = HashMap::new();
        let mut open = Vec::new();
        for member in &all {
            match member.services() {
                Some(services) => {
                    for service in services.iter() {
                        by_service.entry(service.as_str().into()).or_default().push(Arc::clone(member));
                    }
                }
                None => open.push(Arc::clone(member)),
            }
        }
        let all = Candidates::new(all, &self.settings);
        // Mostly all members serve the same: one list, and one ring, for all services.
        let make = |members: Vec<Arc<Member>>| match members.len() == all.members.len() {
            true => all.clone(),
            false => Candidates::new(members, &self.settings),
        };
        let by_service = by_service.into_iter().map(|(k, v)| (k, make(v))).collect();
        let open = make(open);
        self.members.store(Arc::new(Members { all, by_service, open }));
    }

    /// A connection to `member` stands.
    pub(in crate::proxy) fn connected(&self, member: &Arc<Member>, worker: usize) {
        // One worker is enough: all of them lead to the same server.
        if worker == 0 {
            member.made.fetch_add(1, Relaxed);
            self.news.send_replace(());
        }
    }

    /// Remembers that the connection between these ends is the proxy's own.
    pub(in crate::proxy) fn own(&self, ends: Option<Ends>, member: &Arc<Member>) -> Option<Owned> {
        let ends = canonical(ends?);
        // A connection must not keep its member: it ends with it, where it was made too late to be told that all is over.
        lock(&self.own.0).insert(ends, Arc::downgrade(member));
        Some(Owned(Arc::clone(&self.own), ends))
    }

    /// A request was sent; it pays into the budget for others to be sent again.
    pub(in crate::proxy) fn sent(&self) {
        let part = (self.settings.retry_budget.clamp(0.0, 1.0) * 1000.0) as u64;
        if self.budget.load(Relaxed) < BUDGET.0 {
            self.budget.fetch_add(part, Relaxed);
        }
    }

    /// Whether a request may be sent again; it is paid for then.
    pub(in crate::proxy) fn may_retry(&self) -> bool {
        self.budget.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1000)).is_ok()
    }

    /// A request to `member` failed by its fault.
    pub(in crate::proxy) fn blame(&self, member: &Member) {
        let Some(eject) = &self.settings.eject else { return };
        // The last one that is left is better than none.
        if self.members.load().all.members.len() < 2 {
            return;
        }
        self.eject(member, eject);
    }

    fn eject(&self, member: &Member, eject: &Eject) {
        if let Some(pause) = member.failed(eject) {
            self.counters.ejections.fetch_add(1, Relaxed);
            tracing::warn!(group = self.name(), member = member.name(), ?pause, "left out for its failures");
        }
    }

    /// Looks after nothing any more, and lets the connections end with their last requests.
    pub(in crate::proxy) fn retire(&self) {
        drop(lock(&self.tending).take());
        for member in self.members.load().all.members.iter() {
            member.retire();
        }
    }
}

impl Members {
    /// Those that may take a request for `service`: those that say they serve it; else those that cannot tell.
    pub(in crate::proxy) fn of(&self, service: &str) -> &Candidates {
        match self.by_service.get(service) {
            Some(candidates) => candidates,
            None if self.by_service.is_empty() => &self.all,
            None => &self.open,
        }
    }

    /// Whether some members serve something that others do not.
    pub(in crate::proxy) fn differ(&self) -> bool {
        self.by_service.values().any(|some| some.members.len() != self.all.members.len())
    }

    /// Whether all members have named their services.
    pub(in crate::proxy) fn is_sorted(&self) -> bool {
        self.open.members.is_empty()
    }

    /// The services that members have named.
    pub(in crate::proxy) fn services(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_service.keys().map(|k| &**k).collect();
        names.sort_unstable();
        names
    }
}
