//! Log lines, for who asks for them: GRPC_VERBOSITY says how many, GRPC_TRACE of what more, `grpc.log_filename` where to.
//!
//! Without GRPC_VERBOSITY, or with NONE, there are none. GRPC_TRACE names some of the official library's tracers: what they
//! stand for is shown at INFO, too, and `http` shows HTTP/2's frames at DEBUG. A line is seconds since 1970, level, process,
//! module and message. It goes to the end of the file in one write, so that processes can share it; to
//! stderr where no file is named or it cannot be opened.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Metadata};

/// Begins to write log lines, if they are asked for.
pub(super) fn start(file: &[u8]) {
    let level = match std::env::var("GRPC_VERBOSITY").unwrap_or_default().to_ascii_uppercase().as_str() {
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        // gRPC has no warnings: these are errors that calls do not show.
        "ERROR" => LevelFilter::WARN,
        _ => return,
    };
    let file = (!file.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(file)));
    // Where another part of the process listens already, it stays so.
    let traced = Traced::read(&std::env::var("GRPC_TRACE").unwrap_or_default());
    let _ = tracing::subscriber::set_global_default(Lines { level, traced, file });
}

/// What GRPC_TRACE asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traced {
    /// The first parts of the events' targets.
    targets: BTreeSet<&'static str>,
}

/// The official library's tracers that mean something here, and the targets of the events that they stand for.
const TRACERS: [(&str, &str); 15] = [
    ("dns_resolver", "viaduct::resolver"),
    ("cares_resolver", "viaduct::resolver"),
    ("connectivity_state", "viaduct::connectivity"),
    ("client_channel", "viaduct::connectivity"),
    ("channel", "viaduct::connectivity"),
    ("subchannel", "viaduct::connection"),
    ("tcp", "viaduct::connection"),
    ("handshaker", "viaduct::connection"),
    ("tsi", "viaduct::connection"),
    ("http_keepalive", "viaduct::connection"),
    ("call", "viaduct::call"),
    ("call_error", "viaduct::call"),
    ("api", "viaduct::call"),
    ("server_channel", "viaduct::server"),
    ("http", "h2"),
];

impl Traced {
    /// Reads a list of names with commas between; `all` is all of them, and a `-` in front takes one out again. Names that
    /// are none of ours are passed over.
    fn read(list: &str) -> Self {
        let mut targets = BTreeSet::new();
        for name in list.split(',').map(str::trim) {
            let (plain, out) = name.strip_prefix('-').map_or((name, false), |plain| (plain, true));
            for (_, target) in TRACERS.iter().filter(|(known, _)| plain == "all" || plain == *known) {
                if out {
                    targets.remove(target)
                } else {
                    targets.insert(*target)
                };
            }
        }
        Self { targets }
    }

    fn has(&self, target: &str) -> bool {
        self.targets.iter().any(|traced| {
            target.strip_prefix(traced).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    }
}

struct Lines {
    level: LevelFilter,
    traced: Traced,
    file: Option<PathBuf>,
}

impl Lines {
    fn write(&self, line: &[u8]) {
        let opened = self.file.as_ref().map(|path| OpenOptions::new().append(true).create(true).open(path));
        let _ = match opened {
            Some(Ok(mut file)) => file.write_all(line),
            _ => std::io::stderr().write_all(line),
        };
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() || *metadata.level() > LevelFilter::DEBUG {
            return false;
        }
        // Ours only: the libraries under us say a lot.
        let root = metadata.target().split("::").next();
        let ours = matches!(root, Some("viaduct" | "grpc"));
        if self.level >= LevelFilter::INFO && self.traced.has(metadata.target()) {
            return ours || self.level >= LevelFilter::DEBUG;
        }
        ours && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.traced.targets.is_empty() { self.level } else { LevelFilter::DEBUG })
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut text = Text(String::new());
        event.record(&mut text);
        let line = format!(
            "{}.{:06} {level} {} {target}:{}\n",
            now.as_secs(),
            now.subsec_micros(),
            std::process::id(),
            text.0.replace('\n', " ")
        );
        self.write(line.as_bytes());
    }
}

/// An event's message and fields as text.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracers_are_named_and_taken_out() {
        let targets = |list| Traced::read(list).targets.into_iter().collect::<Vec<_>>();
        assert_eq!(targets(""), [""; 0]);
        assert_eq!(targets("nonsense,"), [""; 0]);
        assert_eq!(targets("http, dns_resolver"), ["h2", "viaduct::resolver"]);
        assert_eq!(
            targets("all,-http,-api"),
            ["viaduct::connection", "viaduct::connectivity", "viaduct::resolver", "viaduct::server"]
        );
        let traced = Traced::read("server_channel,http");
        assert!(traced.has("h2::codec") && traced.has("viaduct::server::connection"));
        assert!(!traced.has("h2o") && !traced.has("viaduct::call"));
    }
}
