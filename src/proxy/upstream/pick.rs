//! Which member takes the next request.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::group::{Candidates, Group};
use super::member::Member;
use crate::proxy::settings::Balance;

/// How many places on the ring one unit of weight has.
const PLACES: u32 = 100;

/// The members in a circle; the hash of a request falls between two of them.
#[derive(Debug)]
pub(in crate::proxy) struct Ring(Vec<(u64, usize)>);

impl Ring {
    pub(super) fn new(members: &[Arc<Member>]) -> Self {
        // Weights of any size: the greatest has so many times `PLACES`.
        const MOST: u64 = 100;
        let greatest = members.iter().map(|m| u64::from(m.weight())).max().unwrap_or(1).max(MOST);
        let mut places = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let count = (u64::from(member.weight()) * MOST * u64::from(PLACES) / greatest).max(1);
            for place in 0..count {
                places.push((hash(&(member.name(), place)), at));
            }
        }
        places.sort_unstable();
        Self(places)
    }

    /// The members from `key` on, round the circle; each may come several times.
    fn from(&self, key: u64) -> impl Iterator<Item = usize> {
        let start = self.0.partition_point(|(place, _)| *place < key);
        self.0.iter().cycle().skip(start).take(self.0.len()).map(|(_, at)| *at)
    }
}

/// Equal in all instances: the keys of the standard hasher are fixed.
fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A number by chance, below `bound`.
pub(in crate::proxy) fn chance(bound: u64) -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(seed());
    }
    let mut x = STATE.get();
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    STATE.set(x);
    // The upper half is the better one.
    (x >> 32).checked_rem(bound).unwrap_or(0)
}

/// From the standard library's random keys.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0u8) | 1
}

/// What was found out last about how the members of a group are, in one number, so that it is read as a whole: after
/// how many changes (32 bits), until when it holds (31 bits; 0: until the next change), and whether it is a panic.
#[derive(Debug, Default)]
pub(super) struct Mood(AtomicU64);

/// What `Mood` measures time in: seven years fit.
const TICK: Duration = Duration::from_millis(100);

impl Mood {
    fn ticks(span: Duration) -> u64 {
        u64::try_from(span.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).min((1 << 31) - 2)
    }

    fn panics(&self, changes: u64, born: Instant) -> Option<bool> {
        let mood = self.0.load(Relaxed);
        let until = mood >> 1 & ((1 << 31) - 1);
        let holds =
            mood >> 32 == changes & 0xffff_ffff && (until == 0 || Self::ticks(born.elapsed()) < until);
        holds.then_some(mood & 1 == 1)
    }

    fn set(&self, changes: u64, born: Instant, next: Option<Duration>, panics: bool) {
        let until = next.map_or(0, |next| Self::ticks(born.elapsed() + next) + 1);
        self.0.store(changes << 32 | until << 1 | u64::from(panics), Relaxed);
    }
}

/// Picks a member for a request with these headers. `tried` are left out as long as there are others.
pub(in crate::proxy) fn pick(
    group: &Group,
    candidates: &Candidates,
    headers: &HeaderMap,
    tried: &[Arc<Member>],
) -> Option<Arc<Member>> {
    let has_room = |m: &Member| m.running.load(Relaxed) < group.settings.max_requests;
    let is_new = |m: &Arc<Member>| tried.is_empty() || !tried.iter().any(|t| Arc::ptr_eq(t, m));
    let level_with = |good: &dyn Fn(&Arc<Member>) -> bool| {
        candidates.levels.iter().find(|level| level.members.iter().any(good))
    };
    // Where nobody is well, priorities make no difference.
    let level = level_with(&|m| m.is_well() && has_room(m) && is_new(m))
        .or_else(|| level_with(&|m| m.is_well() && has_room(m)));
    pick_of(group, level.unwrap_or(candidates), headers, has_room, is_new)
}

/// The same among members of one priority.
fn pick_of(
    group: &Group,
    candidates: &Candidates,
    headers: &HeaderMap,
    has_room: impl Fn(&Member) -> bool,
    is_new: impl Fn(&Arc<Member>) -> bool,
) -> Option<Arc<Member>> {
    let members = &candidates.members;
    let settings = &group.settings;
    if let [only] = &members[..] {
        // Nobody else is there: ill or not, it is asked.
        return (has_room(only) && !only.looped.load(Relaxed)).then(|| Arc::clone(only));
    }
    let well = |m: &Arc<Member>| m.is_well() && has_room(m) && is_new(m);
    let panics = settings.panic_threshold > 0.0 && in_panic(group, candidates);
    let choose_one = || match panics {
        true => choose(group, candidates, headers, |m| has_room(m) && is_new(m) && !m.looped.load(Relaxed)),
        false => choose(group, candidates, headers, well),
    };
    let mut chosen = choose_one();
    // The same value leads to the same member, whether that is warm or not.
    if !settings.slow_start.is_zero() && !matches!(settings.balance, Balance::RingHash(_)) {
        for _ in 0..COLD {
            match &chosen {
                Some(cold) if !is_warm(cold, settings.slow_start) => chosen = choose_one(),
                _ => break,
            }
        }
    }
    chosen
        .or_else(|| choose(group, candidates, headers, |m| m.is_well() && has_room(m)))
        .or_else(|| choose(group, candidates, headers, |m| has_room(m) && !m.looped.load(Relaxed)))
}

/// How often another member is looked for, where the one that was chosen is not warm yet.
const COLD: usize = 4;

/// By chance, as often as the member has warmed up.
fn is_warm(member: &Member, slow_start: Duration) -> bool {
    let warmth = member.warmth(slow_start);
    warmth >= 1.0 || (chance(1000) as f64) < warmth * 1000.0
}

/// Whether too few members are well to carry it all. They are counted only after something has changed, or when the
/// time of one that is left out is over.
fn in_panic(group: &Group, candidates: &Candidates) -> bool {
    // Before the members are looked at: what changes meanwhile is counted next time.
    let changes = group.changes.load(Acquire);
    let panics = candidates.mood.panics(changes, group.born).unwrap_or_else(|| {
        let members = &candidates.members;
        let well = members.iter().filter(|m| m.is_well()).count();
        let next = members.iter().filter_map(|m| m.ejected_for()).min();
        let panics = (well as f64) < group.settings.panic_threshold * members.len() as f64;
        candidates.mood.set(changes, group.born, next, panics);
        panics
    });
    if panics {
        group.counters.panics.fetch_add(1, Relaxed);
    }
    panics
}

fn choose(
    group: &Group,
    candidates: &Candidates,
    headers: &HeaderMap,
    good: impl Fn(&Arc<Member>) -> bool,
) -> Option<Arc<Member>> {
    let members = &candidates.members;
    let count = members.len() as u64;
    match &group.settings.balance {
        Balance::LeastRequest => of_two(members, &good, |a, b| load(b) < load(a)),
        Balance::PeakEwma => of_two(members, &good, |a, b| {
            // Of whom nothing is known is taken for as quick as the other, or all would go there at once.
            let (late_a, late_b) = match (a.latency(), b.latency()) {
                (None, None) => (1.0, 1.0),
                (one, other) => (one.or(other).unwrap_or(1.0), other.or(one).unwrap_or(1.0)),
            };
            (late_b + 1.0) * load(b) < (late_a + 1.0) * load(a)
        }),
        Balance::RoundRobin => {
            let total = total_weight(members, &good);
            let turn = group.turn.fetch_add(1, Relaxed).checked_rem(total)?;
            // Turns are spread: with weights 3 and 1 it is a b a a, not a a a b.
            by_weight(members, &good, turn.wrapping_mul(stride(total)) % total)
        }
        Balance::Weighted => {
            let total = total_weight(members, &good);
            if total == 0 {
                return None;
            }
            by_weight(members, &good, chance(total))
        }
        Balance::RingHash(name) => {
            let ring = candidates.ring.as_ref()?;
            let key = match headers.get(name) {
                Some(value) => hash(&value.as_bytes()),
                None => chance(u64::from(u32::MAX)) << 32,
            };
            ring.from(key).filter_map(|at| members.get(at)).find(|m| good(m)).cloned()
        }
    }
    .or_else(|| {
        // Chance may have met only those that are not good.
        let start = chance(count.max(1));
        (0..count).filter_map(|n| members.get(((start + n) % count) as usize)).find(|m| good(m)).cloned()
    })
}

/// What a member has to do with one more request, by its share.
fn load(member: &Member) -> f64 {
    (member.running.load(Relaxed) as f64 + 1.0) / f64::from(member.weight())
}

/// The better of two by chance: close to the best of all, without looking at all.
fn of_two(
    members: &[Arc<Member>],
    good: impl Fn(&Arc<Member>) -> bool,
    second_is_better: impl Fn(&Member, &Member) -> bool,
) -> Option<Arc<Member>> {
    let count = members.len() as u64;
    let first = chance(count);
    let second = (first + 1 + chance(count.saturating_sub(1))).checked_rem(count)?;
    let (a, b) = (members.get(first as usize)?, members.get(second as usize)?);
    match (good(a), good(b)) {
        (true, true) if second_is_better(a, b) => Some(Arc::clone(b)),
        (true, _) => Some(Arc::clone(a)),
        (false, true) => Some(Arc::clone(b)),
        (false, false) => None,
    }
}

fn total_weight(members: &[Arc<Member>], good: impl Fn(&Arc<Member>) -> bool) -> u64 {
    members.iter().filter(|m| good(m)).map(|m| u64::from(m.weight())).sum()
}

fn by_weight(
    members: &[Arc<Member>],
    good: impl Fn(&Arc<Member>) -> bool,
    mut at: u64,
) -> Option<Arc<Member>> {
    for member in members.iter().filter(|m| good(m)) {
        let weight = u64::from(member.weight());
        if at < weight {
            return Some(Arc::clone(member));
        }
        at -= weight;
    }
    None
}

/// A step with which every number below `total` comes once: the golden section of it, or the next without a common divisor.
fn stride(total: u64) -> u64 {
    let mut step = ((total as f64) * 0.618) as u64;
    step = step.max(1);
    while gcd(step, total) != 1 {
        step += 1;
    }
    step
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::settings;
    use crate::proxy::upstream::member::Found;
    use crate::transport::dial::Address;
    use std::collections::HashMap;

    fn group(balance: Balance, weights: &[u32]) -> Group {
        let settings = settings::Group { balance, ..settings::Group::default() };
        let group = Group::new(settings, 1, Arc::default()).unwrap();
        let found = weights.iter().zip(1..).map(|(weight, port)| {
            let name = format!("127.0.0.1:{port}");
            Found {
                address: Address::Tcp(name.parse().unwrap()),
                authority: name.clone(),
                name,
                weight: *weight,
                priority: 0,
            }
        });
        group.set_members(found.collect());
        group
    }

    fn picked(group: &Group, times: usize, headers: &HeaderMap) -> HashMap<String, usize> {
        let mut count = HashMap::new();
        for _ in 0..times {
            let members = group.members();
            let member = pick(group, &members.all, headers, &[]).unwrap();
            *count.entry(member.name().to_owned()).or_default() += 1;
        }
        count
    }

    #[test]
    fn round_robin_follows_the_weights_and_spreads_the_turns() {
        let group = group(Balance::RoundRobin, &[3, 1]);
        let count = picked(&group, 400, &HeaderMap::new());
        assert_eq!((count["127.0.0.1:1"], count["127.0.0.1:2"]), (300, 100));
        for total in 1..50 {
            let step = stride(total);
            let mut seen: Vec<u64> = (0..total).map(|turn| turn * step % total).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..total), "{total}");
        }
    }

    #[test]
    fn least_request_leaves_out_the_busy_one() {
        let group = group(Balance::LeastRequest, &[1, 1]);
        group.members().all.members[0].running.store(5, Relaxed);
        assert_eq!(picked(&group, 100, &HeaderMap::new()).get("127.0.0.1:1"), None);
    }

    #[test]
    fn peak_ewma_prefers_the_quick_one() {
        let group = group(Balance::PeakEwma, &[1, 1]);
        group.members().all.members[0].took(Duration::from_millis(1));
        group.members().all.members[1].took(Duration::from_millis(10));
        assert_eq!(picked(&group, 100, &HeaderMap::new()).get("127.0.0.1:2"), None);
    }

    #[test]
    fn the_same_value_leads_to_the_same_member_and_few_move_when_one_goes() {
        let key = http::HeaderName::from_static("x-user");
        let group = group(Balance::RingHash(key.clone()), &[1, 1, 1, 1]);
        let of = |n: u32| {
            let mut headers = HeaderMap::new();
            headers.insert(key.clone(), n.to_string().parse().unwrap());
            let count = picked(&group, 3, &headers);
            assert_eq!(count.len(), 1);
            count.into_keys().next().unwrap()
        };
        let before: Vec<String> = (0..400).map(of).collect();
        group.members().all.members[0].set_ill(true);
        let moved = (0..400).filter(|n| of(*n) != before[*n as usize]).count();
        let theirs = before.iter().filter(|name| *name == "127.0.0.1:1").count();
        assert_eq!(moved, theirs, "only those of the member that went have moved");
        assert!((40..200).contains(&theirs), "{theirs}");
    }

    #[test]
    fn those_that_are_ill_are_left_out_until_too_few_are_left() {
        let group = group(Balance::LeastRequest, &[1, 1, 1, 1]);
        let members = group.members();
        members.all.members[0].set_ill(true);
        members.all.members[1].set_ill(true);
        assert_eq!(picked(&group, 200, &HeaderMap::new()).len(), 2);
        members.all.members[2].set_ill(true);
        assert_eq!(picked(&group, 400, &HeaderMap::new()).len(), 4, "one of four is less than half");
        assert!(group.counters.panics.load(Relaxed) > 0);
    }

    #[test]
    fn whether_it_is_a_panic_is_found_out_anew_when_something_changes() {
        let eject = settings::Eject {
            failures: 1,
            pause: Duration::from_millis(150),
            max_pause: Duration::from_secs(60),
        };
        let group = group(Balance::LeastRequest, &[1; 4]);
        let members = group.members();
        let panics = || in_panic(&group, &members.all);
        assert!(!panics());
        for member in &members.all.members[..3] {
            assert!(member.failed(&eject).is_some());
        }
        let since = Instant::now();
        assert!(panics() && panics());
        let looked = group.counters.panics.load(Relaxed);
        assert_eq!(looked, 2, "each request of a panic is counted");
        // The pause ends by itself.
        while panics() {
            assert!(since.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(since.elapsed() >= Duration::from_millis(150));
        members.all.members[0].set_looped(true);
        members.all.members[1].set_ill(true);
        members.all.members[2].set_ill(true);
        assert!(panics());
        members.all.members[2].set_ill(false);
        assert!(!panics());
    }

    #[test]
    fn a_cold_member_takes_a_part_of_its_share() {
        for balance in [Balance::LeastRequest, Balance::PeakEwma, Balance::RoundRobin, Balance::Weighted] {
            let name = format!("{balance:?}");
            let mut group = group(balance, &[1, 1]);
            group.settings.slow_start = Duration::from_secs(3600);
            let warm_up = |at: usize| {
                let mut members = group.members().all.members.to_vec();
                let mut warm = Member::new(members[at].found.clone(), 1, Arc::clone(&group.changes));
                warm.age(Duration::from_secs(7200));
                members[at] = Arc::new(warm);
                group.publish(members);
            };
            let share = |group: &Group| {
                let count = picked(group, 2000, &HeaderMap::new());
                count.get("127.0.0.1:2").copied().unwrap_or(0)
            };
            // Both are cold: both have the same.
            assert!((700..1300).contains(&share(&group)), "{name}");
            warm_up(0);
            assert!((20..500).contains(&share(&group)), "{name}: a tenth of a half, and not nothing");
            warm_up(1);
            assert!((700..1300).contains(&share(&group)), "{name}");
        }
    }

    #[test]
    fn of_whom_nothing_is_known_is_not_overrun() {
        let group = group(Balance::PeakEwma, &[1, 1]);
        let members = group.members();
        members.all.members[0].took(Duration::from_millis(10));
        members.all.members[1].running.store(1, Relaxed);
        assert_eq!(picked(&group, 100, &HeaderMap::new()).get("127.0.0.1:2"), None);
    }

    #[test]
    fn weights_of_any_size_make_a_ring_of_bounded_size() {
        let key = http::HeaderName::from_static("x-user");
        let group = group(Balance::RingHash(key), &[65_535, 32_768, 1]);
        let members = group.members();
        let ring = members.all.ring.as_ref().unwrap();
        let of = |at: usize| ring.0.iter().filter(|(_, member)| *member == at).count();
        assert_eq!((of(0), of(1), of(2)), (10_000, 5_000, 1));
    }

    #[test]
    fn a_member_that_was_tried_comes_last() {
        let group = group(Balance::LeastRequest, &[1, 1]);
        let members = group.members();
        let first = Arc::clone(&members.all.members[0]);
        for _ in 0..50 {
            let next = pick(&group, &members.all, &HeaderMap::new(), std::slice::from_ref(&first)).unwrap();
            assert!(!Arc::ptr_eq(&next, &first));
        }
        members.all.members[1].set_looped(true);
        let again = pick(&group, &members.all, &HeaderMap::new(), std::slice::from_ref(&first)).unwrap();
        assert!(Arc::ptr_eq(&again, &first));
    }
}
