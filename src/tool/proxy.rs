//! `viaduct proxy`: a proxy that runs until it is told to end.
//!
//! SIGTERM and SIGINT drain it, a second one cuts what is left. SIGHUP and a file that has changed (the configuration,
//! and the certificates and keys that it names) let it read everything anew: what cannot be used is told, and changes
//! nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use tracing::metadata::LevelFilter;

use super::server::span;
use super::watch::{self, Watch};
use super::{Failure, log, manager, print};
use crate::proxy::Proxy;
use crate::proxy::config::{self, Loaded};
use crate::proxy::settings::Settings;
use crate::server::inherited;

/// Forward requests to the backends that serve them.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "SIGHUP, and a change of the file, lets it read the configuration anew; SIGTERM and SIGINT let it \
                        end when what runs has ended, and at once the second time. VIADUCT_LOG stands in for --log."
)]
pub struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE", required_unless_present_all = ["listen", "backends"],
          conflicts_with_all = ["listen", "backends"])]
    config: Option<PathBuf>,
    /// Listen here: :8080, host:port, http://host:port, unix:/path. May be repeated
    #[arg(long, value_name = "ADDRESS", requires = "backends")]
    listen: Vec<String>,
    /// Forward to this backend, what it serves is asked: host:port, unix:/path. May be repeated
    #[arg(long = "backend", value_name = "ADDRESS", requires = "listen")]
    backends: Vec<String>,
    /// Only check and explain the configuration
    #[arg(long)]
    check: bool,
    /// What runs may finish within this after SIGTERM: 30s, 500ms, 2m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    drain_grace: Option<Duration>,
    /// How much is told on the standard error: off, error, warn, info, debug [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = log::level)]
    log: Option<LevelFilter>,
}

/// Runs it.
///
/// # Errors
///
/// The configuration cannot be used, or the system refuses what it needs.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let level = match (arguments.log, std::env::var("VIADUCT_LOG")) {
        (Some(level), _) => level,
        (None, Ok(text)) => log::level(&text).map_err(|why| Failure::Usage(format!("VIADUCT_LOG: {why}")))?,
        (None, Err(_)) => LevelFilter::INFO,
    };
    let mut watch = Watch::default();
    let settings = arguments.load(&mut watch).map_err(|error| Failure::Usage(error.to_string()))?;
    if arguments.check {
        return print(config::explain(&settings).trim_end());
    }
    log::start(level)?;
    let mut signals = Signals::new()?;
    let mut running = Running::start(arguments, watch, settings)?;
    let mut ended = wait(Arc::clone(&running.proxy))?;
    manager::tell("READY=1");
    running.serve(&mut signals, &mut ended).await?;

    let stopped = Instant::now();
    manager::tell("STOPPING=1");
    tracing::info!("draining; a second stop signal, {SAME_STOP:?} later or more, cuts what still runs");
    running.proxy.drain();
    tokio::select! {
        // It tells only by ending.
        _ = &mut ended => {
            tracing::info!("ended");
            Ok(())
        }
        () = signals.second(stopped) => {
            running.proxy.abort();
            Err(Failure::Io("second stop signal: what still ran was cut".to_owned()))
        }
    }
}

impl Arguments {
    /// Reads the configuration, and remembers the files that it came from, also where they cannot be used.
    fn load(&self, watch: &mut Watch) -> Result<Settings, config::ConfigError> {
        let before = watch.look();
        let mut settings = match &self.config {
            None => config::from_flags(&self.listen, &self.backends)?,
            Some(path) => {
                let (files, settings) = match config::load(path) {
                    Ok(Loaded { settings, files }) => (files, Ok(settings)),
                    Err(error) => (error.files().to_vec(), Err(error)),
                };
                watch.renew(before, files.into_iter().chain([path.clone()]));
                settings?
            }
        };
        if let Some(grace) = self.drain_grace {
            settings.drain.grace = grace;
        }
        Ok(settings)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    End,
    Reload,
}

/// Stop signals that come so soon after the first are the same wish: `timeout` signals the process and then its group,
/// and a shell and a service manager may both pass one on.
const SAME_STOP: Duration = Duration::from_secs(1);

/// The signals that it listens to.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let take = |kind| {
            signal(kind).map_err(|error| Failure::Io(format!("signals cannot be waited for: {error}")))
        };
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    async fn end(&mut self) {
        while self.next().await != Told::End {}
    }

    /// The stop signal that does not belong to the one at `first`.
    async fn second(&mut self, first: Instant) {
        loop {
            self.end().await;
            if first.elapsed() >= SAME_STOP {
                return;
            }
            tracing::info!("stop signal received again within {SAME_STOP:?}; draining goes on");
        }
    }
}

/// Told when nothing is served any more.
fn wait(proxy: Arc<Proxy>) -> Result<oneshot::Receiver<()>, Failure> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("viaduct-wait".to_owned());
    let started = thread.spawn(move || {
        proxy.wait();
        // The last one that has the proxy may be this thread: then nobody is told.
        let _ = tell.send(());
    });
    started.map_err(|error| Failure::Io(format!("a thread cannot be started: {error}")))?;
    Ok(told)
}

/// A proxy, and what it was told.
#[derive(Debug)]
struct Running {
    arguments: Arguments,
    watch: Watch,
    proxy: Arc<Proxy>,
    /// How many threads it has for good.
    workers: usize,
    /// Where it listens, as far as that has been said.
    said: Vec<String>,
}

impl Running {
    fn start(arguments: Arguments, watch: Watch, settings: Settings) -> Result<Self, Failure> {
        config::log_warnings(&settings);
        let workers = settings.workers;
        let proxy = Proxy::start(settings).map_err(|error| Failure::Io(error.to_string()))?;
        for address in inherited::unused() {
            tracing::warn!("the socket at {address} was inherited, and no listener has its address");
        }
        let mut running = Self { arguments, watch, proxy: Arc::new(proxy), workers, said: Vec::new() };
        running.say_where()?;
        Ok(running)
    }

    /// One line for each address that is new, so that a script knows the port.
    fn say_where(&mut self) -> Result<(), Failure> {
        let listening = self.proxy.targets().into_iter().map(|target| format!("listening on {target}"));
        let admin = self.proxy.admin().map(|target| format!("admin page on {target}"));
        let now: Vec<String> = listening.chain(admin).collect();
        for line in now.iter().filter(|line| !self.said.contains(line)) {
            // Nobody reads: that is no reason to stop.
            match print(line) {
                Ok(()) | Err(Failure::Unread) => {}
                Err(other) => return Err(other),
            }
        }
        self.said = now;
        Ok(())
    }

    /// Serves until it is told to end.
    async fn serve(
        &mut self,
        signals: &mut Signals,
        ended: &mut oneshot::Receiver<()>,
    ) -> Result<(), Failure> {
        let mut pause = interval(watch::PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let from_file = self.arguments.config.is_some();
        loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::End => return Ok(()),
                    Told::Reload => self.reload("SIGHUP")?,
                },
                _ = pause.tick(), if from_file => {
                    if self.watch.has_changed() {
                        self.reload("a file has changed")?;
                    }
                }
                _ = &mut *ended => return Err(Failure::Io("the proxy's threads have ended".to_owned())),
            }
        }
    }

    /// Takes what the configuration says now, or keeps what there is.
    fn reload(&mut self, why: &str) -> Result<(), Failure> {
        manager::tell("RELOADING=1");
        match self.arguments.load(&mut self.watch) {
            Err(error) => {
                let text = error.to_string();
                for line in text.lines() {
                    tracing::error!("{line}");
                }
                self.proxy.refused(&text.lines().map(str::trim).collect::<Vec<_>>().join("; "));
                tracing::error!(
                    "the configuration was read anew ({why}) and is not used; the old one holds on"
                );
            }
            Ok(settings) => {
                let (workers, warnings) = (settings.workers, config::warnings(&settings));
                match self.proxy.reload(settings) {
                    Err(error) => {
                        tracing::error!(
                            "the configuration was read anew ({why}) and is not used; the old one holds on: {error}"
                        );
                    }
                    Ok(()) => {
                        if workers != self.workers {
                            tracing::warn!(
                                "workers = {workers} takes effect when the proxy is started again"
                            );
                        }
                        for warning in warnings {
                            tracing::warn!("{warning}");
                        }
                        tracing::info!("the configuration was read anew ({why}) and is in use");
                        self.say_where()?;
                    }
                }
            }
        }
        manager::tell("READY=1");
        Ok(())
    }
}
