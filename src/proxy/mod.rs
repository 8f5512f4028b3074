//! The forwarding proxy: it reads the head of a request, never the messages, and carries it to a backend that serves it.
//!
//! ```text
//!  client ══HTTP/2══ downstream ── forward ──(route, pick)── exchange ══HTTP/2══ backend
//!                        │            │                          │
//!                     accept      deadline, retries,        upstream: groups, members,
//!                     sniff       statuses                  one connection for many streams
//! ```
//!
//! - [`settings`]: what it is told;
//! - `accept`, `sniff`: from a socket to a protocol; `downstream`: a client's HTTP/2 connection;
//! - `route`: which requests go where; `forward`: one request, with its deadline and its attempts;
//! - `deadlines`: of all requests of a connection, with one timer;
//! - `exchange`: two streams joined frame by frame; `client`: the client's end of it;
//! - `reflect`: server reflection, where members differ in what they serve;
//! - `http2`: HTTP/2, both ends of it; `http1`: HTTP/1.1, with upgrades; `tcp`: raw bytes; `web`: gRPC-Web, where it is
//!   translated;
//! - [`upstream`]: the backends; `discover`: where they come from and what they serve; `health`: whether they are well;
//!   `ask`: how they are asked;
//! - `refuse`: what clients are told; `metrics`: what is counted; `log`: the access log; `trace`: names for requests;
//! - `admin`: the port that tells about all of it; `notes`: what happened lately.
//!
//! Instances are equal and keep nothing: what they know of backends they have asked. Traffic runs on worker threads,
//! each with a runtime and connections of its own, so that a request never changes threads.
//!
//! HTTP/2 is spoken by `http2`, on both sides: see `docs/proxy-http2.md`. A library that puts messages or bodies together
//! would add frames (an empty DATA after a trailers-only answer), and copies.

#![forbid(unsafe_code)]

mod accept;
mod admin;
mod ask;
mod client;
pub mod config;
mod deadlines;
mod discover;
mod downstream;
mod exchange;
mod forward;
mod headers;
mod health;
mod http1;
mod http2;
mod log;
mod metrics;
mod notes;
mod plan;
mod reflect;
mod refuse;
mod route;
pub mod settings;
mod sniff;
mod tcp;
mod trace;
pub mod upstream;
mod web;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use self::accept::Listening;
use self::discover::findings::Findings;
use self::forward::Outcome;
use self::log::Tally;
#[cfg(feature = "command")]
pub(crate) use self::log::rfc3339;
use self::metrics::{Counters, Series};
use self::notes::Notes;
use self::plan::Plan;
use self::settings::Settings;
use self::upstream::group::Own;
use self::worker::Worker;
use crate::error::InvalidArgument;
use crate::reactor::fork;
use crate::server::lifecycle::Phase;

/// How long the end waits for the access log to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// What all threads of a proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    plan: ArcSwap<Plan>,
    counters: Counters,
    own: Arc<Own>,
    findings: Findings,
    listening: ArcSwap<Vec<Arc<Listening>>>,
    phase: watch::Sender<Phase>,
    started: Instant,
    /// Requests that reached no backend.
    nowhere: Series,
    logged: Arc<Tally>,
    notes: Notes,
    /// Whether requests get a `traceparent`.
    trace: AtomicBool,
    admin: Mutex<Option<Box<admin::Port>>>,
}

impl Shared {
    /// A request has ended.
    fn ended(&self, outcome: &Outcome<'_>) {
        if outcome.member.is_none() {
            self.nowhere.ended(outcome.code, outcome.took, outcome.bytes);
        }
        if let Some(log) = &self.plan.load().log {
            log.write(outcome);
        }
    }
}

/// A proxy that runs, on threads of its own. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    /// In a forked child the threads are gone, and nothing of it is touched.
    running: fork::Bound<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// One reload at a time.
    reloading: Mutex<()>,
}

/// Why a proxy does not start, or does not take a configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Invalid(#[from] InvalidArgument),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] crate::server::ListenError),
    /// The access log cannot be opened.
    #[error("cannot open the access log {path}: {source}")]
    Log {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no thread, or none of what a thread needs.
    #[error("the proxy's threads cannot be started: {0}")]
    Thread(std::io::Error),
    /// It was inherited through a fork.
    #[error("the proxy runs in the parent of this process; a forked child starts its own")]
    Forked,
    /// It was told to end before.
    #[error("the proxy has been told to end; expected a new configuration before")]
    Ending,
}

impl Proxy {
    /// Listens, and carries what comes.
    ///
    /// # Errors
    ///
    /// Something in the settings cannot be used, or an address cannot be listened on. Nothing runs then.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        fork::install();
        let count = settings.workers.max(1);
        let shared = Arc::new(Shared {
            plan: ArcSwap::default(),
            counters: Counters::default(),
            own: Arc::default(),
            findings: Findings::default(),
            listening: ArcSwap::default(),
            phase: watch::Sender::new(Phase::Serving),
            started: Instant::now(),
            nowhere: Series::default(),
            logged: Arc::default(),
            notes: Notes::default(),
            trace: AtomicBool::new(false),
            admin: Mutex::default(),
        });
        let workers =
            (0..count).map(Worker::start).collect::<Result<Vec<_>, _>>().map_err(StartError::Thread)?;
        let running = Running { shared, workers, reloading: Mutex::default() };
        plan::apply(&running.shared, &running.workers, settings)?;
        Ok(Self { running: fork::Bound::new(running) })
    }

    fn running(&self) -> Result<&Running, StartError> {
        self.running.get().ok_or(StartError::Forked)
    }

    /// Takes other settings: all of them, or none. What runs goes on; backends and addresses that stay the same keep
    /// their connections.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); the old settings hold on then.
    pub fn reload(&self, settings: Settings) -> Result<(), StartError> {
        let running = self.running()?;
        let _alone = running.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        if *running.shared.phase.borrow() != Phase::Serving {
            return Err(StartError::Ending);
        }
        let counters = &running.shared.counters;
        let done = plan::apply(&running.shared, &running.workers, settings);
        let counter = if done.is_ok() { &counters.reloads } else { &counters.reloads_failed };
        counter.fetch_add(1, Relaxed);
        let said = match &done {
            Ok(()) => "a new configuration has taken effect".to_owned(),
            Err(why) => format!("a new configuration was refused: {why}"),
        };
        running.shared.notes.add(notes::Kind::Reload, said);
        done
    }

    /// Where it listens, as clients would dial it, in the order of the settings.
    pub fn targets(&self) -> Vec<String> {
        self.running.get().map_or_else(Vec::new, |running| {
            running.shared.listening.load().iter().map(|one| one.target.clone()).collect()
        })
    }

    /// Where the admin port listens, if there is one.
    pub fn admin(&self) -> Option<String> {
        self.running.get().and_then(|running| admin::target(&running.shared))
    }

    /// Begins to end: first for the time of [`Drain::notice`](settings::Drain) new connections are still taken, while
    /// the admin port says "draining"; then none are, clients are told to go away, and what runs may finish within
    /// [`Drain::grace`](settings::Drain). Can be called from any thread. Whether it had not begun before; the second
    /// time it does nothing.
    pub fn drain(&self) -> bool {
        self.begin_drain(None)
    }

    /// As [`drain`](Self::drain), with `grace` in the place of the settings'.
    pub fn drain_within(&self, grace: Duration) -> bool {
        self.begin_drain(Some(grace))
    }

    fn begin_drain(&self, grace: Option<Duration>) -> bool {
        self.running.get().is_some_and(|running| plan::drain(&running.shared, &running.workers, grace))
    }

    /// Whether it was inherited through a fork, and runs in the parent.
    pub fn is_stale(&self) -> bool {
        self.running.get().is_none()
    }

    /// Cuts everything.
    pub fn abort(&self) {
        if let Some(running) = self.running.get() {
            plan::abort(&running.shared);
        }
    }

    /// Notes that a configuration could not even be read.
    pub fn refused(&self, why: &str) {
        if let Some(running) = self.running.get() {
            running.shared.counters.reloads_failed.fetch_add(1, Relaxed);
            running.shared.notes.add(notes::Kind::Reload, format!("a new configuration was refused: {why}"));
        }
    }

    /// Resolves when nothing is served any more, after [`drain`](Self::drain) or [`abort`](Self::abort).
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let phase = self.running.get().map(|running| running.shared.phase.subscribe());
        async move {
            if let Some(mut phase) = phase {
                // An error: the proxy is gone, and serves nothing, either.
                let _ = phase.wait_for(|phase| *phase == Phase::Aborted).await;
            }
        }
    }

    /// As [`ended`](Self::ended), for a thread that has nothing else to do.
    pub fn wait(&self) {
        if let Some(worker) = self.worker() {
            // Nothing comes where the worker has ended.
            worker.block_on(self.ended());
        }
    }

    /// As [`wait`](Self::wait), up to `patience`: whether it has ended.
    pub fn wait_for(&self, patience: Duration) -> bool {
        let Some(worker) = self.worker() else { return true };
        let ended = self.ended();
        worker.block_on(async move { tokio::time::timeout(patience, ended).await.is_ok() }).unwrap_or(true)
    }

    /// Runs tasks for whoever embeds the proxy: the runtime of a thread that carries traffic, so they must be quick.
    #[cfg(feature = "capi")]
    pub(crate) fn handle(&self) -> Option<&tokio::runtime::Handle> {
        self.worker().map(Worker::handle)
    }

    fn worker(&self) -> Option<&Worker> {
        self.running.get().and_then(|running| running.workers.first())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        plan::abort(&self.shared);
        for worker in &mut self.workers {
            worker.stop();
        }
        admin::put(&self.shared, admin::Next::Other(None));
        if let Some(log) = &self.shared.plan.load().log {
            log.finish(LOG_PATIENCE);
        }
    }
}
