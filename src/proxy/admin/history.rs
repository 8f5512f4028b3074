//! The last minute, second by second: what the page draws, and the figures "per second".
//!
//! Counters only grow. Once a second their growth is noted here, for the proxy as a whole, for each backend and for
//! each method; and who came, went or fell ill since the second before becomes a note.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use serde_json::{Value, json};
use tonic::Code;

use crate::proxy::Shared;
use crate::proxy::metrics::{BOUNDS, Series};
use crate::proxy::notes::{Kind, Notes};
use crate::proxy::upstream::Member;

/// How far back it goes.
const SECONDS: usize = 60;

/// The figures "per second", and the quantiles, are of the last ten seconds.
const WINDOW: usize = 10;

/// Methods that are followed; what is beyond counts as one.
const METHODS: usize = 1000;

/// The statuses that are the server's fault, as OpenTelemetry has them for gRPC. A NOT_FOUND is an answer.
pub(super) fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// How a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Well,
    Ill,
    Ejected,
    /// No connection stands, and the last attempt failed.
    Unreachable,
    Loop,
}

impl State {
    pub(super) fn of(member: &Member) -> Self {
        if member.looped.load(Relaxed) {
            Self::Loop
        } else if member.is_ill() {
            Self::Ill
        } else if member.ejected_for().is_some() {
            Self::Ejected
        } else if member.pools.iter().any(|pool| pool.failure().is_some())
            && member.pools.iter().all(|pool| pool.len() == 0)
        {
            Self::Unreachable
        } else {
            Self::Well
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Ill => "ill",
            Self::Ejected => "ejected",
            Self::Unreachable => "unreachable",
            Self::Loop => "loop",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Well => "is well again",
            Self::Ill => "fails its health checks",
            Self::Ejected => "is left out for its failures",
            Self::Unreachable => "cannot be reached",
            Self::Loop => "leads back to this proxy, and is left out",
        }
    }
}

type Times = [u64; BOUNDS.len() + 1];

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) errors: u64,
    times: Times,
}

impl Totals {
    pub(super) fn add(&mut self, series: &Series) {
        let codes = series.codes();
        for (number, count) in codes.iter().enumerate() {
            self.requests += count;
            if is_error(Code::from_i32(i32::try_from(number).unwrap_or_default())) {
                self.errors += count;
            }
        }
        self.add_times(&series.times());
    }

    fn add_times(&mut self, times: &Times) {
        for (sum, count) in self.times.iter_mut().zip(times) {
            *sum += count;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.add_times(&other.times);
    }

    /// What was added since `before`. Where a backend has gone with its counters, nothing was.
    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            times: std::array::from_fn(|n| {
                let at = |times: &Times| times.get(n).copied().unwrap_or_default();
                at(&self.times).saturating_sub(at(&before.times))
            }),
        }
    }

    /// The time within which this share of them ended, in seconds: exact to the bounds, between them in proportion.
    fn quantile(&self, share: f64) -> Option<f64> {
        let all: u64 = self.times.iter().sum();
        let wanted = share * all as f64;
        let mut before = 0;
        let mut low = 0;
        for (count, high) in self.times.iter().zip(BOUNDS) {
            if *count > 0 && (before + count) as f64 >= wanted {
                let part = (wanted - before as f64) / *count as f64;
                return Some((low as f64 + part * (high - low) as f64) / 1e6);
            }
            before += count;
            low = high;
        }
        // Beyond the last bound nothing is known but that.
        (all > 0).then_some(low as f64 / 1e6)
    }
}

/// What one thing did in the last minute.
#[derive(Debug, Default)]
pub(super) struct Track {
    last: Totals,
    /// Requests and errors of each second.
    seconds: VecDeque<(u64, u64)>,
    /// The last ten of them in full.
    window: VecDeque<Totals>,
    states: VecDeque<State>,
}

impl Track {
    fn from(last: Totals) -> Self {
        Self { last, ..Self::default() }
    }

    fn tick(&mut self, now: Totals) {
        let grown = now.since(&self.last);
        self.last = now;
        push(&mut self.seconds, (grown.requests, grown.errors), SECONDS);
        push(&mut self.window, grown, WINDOW);
    }

    pub(super) fn last_minute(&self) -> u64 {
        self.seconds.iter().map(|(requests, _)| requests).sum()
    }

    /// The figures of the last ten seconds, and the history.
    pub(super) fn describe(&self, seconds: f64, into: &mut Value) {
        let mut sum = Totals::default();
        self.window.iter().for_each(|one| sum.merge(one));
        let seconds = seconds.max(1.0);
        into["requests_per_second"] = json!(rounded(sum.requests as f64 / seconds));
        into["errors_per_second"] = json!(rounded(sum.errors as f64 / seconds));
        into["p50_seconds"] = json!(sum.quantile(0.5));
        into["p99_seconds"] = json!(sum.quantile(0.99));
        let (requests, errors): (Vec<u64>, Vec<u64>) = self.seconds.iter().copied().unzip();
        into["last_minute"] = json!({ "requests": requests, "errors": errors });
        if !self.states.is_empty() {
            let states: Vec<&str> = self.states.iter().map(|state| state.name()).collect();
            into["last_minute"]["states"] = json!(states);
        }
    }
}

fn push<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(value);
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The last minute of everything.
#[derive(Debug, Default)]
pub(super) struct History {
    ticks: VecDeque<Instant>,
    pub(super) all: Track,
    /// By address in memory; the member is held, so that no other can have it meanwhile.
    members: HashMap<usize, (Arc<Member>, Track)>,
    methods: HashMap<Box<str>, Track>,
    /// Backends and services that were there the second before, by group.
    known: BTreeMap<(String, String), State>,
    served: BTreeSet<(String, String)>,
}

fn key(member: &Arc<Member>) -> usize {
    Arc::as_ptr(member) as usize
}

impl History {
    /// Begins with what is there.
    pub(super) fn new(shared: &Shared, now: Instant) -> Self {
        let mut new = Self::default();
        new.tick(shared, &Notes::default(), now);
        for track in [&mut new.all]
            .into_iter()
            .chain(new.members.values_mut().map(|(_, track)| track))
            .chain(new.methods.values_mut())
        {
            *track = Track::from(track.last);
        }
        new
    }

    /// A second has passed.
    pub(super) fn tick(&mut self, shared: &Shared, notes: &Notes, now: Instant) {
        push(&mut self.ticks, now, WINDOW + 1);
        let plan = shared.plan.load_full();
        let mut all = Totals::default();
        all.add(&shared.nowhere);
        let mut methods: HashMap<Box<str>, Totals> = HashMap::new();
        let mut members = HashMap::new();
        let mut known = BTreeMap::new();
        let mut served = BTreeSet::new();
        for group in &plan.groups {
            let now = group.members();
            for service in now.services() {
                served.insert((group.name().to_owned(), service.to_owned()));
            }
            for member in now.all.members.iter() {
                let mut sum = Totals::default();
                for (path, series) in member.all_series() {
                    let mut one = Totals::default();
                    one.add(&series);
                    sum.merge(&one);
                    let full = methods.len() >= METHODS && !methods.contains_key(&path);
                    let path = if full { Box::default() } else { path };
                    methods.entry(path).or_default().merge(&one);
                }
                all.merge(&sum);
                let state = State::of(member);
                known.insert((group.name().to_owned(), member.name().to_owned()), state);
                let (_, mut track) = self
                    .members
                    .remove(&key(member))
                    .unwrap_or_else(|| (Arc::clone(member), Track::default()));
                track.tick(sum);
                push(&mut track.states, state, SECONDS);
                members.insert(key(member), (Arc::clone(member), track));
            }
        }
        self.members = members;
        self.all.tick(all);
        self.methods.retain(|path, _| methods.contains_key(path));
        for (path, totals) in methods {
            self.methods.entry(path).or_default().tick(totals);
        }
        self.note(known, served, notes);
    }

    /// What is other than the second before.
    fn note(
        &mut self,
        known: BTreeMap<(String, String), State>,
        served: BTreeSet<(String, String)>,
        notes: &Notes,
    ) {
        for ((group, name), state) in &known {
            match self.known.get(&(group.clone(), name.clone())) {
                None => notes.add(Kind::Backend, format!("{group}: {name} has come")),
                Some(before) if before != state => {
                    notes.add(Kind::Backend, format!("{group}: {name} {}", state.sentence()));
                }
                Some(_) => {}
            }
        }
        for (group, name) in self.known.keys().filter(|one| !known.contains_key(*one)) {
            notes.add(Kind::Backend, format!("{group}: {name} has gone"));
        }
        for (group, service) in served.difference(&self.served) {
            notes.add(Kind::Service, format!("{group}: {service} is served"));
        }
        for (group, service) in self.served.difference(&served) {
            notes.add(Kind::Service, format!("{group}: {service} is served by nobody any more"));
        }
        (self.known, self.served) = (known, served);
    }

    /// How long the window is.
    pub(super) fn seconds(&self) -> f64 {
        match (self.ticks.front(), self.ticks.back()) {
            (Some(first), Some(last)) => last.duration_since(*first).as_secs_f64(),
            _ => 0.0,
        }
    }

    pub(super) fn member(&self, member: &Arc<Member>) -> Option<&Track> {
        self.members.get(&key(member)).map(|(_, track)| track)
    }

    pub(super) fn method(&self, path: &str) -> Option<&Track> {
        self.methods.get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn counted(times: &[(u64, Code)]) -> Totals {
        let series = Series::default();
        for (micros, code) in times {
            series.ended(*code, Duration::from_micros(*micros), (0, 0));
        }
        let mut totals = Totals::default();
        totals.add(&series);
        totals
    }

    #[test]
    fn quantiles_lie_between_their_bounds() {
        assert_eq!(Totals::default().quantile(0.5), None);
        let even = counted(&[(50, Code::Ok); 4]);
        assert_eq!(even.quantile(0.5), Some(50e-6));
        let mut times = vec![(80, Code::Ok); 99];
        times.push((400_000, Code::Ok));
        let one_slow = counted(&times);
        assert!(one_slow.quantile(0.5).unwrap() < 100e-6);
        assert_eq!(one_slow.quantile(0.99), Some(100e-6));
        assert_eq!(one_slow.quantile(1.0), Some(0.5));
        assert_eq!(counted(&[(60_000_000, Code::Ok)]).quantile(0.5), Some(10.0));
    }

    #[test]
    fn an_answer_is_no_error() {
        let totals = counted(&[(1, Code::NotFound), (1, Code::Unavailable), (1, Code::Cancelled)]);
        assert_eq!((totals.requests, totals.errors), (3, 1));
    }

    #[test]
    fn a_track_has_the_growth_of_each_second() {
        let mut track = Track::default();
        for n in 1..=70 {
            track.tick(Totals { requests: n * 2, errors: n, times: [0; BOUNDS.len() + 1] });
        }
        // A backend has gone with its counters.
        track.tick(Totals::default());
        assert_eq!((track.seconds.len(), track.window.len()), (SECONDS, WINDOW));
        assert_eq!((track.last_minute(), track.seconds.back()), (118, Some(&(0, 0))));
        let mut told = json!({});
        track.describe(10.0, &mut told);
        assert_eq!((&told["requests_per_second"], &told["errors_per_second"]), (&json!(1.8), &json!(0.9)));
        assert_eq!(told["last_minute"]["requests"].as_array().unwrap().len(), SECONDS);
    }
}
