//! `/etc/hosts`, read again when it has changed.

use std::collections::HashMap;
use std::fs::Metadata;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

const PATH: &str = "/etc/hosts";

/// The file as it was when it was read last.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    names: HashMap<String, Vec<IpAddr>>,
}

/// What changes with the file: device, inode, size, time of the last change.
type Stamp = (u64, u64, u64, i64, i64);

impl Hosts {
    /// The addresses of a name in lower case, in the file's order; none where the file does not have it.
    pub(super) fn find(&self, name: &str) -> Vec<IpAddr> {
        // A system without the file has nothing to say in it.
        let Ok(stamp) = std::fs::metadata(PATH).map(|file| stamp(&file)) else { return Vec::new() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match &mut *known {
            Some(known) if known.stamp == stamp => known,
            stale => {
                let text = std::fs::read(PATH).unwrap_or_default();
                stale.insert(Known { stamp, names: parse(&String::from_utf8_lossy(&text)) })
            }
        };
        known.names.get(name).cloned().unwrap_or_default()
    }
}

fn stamp(file: &Metadata) -> Stamp {
    (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec())
}

/// Reads lines of an address and the names that it has: hosts(5).
fn parse(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = line.split_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse) else { continue };
        for word in words {
            let found = names.entry(word.to_ascii_lowercase()).or_default();
            if !found.contains(&ip) {
                found.push(ip);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found_in_the_files_order() {
        let names = parse(
            "127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # local\n10.0.0.1 a.b A\n10.0.0.3 a a\nbad a\n\
             #10.0.0.2 a\n10.0.0.4\n",
        );
        let text =
            |name: &str| names.get(name).into_iter().flatten().map(IpAddr::to_string).collect::<Vec<_>>();
        assert_eq!(text("localhost"), ["127.0.0.1", "::1"]);
        assert_eq!(text("ip6-localhost"), ["::1"]);
        assert_eq!(text("a"), ["10.0.0.1", "10.0.0.3"]);
        assert_eq!(text("a.b"), ["10.0.0.1"]);
        assert!(text("local").is_empty() && text("10.0.0.4").is_empty());
    }
}
