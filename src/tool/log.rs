//! What the engine has to say, as lines on the standard error: `2026-11-25T15:40:25.123Z WARN what happened key=value`.
//!
//! There are no spans in the engine, and one line is all that a reader of logs wants; so this is a whole subscriber.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::metadata::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Failure, printable};
use crate::error::quote;
use crate::proxy::rfc3339;

/// The words for levels.
const LEVELS: [(&str, LevelFilter); 5] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
];

/// Reads the name of a level.
pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    let found = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found
        .map(|(_, level)| *level)
        .ok_or_else(|| format!("{} is no level; expected off, error, warn, info or debug", quote(text)))
}

/// Writes everything up to `level` from now on.
pub(super) fn start(level: LevelFilter) -> Result<(), Failure> {
    tracing::subscriber::set_global_default(Lines(level))
        .map_err(|error| Failure::Io(format!("the log cannot be started: {error}")))
}

#[derive(Debug)]
struct Lines(LevelFilter);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The libraries below have much to say about every frame.
        metadata.is_event() && *metadata.level() <= self.0 && metadata.target().starts_with("viaduct")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0)
    }

    fn event(&self, event: &Event<'_>) {
        let line = line(event, SystemTime::now());
        // There is nobody to tell that the log cannot be written.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(event: &Event<'_>, now: SystemTime) -> String {
    let mut said = Said::default();
    event.record(&mut said);
    let text = said.message + &said.rest;
    // What comes from outside must not look like another line.
    let text = printable(&text).replace('\n', "\\n");
    format!("{} {} {text}\n", rfc3339(now), event.metadata().level())
}

#[derive(Default)]
struct Said {
    message: String,
    rest: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use std::time::UNIX_EPOCH;

    /// Keeps the lines.
    struct Kept(Lines, Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            self.0.enabled(metadata)
        }

        fn event(&self, event: &Event<'_>) {
            self.1.lock().unwrap().push(line(event, UNIX_EPOCH));
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.0.new_span(span)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let kept = Arc::<Mutex<Vec<String>>>::default();
        tracing::subscriber::with_default(Kept(Lines(LevelFilter::INFO), Arc::clone(&kept)), || {
            tracing::warn!(group = "a b", error = %"x\ny\x1b[31m", "left {}", "out");
            tracing::debug!("too much");
            tracing::error!(target: "h2", "not ours");
        });
        assert_eq!(
            *kept.lock().unwrap(),
            ["1970-01-01T00:00:00.000Z WARN left out group=\"a b\" error=x\\ny\\u{1b}[31m\n"]
        );
    }

    #[test]
    fn levels_have_names() {
        assert_eq!((level("info"), level("WARN")), (Ok(LevelFilter::INFO), Ok(LevelFilter::WARN)));
        assert!(level("loud").unwrap_err().contains("\"loud\" is no level; expected off, error"));
    }
}
