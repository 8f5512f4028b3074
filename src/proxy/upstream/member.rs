//! One backend: how it is, what it carries, and its connections.

use std::collections::HashMap;
use std::sync::atomic::{
    AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::super::metrics::Series;
use super::link::Links;
use super::lock;
use super::pool::Pool;
use crate::transport::dial::Address;

/// What a source says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it listens.
    pub address: Address,
    /// How people call it: the text of the configuration, or the name that was resolved and the address.
    pub name: String,
    /// The host for certificates and `:authority`: `greeter.internal:50051`.
    pub authority: String,
    /// Its share, relative to the others'.
    pub weight: u32,
    /// A member is given requests only while none with a smaller number is well.
    pub priority: u16,
}

/// How fast a measured latency fades: to a third within this.
const FADE: Duration = Duration::from_secs(10);

/// The methods that a member is counted by; what is beyond counts as one.
const MAX_SERIES: usize = 1000;

/// A backend. It keeps its connections and what is known of it for as long as a source names it.
#[derive(Debug)]
pub struct Member {
    /// As it was found first. Weight and priority may be others by now: see [`weight`](Self::weight).
    pub(in crate::proxy) found: Found,
    weight: AtomicU32,
    priority: AtomicU16,
    /// One for each worker.
    pub(in crate::proxy) pools: Box<[Pool]>,
    /// Unused HTTP/1.1 connections, by worker.
    pub(in crate::proxy) links: Box<[Links]>,
    /// Requests that it has now, of all workers.
    pub(in crate::proxy) running: AtomicUsize,
    /// Active checks say that it is ill.
    ill: AtomicBool,
    /// Failures in a row.
    failures: AtomicU32,
    /// How often in a row it was left out.
    ejections: AtomicU32,
    /// Left out until then, in milliseconds since `born`; 0: it is not.
    ejected_until: AtomicU64,
    /// For how long it was left out the last time, in milliseconds.
    pause: AtomicU64,
    /// Since when it takes requests, in milliseconds since `born`: for the slow start.
    well_since: AtomicU64,
    born: Instant,
    /// It is this proxy itself.
    pub(in crate::proxy) looped: AtomicBool,
    /// The group's: counts what changes in how its members are.
    changes: Arc<AtomicU64>,
    /// How many connections the first worker has made to it.
    pub(in crate::proxy) made: AtomicU64,
    /// The services that it says it serves; none: it cannot tell, and is taken to serve all.
    services: ArcSwapOption<Vec<String>>,
    /// Counters by path.
    series: Mutex<HashMap<Box<str>, Arc<Series>>>,
    rest: Arc<Series>,
    /// The time until an answer begins, in microseconds (peak EWMA), as of `measured`; 0: nobody knows.
    pub(in crate::proxy) ewma: AtomicU64,
    /// In milliseconds since `born`.
    measured: AtomicU64,
}

impl Member {
    pub(in crate::proxy) fn new(found: Found, workers: usize, changes: Arc<AtomicU64>) -> Self {
        Self {
            weight: AtomicU32::new(found.weight),
            priority: AtomicU16::new(found.priority),
            found,
            pools: (0..workers).map(|_| Pool::default()).collect(),
            links: (0..workers).map(|_| Links::default()).collect(),
            running: AtomicUsize::new(0),
            ill: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            pause: AtomicU64::new(0),
            well_since: AtomicU64::new(0),
            born: Instant::now(),
            looped: AtomicBool::new(false),
            changes,
            made: AtomicU64::new(0),
            services: ArcSwapOption::empty(),
            series: Mutex::default(),
            rest: Arc::default(),
            ewma: AtomicU64::new(0),
            measured: AtomicU64::new(0),
        }
    }

    /// Its share, relative to the others'; at least 1.
    #[inline]
    pub(in crate::proxy) fn weight(&self) -> u32 {
        self.weight.load(Relaxed).max(1)
    }

    /// See [`Found::priority`].
    pub(super) fn priority(&self) -> u16 {
        self.priority.load(Relaxed)
    }

    /// Gives it another share and another priority. It keeps everything else.
    pub(super) fn set_share(&self, found: &Found) {
        self.weight.store(found.weight, Relaxed);
        self.priority.store(found.priority, Relaxed);
    }

    /// How it is has changed: what was found out about its group holds no longer.
    fn changed(&self) {
        self.changes.fetch_add(1, Release);
    }

    /// How people call it.
    pub fn name(&self) -> &str {
        &self.found.name
    }

    /// As if so much time had passed.
    #[cfg(test)]
    pub(super) fn age(&mut self, span: Duration) {
        self.born -= span;
    }

    /// Lets the connections end with their last requests.
    pub(in crate::proxy) fn retire(&self) {
        self.pools.iter().for_each(Pool::retire);
        self.links.iter().for_each(Links::retire);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it may be given requests.
    #[inline]
    pub(in crate::proxy) fn is_well(&self) -> bool {
        if self.ill.load(Relaxed) || self.looped.load(Relaxed) {
            return false;
        }
        match self.ejected_until.load(Relaxed) {
            0 => true,
            until => until <= self.now(),
        }
    }

    /// Whether active checks call it ill.
    pub(in crate::proxy) fn is_ill(&self) -> bool {
        self.ill.load(Relaxed)
    }

    /// For how long it is still left out.
    pub(in crate::proxy) fn ejected_for(&self) -> Option<Duration> {
        match self.ejected_until.load(Relaxed).saturating_sub(self.now()) {
            0 => None,
            left => Some(Duration::from_millis(left)),
        }
    }

    /// What active checks say. Whether that is news.
    pub(in crate::proxy) fn set_ill(&self, ill: bool) -> bool {
        let news = self.ill.swap(ill, Relaxed) != ill;
        if news {
            if !ill {
                self.well_since.store(self.now(), Relaxed);
            }
            self.changed();
        }
        news
    }

    /// Whether it is this proxy itself. Whether that is news.
    pub(in crate::proxy) fn set_looped(&self, looped: bool) -> bool {
        let news = self.looped.swap(looped, Relaxed) != looped;
        if news {
            self.changed();
        }
        news
    }

    /// How much of its share it takes by now, between 0 and 1.
    pub(in crate::proxy) fn warmth(&self, slow_start: Duration) -> f64 {
        if slow_start.is_zero() {
            return 1.0;
        }
        let awake = self.now().saturating_sub(self.well_since.load(Relaxed));
        (awake as f64 / slow_start.as_millis().max(1) as f64).clamp(0.1, 1.0)
    }

    /// A request went well.
    #[inline]
    pub(in crate::proxy) fn succeeded(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        // One good answer does not make it reliable: it has to be back for as long as it was away.
        if self.ejections.load(Relaxed) != 0 {
            let back = self.ejected_until.load(Relaxed).saturating_add(self.pause.load(Relaxed));
            if back <= self.now() {
                self.ejections.store(0, Relaxed);
            }
        }
    }

    /// A request failed by the member's fault. How long it is left out now, where it is.
    pub(in crate::proxy) fn failed(&self, eject: &super::super::settings::Eject) -> Option<Duration> {
        let (now, seen) = (self.now(), self.ejected_until.load(Relaxed));
        if seen > now {
            // Requests that were under way when it was left out fail together, and for the same reason.
            return None;
        }
        if self.failures.fetch_add(1, Relaxed).saturating_add(1) < eject.failures {
            return None;
        }
        let before = self.ejections.load(Relaxed).min(20);
        let pause = eject.pause.saturating_mul(1 << before).min(eject.max_pause);
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let until = now.saturating_add(millis).max(1);
        // One of those that come here at once does it.
        self.ejected_until.compare_exchange(seen, until, Relaxed, Relaxed).ok()?;
        self.failures.store(0, Relaxed);
        self.ejections.fetch_add(1, Relaxed);
        self.pause.store(millis, Relaxed);
        self.well_since.store(until, Relaxed);
        self.changed();
        Some(pause)
    }

    /// An answer began after this long: what is slow counts at once, what is quick by an eighth.
    pub(in crate::proxy) fn took(&self, took: Duration) {
        let new = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.latency().map_or(0, |latency| latency as u64);
        let next = if new > old { new } else { old - (old - new) / 8 };
        self.ewma.store(next, Relaxed);
        self.measured.store(self.now(), Relaxed);
    }

    /// How long an answer is expected to take to begin, in microseconds; none where nobody knows. What was measured
    /// fades, or a member that was slow once would not be asked again.
    pub(in crate::proxy) fn latency(&self) -> Option<f64> {
        let measured = match self.ewma.load(Relaxed) {
            0 => return None,
            measured => measured as f64,
        };
        let age = self.now().saturating_sub(self.measured.load(Relaxed));
        Some(measured * (-(age as f64) / FADE.as_millis() as f64).exp())
    }

    /// The services that it says it serves.
    pub(in crate::proxy) fn services(&self) -> Option<Arc<Vec<String>>> {
        self.services.load_full()
    }

    /// Remembers what it says. Whether that is news.
    pub(in crate::proxy) fn set_services(&self, services: Option<Vec<String>>) -> bool {
        let news = self.services.load().as_deref() != services.as_ref();
        if news {
            self.services.store(services.map(Arc::new));
        }
        news
    }

    /// The counters of a path.
    #[inline]
    pub(in crate::proxy) fn series(&self, path: &str) -> Arc<Series> {
        let mut series = lock(&self.series);
        if let Some(found) = series.get(path) {
            return Arc::clone(found);
        }
        if series.len() >= MAX_SERIES {
            return Arc::clone(&self.rest);
        }
        let new = Arc::<Series>::default();
        series.insert(path.into(), Arc::clone(&new));
        new
    }

    /// All counters, by path; those of what is beyond the limit under an empty one.
    pub(in crate::proxy) fn all_series(&self) -> Vec<(Box<str>, Arc<Series>)> {
        let mut all: Vec<_> = lock(&self.series).iter().map(|(p, s)| (p.clone(), Arc::clone(s))).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.push(("".into(), Arc::clone(&self.rest)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::Eject;
    use super::*;

    fn member() -> Member {
        let name = "127.0.0.1:1".to_owned();
        let address = Address::Tcp(name.parse().unwrap());
        Member::new(
            Found { address, authority: name.clone(), name, weight: 1, priority: 0 },
            1,
            Arc::default(),
        )
    }

    #[test]
    fn the_pause_doubles_until_it_has_been_well_for_as_long() {
        let eject = Eject { failures: 2, pause: Duration::from_secs(10), max_pause: Duration::from_secs(30) };
        let mut member = member();
        let pause = |member: &Member| (member.failed(&eject), member.failed(&eject)).1.map(|p| p.as_secs());
        assert_eq!(member.failed(&eject), None);
        member.succeeded();
        assert_eq!(pause(&member), Some(10), "two in a row");
        assert!(!member.is_well());
        // What was under way fails with it, and is no reason for more.
        for _ in 0..100 {
            assert_eq!(member.failed(&eject), None);
        }
        member.age(Duration::from_secs(11));
        assert!(member.is_well());
        member.succeeded();
        assert_eq!(pause(&member), Some(20), "one good answer is not enough");
        member.age(Duration::from_secs(21));
        assert_eq!(pause(&member), Some(30), "no longer than the longest");
        member.age(Duration::from_secs(31));
        member.age(Duration::from_secs(30));
        member.succeeded();
        assert_eq!(pause(&member), Some(10), "it has been back for as long as it was away");
    }

    #[test]
    fn of_many_that_fail_at_once_one_leaves_the_member_out() {
        let eject = Eject { failures: 5, pause: Duration::from_secs(10), max_pause: Duration::from_secs(60) };
        let member = member();
        let left_out: usize = std::thread::scope(|scope| {
            let fail = || (0..1000).filter_map(|_| member.failed(&eject)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(fail)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(left_out, 1);
        assert!(member.ejected_for().is_some_and(|left| left <= Duration::from_secs(10)));
    }

    #[test]
    fn it_warms_up_from_the_moment_it_is_well() {
        let slow = Duration::from_secs(100);
        let mut member = member();
        assert!(member.warmth(slow) < 0.11);
        member.age(Duration::from_secs(50));
        assert!((0.49..0.6).contains(&member.warmth(slow)));
        member.age(Duration::from_secs(50));
        assert!(member.warmth(slow) >= 1.0);
        assert!(member.set_ill(true) && !member.set_ill(true) && member.set_ill(false));
        assert!(member.warmth(slow) < 0.11, "well again is like new");
        assert!(member.warmth(Duration::ZERO) >= 1.0);
    }

    #[test]
    fn a_measured_latency_peaks_and_fades() {
        let mut member = member();
        assert_eq!(member.latency(), None);
        member.took(Duration::from_millis(8));
        assert!((7_900.0..=8_000.0).contains(&member.latency().unwrap()));
        member.took(Duration::from_millis(800));
        assert!(member.latency().unwrap() > 790_000.0, "slow counts at once");
        member.took(Duration::ZERO);
        assert!((690_000.0..=700_001.0).contains(&member.latency().unwrap()), "quick by an eighth");
        member.age(3 * FADE);
        assert!(member.latency().unwrap() < 36_000.0);
    }
}
