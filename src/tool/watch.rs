//! Files that may change.
//!
//! They are looked at, twice a second, and not waited for: that sees a file that is written over, one that is moved into
//! its place, and a symbolic link that leads elsewhere (a mounted Kubernetes secret), on every file system.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often they are looked at.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// What a file looks like from outside; `None`: there is none. Device, inode, length, and the time of the last change
/// with its nanoseconds.
type Look = Option<(u64, u64, u64, i64, i64)>;

fn look(path: &Path) -> Look {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

/// The files, as they were when they were read.
#[derive(Debug, Default)]
pub(super) struct Watch {
    read: HashMap<PathBuf, Look>,
    /// As they were the last time, where that was something else.
    seen: Option<HashMap<PathBuf, Look>>,
}

impl Watch {
    /// How all of them look now. Taken before they are read: a change in between is one more change.
    pub(super) fn look(&self) -> Looks {
        Looks(self.read.keys().map(|path| (path.clone(), look(path))).collect())
    }

    /// These were read, after `before` was taken.
    pub(super) fn renew(&mut self, before: Looks, files: impl IntoIterator<Item = PathBuf>) {
        let known = |path: &PathBuf| before.0.get(path).copied().unwrap_or_else(|| look(path));
        self.read = files.into_iter().map(|path| (path.clone(), known(&path))).collect();
        self.seen = None;
    }

    /// Whether a file has changed, and no more since the last time: who writes may not have finished.
    pub(super) fn has_changed(&mut self) -> bool {
        let Looks(now) = self.look();
        if now == self.read {
            self.seen = None;
            return false;
        }
        if self.seen.as_ref() == Some(&now) {
            return true;
        }
        self.seen = Some(now);
        false
    }
}

/// How files looked at one moment.
#[derive(Debug)]
pub(super) struct Looks(HashMap<PathBuf, Look>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_it_has_come_to_rest() {
        let folder = std::env::temp_dir().join(format!("viaduct-watch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.join(name));
        std::fs::write(&a, "1").unwrap();
        let mut watch = Watch::default();
        let files = [a.clone(), b.clone()];
        let before = watch.look();
        watch.renew(before, files.clone());
        assert!(!watch.has_changed());
        std::fs::write(&a, "12").unwrap();
        assert!(!watch.has_changed(), "it may go on");
        std::fs::write(&a, "123").unwrap();
        assert!(!watch.has_changed(), "it has gone on");
        assert!(watch.has_changed());
        let before = watch.look();
        watch.renew(before, files.clone());
        assert!(!watch.has_changed());
        // One that was missing.
        std::fs::write(&b, "").unwrap();
        assert!((watch.has_changed(), watch.has_changed()) == (false, true));
        let before = watch.look();
        // A change that comes while they are read.
        std::fs::remove_file(&b).unwrap();
        watch.renew(before, files);
        assert!((watch.has_changed(), watch.has_changed()) == (false, true));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
