//! Members from a file: an address and perhaps a weight in each line, `#` for comments.
//!
//! ```text
//! 10.0.0.1:50051
//! 10.0.0.2:50051 3      # takes three times as much
//! greeter.internal:50051
//! ```
//!
//! The file is looked at once a second. A line that cannot be read is left out; a file that cannot be read, or that names
//! nobody, changes nothing: it may be in the middle of being written.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::resolver::Resolver;
use super::{Named, News, Union, Watch};
use crate::error::quote;
use crate::proxy::settings::Source;
use crate::proxy::upstream::Found;

const EVERY: Duration = Duration::from_secs(1);

/// What was written so shortly before may be followed by more that bears the same time.
const YOUNG: Duration = Duration::from_secs(2);

/// A file with members.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    resolver: Resolver,
    /// What its lines name.
    lines: Union,
    look_at: Instant,
    /// Time, size and number of what was read last.
    seen: Option<(SystemTime, u64, u64)>,
    content: Vec<u8>,
    /// What is wrong with it, as it was logged.
    trouble: Option<String>,
    /// What was told, and whether anything was.
    found: Vec<Found>,
    told: bool,
}

impl File {
    pub(super) fn new(resolver: Resolver, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            resolver,
            lines: Union::default(),
            look_at: Instant::now(),
            seen: None,
            content: Vec::new(),
            trouble: None,
            found: Vec::new(),
            told: false,
        }
    }

    /// Reads the file where it is another than before. It is small and near: this does not wait for long.
    fn look(&mut self) {
        match self.read() {
            Ok(None) => {}
            Ok(Some(content)) => self.take(content),
            Err(error) => {
                self.seen = None;
                self.trouble(Some(format!("cannot be read: {error}")));
            }
        }
    }

    fn read(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let meta = std::fs::metadata(&self.path)?;
        let changed = meta.modified()?;
        let seen = Some((changed, meta.len(), meta.ino()));
        // A clock that was set back makes everything look young, and costs no more than reading.
        if self.seen == seen && changed.elapsed().is_ok_and(|age| age > YOUNG) {
            return Ok(None);
        }
        let content = std::fs::read(&self.path)?;
        self.seen = seen;
        let same = content == self.content && self.trouble.is_none();
        Ok((!same).then_some(content))
    }

    fn take(&mut self, content: Vec<u8>) {
        let (sources, wrong) = parse(&String::from_utf8_lossy(&content));
        if content != self.content {
            for (line, why) in &wrong {
                tracing::warn!(file = %self.path.display(), line, "{why}; the line is left out");
            }
        }
        self.content = content;
        if sources.is_empty() {
            return self.trouble(Some("names no member".to_owned()));
        }
        self.trouble(None);
        let mut before = std::mem::take(&mut self.lines.0);
        for source in sources {
            self.lines.0.push(match before.iter().position(|one| one.source == source) {
                Some(known) => before.swap_remove(known),
                None => {
                    let mut new = Named::new(&source, &self.resolver);
                    new.found.extend(reweighted(&source, &before));
                    new
                }
            });
        }
    }

    /// Logs once what is wrong, and once that it is over.
    fn trouble(&mut self, now: Option<String>) {
        match (&self.trouble, &now) {
            (before, Some(why)) if before.as_ref() != Some(why) => {
                tracing::warn!(file = %self.path.display(), "{why}; the members that are known stay");
            }
            (Some(_), None) => tracing::info!(file = %self.path.display(), "names members again"),
            _ => {}
        }
        self.trouble = now;
    }
}

impl Watch for File {
    fn next(&mut self) -> News<'_> {
        Box::pin(async move {
            loop {
                if self.look_at <= Instant::now() {
                    self.look();
                    self.look_at = Instant::now() + EVERY;
                }
                let found = self.lines.found();
                // The first time names are waited for, so that there are members at once.
                let waits = !self.told && !self.lines.has_answered();
                if !waits && (!self.told || self.found != found) {
                    self.told = true;
                    self.found.clone_from(&found);
                    return (!found.is_empty()).then_some(found);
                }
                // Either is a reason to look again.
                let _ = tokio::time::timeout_at(self.look_at, self.lines.changed()).await;
            }
        })
    }
}

/// What is known of a host that has only another weight than before.
fn reweighted(source: &Source, before: &[Named]) -> Vec<Found> {
    let Source::Host { host, port, weight } = source else { return Vec::new() };
    let same =
        |one: &&Named| matches!(&one.source, Source::Host { host: h, port: p, .. } if h == host && p == port);
    let known = before.iter().find(same).map(|one| one.found.clone()).unwrap_or_default();
    known.into_iter().map(|found| Found { weight: *weight, ..found }).collect()
}

/// What the lines name; and what is wrong, with the number of the line.
fn parse(text: &str) -> (Vec<Source>, Vec<(usize, String)>) {
    let (mut sources, mut wrong) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1..) {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else { continue };
        let weight = match (words.next(), words.next()) {
            (None, _) => Some(1),
            (Some(weight), None) => weight.parse().ok().filter(|weight| (1..=65_535).contains(weight)),
            (Some(_), Some(_)) => None,
        };
        let Some(weight) = weight else {
            let why = "after the address comes nothing or a weight from 1 to 65535".to_owned();
            wrong.push((number, format!("{}: {why}", quote(line.trim()))));
            continue;
        };
        match Source::member(address, weight) {
            Ok(source) => sources.push(source),
            Err(why) => wrong.push((number, format!("{} is no address: {why}", quote(address)))),
        }
    }
    (sources, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_members_and_wrong_ones_are_told_by_number() {
        let text = "# all of them\n\n10.0.0.1:50051\n  [::1]:2 3  # heavy\nunix:/run/a\nname.internal:4\t2\n\
                    10.0.0.1\n10.0.0.1:1 0\n10.0.0.1:1 1 1\nhttp://a:1\n256.1.1.1:1\na:0\n";
        let (sources, wrong) = parse(text);
        let names: Vec<String> = sources
            .iter()
            .map(|source| match source {
                Source::Fixed { name, weight, .. } => format!("{name} {weight}"),
                Source::Host { host, port, weight } => format!("{host} {port} {weight}"),
                _ => String::new(),
            })
            .collect();
        assert_eq!(names, ["10.0.0.1:50051 1", "[::1]:2 3", "unix:/run/a 1", "name.internal 4 2"]);
        assert_eq!(wrong.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [7, 8, 9, 10, 11, 12]);
        assert!(wrong.iter().all(|(_, why)| why.starts_with('"')), "{wrong:?}");
    }
}
