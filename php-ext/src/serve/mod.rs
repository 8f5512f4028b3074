//! Serving: from the core's inbox to handlers and back.
//!
//! - [`handler`]: a callable and what its signature says;
//! - [`signature`]: reading that signature;
//! - [`job`]: running a handler for one call;
//! - [`messages`]: walking over what a streaming handler returns;
//! - [`overdue`]: handlers that do not come back, when the server stops;
//! - [`forwarding`]: waiting while a proxy runs.
//!
//! Answers of handlers that return one message are not sent at once: they wait in the outbox until the
//! reactor has its turn, and leave together.

pub(crate) mod forwarding;
pub(crate) mod handler;
mod job;
mod messages;
mod overdue;
pub(crate) mod signature;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use viaduct::Status;
use viaduct::reactor::fork::abandon;
use viaduct::server::{
    Inbox, ListenError, Listener, Router, Server as Core, ServerCall, ServerConfig, ServerHandle,
};

use self::handler::Handler;
use crate::errors::{self, Thrown};
use crate::fiber;
use crate::scheduler::{Job, Scheduler, Source};
use crate::signals::{StopSignals, Told};
use crate::zend::{self, walk::Observed};

/// How long the engine goes on after a fatal error: what it can still answer leaves within this.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often the error log hears that calls wait as no fiber can be started.
const STARVED_LOG: Duration = Duration::from_secs(10);

/// A server that runs.
pub(crate) struct Serving {
    handlers: Vec<Rc<Handler>>,
    inbox: Inbox,
    handle: ServerHandle,
    concurrency: usize,
    expose_errors: bool,
    /// The longest message that is sent. It is ours to look at, as messages leave in batches.
    max_send: Option<usize>,
    /// The calls whose handlers run, and the answers that wait.
    shared: overdue::LocalShared,
    running_count: Cell<usize>,
    /// No fiber could be started: the next call begins when a handler has ended.
    starved: Cell<bool>,
    starved_log: Cell<Option<Instant>>,
    /// Set by `stop()`, and by a handler that called `exit()`.
    stop: Rc<Stop>,
    exit: Cell<bool>,
    signals: StopSignals,
    drained: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
}

/// An answer that waits for the reactor's turn.
enum Answer {
    Reply(ServerCall, Bytes, HeaderMap),
    Finish(ServerCall, Status, HeaderMap),
}

/// What a server is made of.
pub(crate) struct Parts {
    pub(crate) config: ServerConfig,
    pub(crate) router: Router,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) handlers: Vec<Rc<Handler>>,
    pub(crate) concurrency: usize,
    pub(crate) expose_errors: bool,
    pub(crate) max_send: Option<usize>,
    pub(crate) stop: Rc<Stop>,
}

/// How `stop()` tells a server.
#[derive(Default)]
pub(crate) struct Stop {
    told: Cell<bool>,
    shared: RefCell<Option<Arc<overdue::Shared>>>,
}

impl Stop {
    pub(crate) fn tell(&self) {
        self.told.set(true);
        if let Some(shared) = &*self.shared.borrow() {
            shared.stop();
        }
    }
}

/// How calls end whose handlers a fatal error stops.
fn fatal() -> Status {
    Status::internal("the server process ended with a fatal error")
}

/// Serves until told to stop.
pub(crate) fn run(scheduler: &Rc<Scheduler>, parts: Parts) -> Result<(), Thrown> {
    if parts.concurrency > 1 {
        fiber::check_stack_size()?;
    }
    let inbox = Inbox::with_handlers(parts.config.max_queued, parts.concurrency);
    let signals = StopSignals::catch()?;
    let shared = Arc::<overdue::Shared>::default();
    *parts.stop.shared.borrow_mut() = Some(Arc::clone(&shared));
    let drain_timeout = parts.config.drain_timeout;
    // At drainTimeout the calls that are left are answered, and the answers leave before the connections are cut.
    let config = ServerConfig { drain_timeout: drain_timeout + overdue::GRACE, ..parts.config };
    let started = scheduler.reactor.block_on(async {
        let handle = Core::start(config, parts.router, parts.listeners, inbox.clone())?;
        let watch = tokio::spawn(overdue::watch(overdue::Parts {
            shared: Arc::clone(&shared),
            handle: handle.clone(),
            inbox: inbox.clone(),
            signals: signals.watch(),
            owner: scheduler.reactor.owner(),
            php: Observed::this_thread(),
            handlers: parts.handlers.iter().map(|h| (h.method.clone(), h.place.clone())).collect(),
            drain_timeout,
            log: overdue::Log::of(&zend::setting(c"error_log")),
        }));
        Ok::<_, ListenError>((handle, watch))
    });
    let (handle, watch) =
        started.map_err(|why| errors::runtime(format!("the server cannot be started: {why}")))?;
    let serving = Rc::new(Serving {
        handlers: parts.handlers,
        inbox,
        handle,
        concurrency: parts.concurrency,
        expose_errors: parts.expose_errors,
        max_send: parts.max_send,
        shared: Rc::new(shared),
        running_count: Cell::new(0),
        starved: Cell::new(false),
        starved_log: Cell::new(None),
        stop: parts.stop,
        exit: Cell::new(false),
        signals,
        drained: RefCell::default(),
    });
    let source: Rc<dyn Source> = Rc::new(Jobs(Rc::clone(&serving)));
    let outcome = loop {
        let outcome = scheduler.serve(&source, serving.concurrency > 1);
        // A task beside the handlers called `exit()`: it is heard as if a handler had.
        if !matches!(outcome, Err(Thrown::Pending)) || !errors::take_exit() {
            break outcome;
        }
        serving.exit.set(true);
        serving.stop.tell();
    };
    if let Err(Thrown::Bailout) = outcome {
        serving.last_words(scheduler);
    }
    if scheduler.reactor.is_stale() {
        // A forked child that came back here: the server is its parent's.
        let exit = serving.exit.get();
        abandon((serving, watch));
        return if exit && outcome.is_ok() { Err(errors::exit()) } else { outcome };
    }
    serving.shared.finish();
    watch.abort();
    // What the last turn has queued still leaves.
    scheduler.reactor.turn();
    if outcome.is_ok() && serving.exit.get() {
        return Err(errors::exit());
    }
    outcome
}

/// The server as the scheduler sees it.
struct Jobs(Rc<Serving>);

/// The place of a call that was taken from the inbox.
struct Held(Rc<Serving>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.inbox.release();
    }
}

impl Source for Jobs {
    fn next(&self) -> Option<Job> {
        let this = &self.0;
        if !this.may_begin() {
            return None;
        }
        let incoming = this.inbox.take_counted()?;
        let held = Held(Rc::clone(this));
        this.running_count.set(this.running_count.get() + 1);
        Some(Box::new(move || {
            let serving = &held.0;
            let (call, method) = (incoming.call.clone(), incoming.method);
            let place = serving.shared.begin(overdue::Call { call, method, fiber: fiber::current() });
            let answer = job::run(serving, incoming);
            serving.shared.end(place, answer);
            serving.running_count.set(serving.running_count.get() - 1);
            serving.starved.set(false);
        }))
    }

    fn has_next(&self) -> bool {
        !self.0.inbox.is_empty() && self.0.may_begin()
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.0.may_begin() {
            // A handler that ends does so on this thread, and the loop comes round then.
            return Poll::Pending;
        }
        self.0.inbox.poll_ready(cx)
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_end(cx)
    }

    fn starve(&self, why: &str) {
        self.0.starve(why);
    }

    fn poll_told(&self, cx: &mut Context<'_>) {
        self.0.poll_told(cx);
    }
}

impl Serving {
    /// Whether one more handler may run.
    fn may_begin(&self) -> bool {
        !self.starved.get() && self.running_count.get() < self.concurrency
    }

    /// See [`Source::starve`].
    fn starve(&self, why: &str) {
        let logged = self.starved_log.get();
        if logged.is_none_or(|at| at.elapsed() > STARVED_LOG) {
            self.starved_log.set(Some(Instant::now()));
            errors::log(&format!(
                "viaduct: {why}; {} handlers run, {} calls wait until one ends",
                self.running_count.get(),
                self.inbox.len()
            ));
        }
        if self.running_count.get() > 0 {
            self.starved.set(true);
        } else if let Some(incoming) = self.inbox.pop() {
            let status = Status::resource_exhausted(format!("the server cannot run the handler: {why}"));
            self.shared.answer(Answer::Finish(incoming.call, status, HeaderMap::new()));
        }
    }

    /// Sends what waits for the reactor's turn.
    fn flush(&self) {
        self.shared.flush();
    }

    /// Begins to drain where the server was told to stop; a second signal, a second later or more, ends that.
    fn poll_told(&self, cx: &mut Context<'_>) {
        let told = self.signals.poll_told(cx);
        let mut drained = self.drained.borrow_mut();
        if drained.is_some() {
            if told == Some(Told::Again) {
                self.handle.abort();
            }
        } else if told.is_some() || self.stop.told.get() {
            self.handle.drain();
            self.shared.stop();
            let handle = self.handle.clone();
            *drained = Some(Box::pin(async move { handle.drained().await }));
        }
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_told(cx);
        match &mut *self.drained.borrow_mut() {
            Some(drained) => drained.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// After a fatal error no PHP code runs any more: every call that is here gets its status.
    fn last_words(&self, scheduler: &Scheduler) {
        let running = self.shared.running();
        scheduler.reactor.block_on(async {
            self.flush();
            for running in running {
                let _ = running.call.finish(fatal(), HeaderMap::new());
            }
            while let Some(incoming) = self.inbox.pop() {
                let status = Status::unavailable("the server process is ending; no handler has run");
                let _ = incoming.call.finish(status, HeaderMap::new());
            }
            self.handle.drain();
            let _ = tokio::time::timeout(LAST_WORDS, self.handle.drained()).await;
        });
    }
}
