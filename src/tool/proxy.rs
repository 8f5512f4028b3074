//! `viaduct proxy`: the forwarding proxy, until it is told to stop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, print};
use crate::proxy::Proxy;
use crate::proxy::config::{self, ConfigError, Loaded};

/// How often the configuration's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Carries gRPC, and HTTP, to backends that serve it.
///
/// SIGTERM and SIGINT: finish what runs and end; a second one: end at once. SIGHUP, or a change of the file or of a
/// certificate that it names: read the configuration anew, all of it or nothing.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration, in TOML: docs/proxy-config.md
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "backend"])]
    config: Option<PathBuf>,
    /// Where to listen: ":8080", "http://127.0.0.1:8080", "unix:/run/proxy.sock"
    #[arg(long, value_name = "ADDRESS", required_unless_present = "config")]
    listen: Vec<String>,
    /// A backend: "host:port"; each is asked which services it serves
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "config")]
    backend: Vec<String>,
    /// Say what the configuration means, and end: 0 where it can be used, 2 where it cannot
    #[arg(long)]
    check: bool,
    /// What is logged to standard error: "error", "warn", "info" or "debug"
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "VIADUCT_LOG")]
    log: tracing::Level,
}

impl Arguments {
    fn load(&self) -> Result<Loaded, ConfigError> {
        match &self.config {
            Some(path) => config::load(path),
            None => config::from_flags(&self.listen, &self.backend)
                .map(|settings| Loaded { settings, files: Vec::new() }),
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// The configuration cannot be used, or an address cannot be listened on.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let loaded = arguments.load().map_err(|error| Failure::Usage(error.to_string()))?;
    if arguments.check {
        return print(config::explain(&loaded.settings).trim_end());
    }
    log_to_stderr(arguments.log);
    for warning in config::warnings(&loaded.settings) {
        tracing::warn!("{warning}");
    }
    let start = || -> std::io::Result<_> {
        let of = |kind| signal(kind);
        Ok((of(SignalKind::terminate())?, of(SignalKind::interrupt())?, of(SignalKind::hangup())?))
    };
    let (mut terminate, mut interrupt, mut hangup) =
        start().map_err(|error| Failure::Io(format!("signals cannot be heard: {error}")))?;
    let mut watched = Watched::new(arguments.config.as_deref(), loaded.files);
    let proxy = Proxy::start(loaded.settings).map_err(|error| Failure::Usage(error.to_string()))?;
    for target in proxy.targets() {
        print(&format!("listening on {target}"))?;
    }
    notify("READY=1");

    let mut look = tokio::time::interval(LOOK);
    loop {
        let why = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => "SIGHUP",
            _ = look.tick() => match watched.changed() {
                true => "a file has changed",
                false => continue,
            },
        };
        notify("RELOADING=1");
        reload(&arguments, &proxy, &mut watched, why);
        notify("READY=1");
    }
    notify("STOPPING=1");
    tracing::info!("told to stop: what runs may finish");
    proxy.drain();
    let mut ended = std::pin::pin!(proxy.ended());
    tokio::select! {
        () = &mut ended => {}
        _ = terminate.recv() => proxy.abort(),
        _ = interrupt.recv() => proxy.abort(),
    }
    Ok(())
}

/// Reads the configuration anew. What was, stays where it cannot be used.
fn reload(arguments: &Arguments, proxy: &Proxy, watched: &mut Watched, why: &str) {
    let loaded = match arguments.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            proxy.refused(&error.to_string());
            return tracing::error!("{why}: the configuration stays as it was: {error}");
        }
    };
    *watched = Watched::new(arguments.config.as_deref(), loaded.files);
    match proxy.reload(loaded.settings) {
        Ok(()) => tracing::info!("{why}: the configuration was read anew"),
        Err(error) => tracing::error!("{why}: the configuration stays as it was: {error}"),
    }
}

/// The files that the configuration is made of.
struct Watched(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Watched {
    fn new(config: Option<&Path>, files: Vec<PathBuf>) -> Self {
        let all = config.into_iter().map(Path::to_owned).chain(files);
        Self(all.map(|path| (path.clone(), stamp(&path))).collect())
    }

    /// Whether one of them is another since this was last asked.
    fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, known) in &mut self.0 {
            let now = stamp(path);
            changed |= now != *known;
            *known = now;
        }
        changed
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// Tells systemd, where it asked to be told (sd_notify(3)).
fn notify(what: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let told = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &address));
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager cannot be told {what}");
    }
}

fn log_to_stderr(level: tracing::Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
}
