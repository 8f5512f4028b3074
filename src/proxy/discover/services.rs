//! Which services members serve: asked from their reflection service.
//!
//! A member is asked as soon as a source names it, on each new connection, and on the interval. It is connected to for
//! that, and again as long as it is named: so a backend that comes up, or comes back with other services, is known before
//! anybody calls it. A member without reflection is taken to serve everything. One that fails to answer is taken to
//! serve what it served before.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::super::Shared;
use super::super::ask::Asking;
use super::super::metrics::Counters;
use super::super::settings::Discover;
use super::super::upstream::pool::place_at_once;
use super::super::upstream::{Group, Member};
use crate::discovery::reflection;
use crate::error::quote;

/// How often it is looked whether connections stand. With [`RETRY`] it bounds how long a service that is new, or that
/// went elsewhere, stays unknown: less than two seconds.
const LOOK: Duration = Duration::from_millis(500);

/// The pause before a member is tried again that could not be connected to. Where it does not answer on a connection
/// that stands, the pause doubles up to the interval.
const RETRY: Duration = Duration::from_secs(1);

/// How many services one member may name.
const MAX_SERVICES: usize = 4096;

/// What is known of a member.
struct Keeper {
    member: Arc<Member>,
    /// On which of its connections it was asked last, and when that ended.
    asked: Option<(u64, Instant)>,
    /// Whether there was an answer, of whatever kind.
    has_answered: bool,
    /// When it is asked again.
    due: Instant,
    pause: Duration,
    running: bool,
    /// Whether the last answer failed, which was logged.
    failing: bool,
}

impl Keeper {
    fn new(member: &Arc<Member>) -> Self {
        Self {
            member: Arc::clone(member),
            asked: None,
            has_answered: false,
            due: Instant::now(),
            pause: RETRY,
            running: false,
            failing: false,
        }
    }

    /// Whether it is to be asked now.
    fn wants(&self, now: Instant) -> bool {
        if self.running {
            return false;
        }
        if self.due <= now {
            return true;
        }
        let Some((on, at)) = self.asked else { return true };
        // A server that closes each connection at once is not asked all the time.
        let other = on != self.member.made.load(Relaxed) || !stands(&self.member);
        other && (at + RETRY <= now || !self.failing && on != self.member.made.load(Relaxed))
    }
}

fn stands(member: &Member) -> bool {
    member.pools.first().is_some_and(|pool| pool.stands())
}

type Answer = (Arc<Member>, u64, Result<Vec<String>, Status>);

async fn ask(group: Arc<Group>, member: Arc<Member>, timeout: Duration) -> Answer {
    // Which connection it is must be known before it is asked: the next one leads to another server, perhaps.
    if let Err(why) = place_at_once(&group, &member, 0).await {
        let made = member.made.load(Relaxed);
        return (member, made, Err(Status::unavailable(why.to_string())));
    }
    let made = member.made.load(Relaxed);
    let asking = Asking { group: &group, member: &member, worker: 0, timeout };
    let answer = reflection::Client::new(asking).list_services().await;
    (member, made, answer)
}

fn key(member: &Arc<Member>) -> usize {
    Arc::as_ptr(member).addr()
}

/// Keeps up to date what the members of `group` serve. `ready` is dropped when all of them have been asked once, after the
/// sources have `settled`.
pub(super) async fn tend(
    group: &Arc<Group>,
    shared: &Arc<Shared>,
    mut settled: watch::Receiver<bool>,
    ready: mpsc::Sender<()>,
) {
    let mut ready = Some(ready);
    let Some(discover) = group.settings.discover else {
        // An error means that nothing settles any more.
        let _ = settled.wait_for(|settled| *settled).await;
        return drop(ready.take());
    };
    let mut news = group.news();
    let mut keepers: HashMap<usize, Keeper> = HashMap::new();
    let mut asking: JoinSet<Answer> = JoinSet::new();
    let mut served = BTreeSet::new();
    loop {
        let now = Instant::now();
        let members = Arc::clone(&group.members().all.members);
        let named: BTreeSet<usize> = members.iter().map(key).collect();
        keepers.retain(|key, _| named.contains(key));
        for member in members.iter() {
            let keeper = keepers.entry(key(member)).or_insert_with(|| Keeper::new(member));
            if keeper.wants(now) {
                keeper.running = true;
                Counters::add(&group.counters.discoveries);
                asking.spawn(ask(Arc::clone(group), Arc::clone(member), discover.timeout));
            }
        }
        note(group, shared, &mut served);
        if *settled.borrow() && keepers.values().all(|keeper| keeper.has_answered) {
            drop(ready.take());
        }
        // Those that cannot be connected to are tried again in time; the others may have lost their connections.
        let due = keepers.values().filter(|keeper| !keeper.running).map(|keeper| keeper.due).min();
        let next = due.map_or(now + LOOK, |due| due.clamp(now, now + LOOK));
        tokio::select! {
            Some(answer) = asking.join_next() => {
                let mut others = false;
                let mut next = Some(answer);
                while let Some(answer) = next {
                    others |= answer.is_ok_and(|answer| take(group, &discover, &mut keepers, answer));
                    next = asking.try_join_next();
                }
                if others {
                    group.sort_services();
                }
            }
            _ = news.changed() => {}
            _ = settled.changed(), if ready.is_some() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// Takes an answer. Whether the member serves other services now.
fn take(
    group: &Group,
    discover: &Discover,
    keepers: &mut HashMap<usize, Keeper>,
    (member, made, answer): Answer,
) -> bool {
    // One that is no longer named.
    let Some(keeper) = keepers.get_mut(&key(&member)) else { return false };
    keeper.running = false;
    keeper.has_answered = true;
    keeper.asked = Some((made, Instant::now()));
    let services = match answer {
        Ok(services) => Some(sorted(&member, services)),
        Err(status) if status.code() == Code::Unimplemented => None,
        Err(status) => {
            Counters::add(&group.counters.discovery_failures);
            if !std::mem::replace(&mut keeper.failing, true) {
                let (group, member) = (group.name(), member.name());
                tracing::warn!(group, member, "does not say what it serves: {}", status.message());
            }
            let connected = stands(&member);
            keeper.due = Instant::now() + keeper.pause;
            keeper.pause =
                if connected { (keeper.pause * 2).min(discover.interval.max(RETRY)) } else { RETRY };
            return false;
        }
    };
    if std::mem::take(&mut keeper.failing) {
        tracing::info!(group = group.name(), member = member.name(), "says again what it serves");
    }
    keeper.pause = RETRY;
    keeper.due = Instant::now() + discover.interval;
    member.set_services(services)
}

/// The names that can be services, each once. A member may say what it likes; it costs us no more than this.
fn sorted(member: &Member, mut services: Vec<String>) -> Vec<String> {
    let legal = |name: &str| {
        let letters = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_');
        !name.is_empty() && name.len() <= 512 && name.bytes().all(letters)
    };
    let (before, mut wrong) = (services.len(), None);
    services.retain(|name| {
        let legal = legal(name);
        if !legal && wrong.is_none() {
            wrong = Some(quote(name));
        }
        legal
    });
    services.sort_unstable();
    services.dedup();
    if let Some(wrong) = wrong {
        let count = before - services.len();
        tracing::debug!(member = member.name(), count, "says that it serves {wrong}, which is no service");
    }
    if services.len() > MAX_SERVICES {
        tracing::warn!(
            member = member.name(),
            "names more than {MAX_SERVICES} services; the rest are left out"
        );
        services.truncate(MAX_SERVICES);
    }
    services
}

/// Notes what has come and what has gone since it was last looked.
fn note(group: &Group, shared: &Shared, served: &mut BTreeSet<String>) {
    let members = group.members();
    if members.services().into_iter().eq(served.iter().map(String::as_str)) {
        return;
    }
    let now: BTreeSet<String> = members.services().into_iter().map(str::to_owned).collect();
    drop(members);
    shared.findings.served(group.name(), served, &now);
    *served = now;
    shared.findings.compare(&shared.plan.load());
}
