//! One backend: how it is, what it carries, and its connections.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
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
}

/// The methods that a member is counted by; what is beyond counts as one.
const MAX_SERIES: usize = 1000;

/// A backend. It keeps its connections and what is known of it for as long as a source names it.
#[derive(Debug)]
pub struct Member {
    pub(in crate::proxy) found: Found,
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
    /// Since when it takes requests, in milliseconds since `born`: for the slow start.
    well_since: AtomicU64,
    born: Instant,
    /// It is this proxy itself.
    pub(in crate::proxy) looped: AtomicBool,
    /// The services that it says it serves; none: it cannot tell, and is taken to serve all.
    services: ArcSwapOption<Vec<String>>,
    /// Counters by path.
    series: Mutex<HashMap<Box<str>, Arc<Series>>>,
    rest: Arc<Series>,
    /// The time until an answer begins, in microseconds (peak EWMA).
    pub(in crate::proxy) ewma: AtomicU64,
}

impl Member {
    pub(in crate::proxy) fn new(found: Found, workers: usize) -> Self {
        Self {
            found,
            pools: (0..workers).map(|_| Pool::default()).collect(),
            links: (0..workers).map(|_| Links::default()).collect(),
            running: AtomicUsize::new(0),
            ill: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            well_since: AtomicU64::new(0),
            born: Instant::now(),
            looped: AtomicBool::new(false),
            services: ArcSwapOption::empty(),
            series: Mutex::default(),
            rest: Arc::default(),
            ewma: AtomicU64::new(0),
        }
    }

    /// How people call it.
    pub fn name(&self) -> &str {
        &self.found.name
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
        if news && !ill {
            self.well_since.store(self.now(), Relaxed);
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
        if self.ejections.load(Relaxed) != 0 && self.ejected_for().is_none() {
            self.ejections.store(0, Relaxed);
        }
    }

    /// A request failed by the member's fault. How long it is left out now, where it is.
    pub(in crate::proxy) fn failed(&self, eject: &super::super::settings::Eject) -> Option<Duration> {
        if self.failures.fetch_add(1, Relaxed).saturating_add(1) < eject.failures {
            return None;
        }
        self.failures.store(0, Relaxed);
        let before = self.ejections.fetch_add(1, Relaxed).min(20);
        let pause = eject.pause.saturating_mul(1 << before).min(eject.max_pause);
        let until = self.now().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self.ejected_until.store(until.max(1), Relaxed);
        self.well_since.store(until, Relaxed);
        Some(pause)
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
