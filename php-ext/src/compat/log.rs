//! Log lines, for who asks for them: GRPC_VERBOSITY says how many, `grpc.log_filename` where to.
//!
//! Without GRPC_VERBOSITY, or with NONE, there are none. A line is seconds since 1970, level, process,
//! module and message. It goes to the end of the file in one write, so that processes can share it; to
//! stderr where no file is named or it cannot be opened.

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
    let _ = tracing::subscriber::set_global_default(Lines { level, file });
}

struct Lines {
    level: LevelFilter,
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
        // Ours only: the libraries under us say a lot.
        let ours = |name: &str| metadata.target().split("::").next() == Some(name);
        !metadata.is_span() && *metadata.level() <= self.level && (ours("viaduct") || ours("grpc"))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
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
