//! Whether members are well: asked from their health service (grpc.health.v1).
//!
//! All members of a group are asked at the same times, and a new one at once. One is taken to be well until it has failed
//! so many times in a row, and then to be ill until it has been well so many times in a row. A server without a health
//! service answers, and so it is well.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;

use super::ask::Asking;
use super::metrics::Counters;
use super::settings::Health;
use super::upstream::{Group, Member};
use crate::discovery::health;

/// The checks of one member.
struct Checked {
    member: Arc<Member>,
    due: Instant,
    running: bool,
    /// How many in a row went well, or did not.
    well: u32,
    failed: u32,
    /// Whether it was said that it has no health service.
    without: bool,
}

impl Checked {
    fn new(member: &Arc<Member>) -> Self {
        Self {
            member: Arc::clone(member),
            due: Instant::now(),
            running: false,
            well: 0,
            failed: 0,
            without: false,
        }
    }
}

/// How a check went.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Well,
    /// It has no health service.
    Without,
    Failed(String),
}

async fn check(group: Arc<Group>, member: Arc<Member>, health: Arc<Health>) -> (Arc<Member>, Verdict) {
    let asking = Asking { group: &group, member: &member, worker: 0, timeout: health.timeout };
    let verdict = match health::check(&asking, &health.service).await {
        Ok(health::Health::Serving) => Verdict::Well,
        Ok(other) => Verdict::Failed(format!("it says {}", other.name())),
        Err(status) if status.code() == Code::Unimplemented => Verdict::Without,
        Err(status) if status.code() == Code::NotFound => {
            Verdict::Failed(format!("it knows no service \"{}\"", health.service))
        }
        Err(status) => Verdict::Failed(status.message().to_owned()),
    };
    (member, verdict)
}

fn key(member: &Arc<Member>) -> usize {
    Arc::as_ptr(member).addr()
}

/// Checks the members of `group` for as long as it is there.
pub(super) async fn tend(group: &Arc<Group>) {
    let Some(health) = group.settings.health.clone().map(Arc::new) else { return };
    let mut news = group.news();
    let mut all: HashMap<usize, Checked> = HashMap::new();
    let mut checks = JoinSet::new();
    loop {
        let now = Instant::now();
        let members = Arc::clone(&group.members().all.members);
        let named: BTreeSet<usize> = members.iter().map(key).collect();
        all.retain(|key, _| named.contains(key));
        let mut next = now + health.interval;
        for member in members.iter() {
            let one = all.entry(key(member)).or_insert_with(|| Checked::new(member));
            if one.due <= now && !one.running {
                one.running = true;
                one.due = now + health.interval;
                checks.spawn(check(Arc::clone(group), Arc::clone(member), Arc::clone(&health)));
            }
            if !one.running {
                next = next.min(one.due);
            }
        }
        tokio::select! {
            Some(done) = checks.join_next() => {
                if let Ok((member, verdict)) = done
                    && let Some(one) = all.get_mut(&key(&member))
                {
                    take(group, &health, one, verdict);
                }
            }
            _ = news.changed() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

fn take(group: &Group, health: &Health, one: &mut Checked, verdict: Verdict) {
    one.running = false;
    let (name, member) = (group.name(), &one.member);
    match verdict {
        Verdict::Failed(why) => {
            Counters::add(&group.counters.health_failures);
            one.well = 0;
            one.failed = one.failed.saturating_add(1);
            if one.failed >= health.unhealthy_after.max(1) && member.set_ill(true) {
                tracing::warn!(group = name, member = member.name(), "is ill: {why}");
            }
        }
        verdict => {
            if verdict == Verdict::Without && !std::mem::replace(&mut one.without, true) {
                let member = member.name();
                tracing::info!(
                    group = name,
                    member,
                    "has no health service, and is well as long as it answers"
                );
            }
            one.failed = 0;
            one.well = one.well.saturating_add(1);
            if one.well >= health.healthy_after.max(1) && member.set_ill(false) {
                tracing::info!(group = name, member = member.name(), "is well again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::settings;
    use crate::proxy::upstream::Found;
    use crate::transport::dial::Address;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    #[test]
    fn it_takes_several_checks_in_a_row_either_way() {
        let health = Health {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            service: String::new(),
            unhealthy_after: 3,
            healthy_after: 2,
        };
        let group = Group::new(settings::Group::default(), 1, Arc::default()).unwrap();
        let name = "127.0.0.1:1".to_owned();
        let address = Address::Tcp(name.parse().unwrap());
        group.set_members(vec![Found { address, authority: name.clone(), name, weight: 1, priority: 0 }]);
        let mut one = Checked::new(&group.members().all.members[0]);
        let failed = || Verdict::Failed("it says NOT_SERVING".into());
        let story = [
            (failed(), false),
            (failed(), false),
            (Verdict::Well, false),
            (failed(), false),
            (failed(), false),
            (failed(), true),
            (Verdict::Well, true),
            (failed(), true),
            (Verdict::Without, true),
            (Verdict::Well, false),
        ];
        for (at, (verdict, ill)) in story.into_iter().enumerate() {
            take(&group, &health, &mut one, verdict);
            assert_eq!(one.member.is_ill(), ill, "after {at}");
        }
        assert_eq!(group.counters.health_failures.load(Relaxed), 6);
    }
}
