//! What happened lately, for people: the admin page shows it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

use super::upstream::lock;

/// How many notes are kept.
const KEPT: usize = 100;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The configuration was read anew, or was refused.
    Reload,
    /// A backend came, went, fell ill or got well.
    Backend,
    /// Backends began or ceased to serve something, or contradict each other.
    Service,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Backend => "backend",
            Self::Service => "service",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// The last time.
    pub(super) at: SystemTime,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// How often in a row.
    pub(super) times: u64,
}

/// The last things that happened, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<VecDeque<Note>>);

impl Notes {
    /// Remembers a sentence. Said again at once, it is only counted.
    pub(super) fn add(&self, kind: Kind, text: impl Into<String>) {
        let (at, text) = (SystemTime::now(), text.into());
        let mut notes = lock(&self.0);
        match notes.back_mut() {
            Some(last) if last.kind == kind && last.text == text => {
                last.at = at;
                last.times += 1;
            }
            _ => notes.push_back(Note { at, kind, text, times: 1 }),
        }
        if notes.len() > KEPT {
            notes.pop_front();
        }
    }

    pub(super) fn all(&self) -> Vec<Note> {
        lock(&self.0).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_stay_and_echoes_are_counted() {
        let notes = Notes::default();
        for n in 0..KEPT + 5 {
            notes.add(Kind::Backend, format!("{n}"));
            notes.add(Kind::Backend, format!("{n}"));
        }
        let all = notes.all();
        assert_eq!((all.len(), all[0].text.as_str(), all[0].times), (KEPT, "5", 2));
        notes.add(Kind::Reload, all[KEPT - 1].text.clone());
        assert_eq!((notes.all()[KEPT - 1].times, notes.all()[KEPT - 1].kind.name()), (1, "reload"));
    }
}
