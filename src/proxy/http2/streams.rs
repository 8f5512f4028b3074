//! The streams of a connection, by key and by number.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::task::Waker;

use http::{HeaderMap, Response, response};

use super::error::Error;
use super::head::Kept;
use super::inbox::Inbox;

/// Where a stream lies. It stays its own as long as somebody holds the stream.
pub(super) type Key = u32;

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Its number; 0 while it waits until the peer takes more.
    pub(super) id: u32,
    /// Somebody has a handle to it.
    pub(super) held: bool,
    /// Nothing of it is known to the peer any more.
    pub(super) closed: bool,
    /// The task that holds it.
    pub(super) waker: Option<Waker>,
    /// The task has been woken since it last looked.
    pub(super) woken: bool,
    /// How it ended before its time.
    pub(super) failed: Option<Error>,

    /// The peer sends no more.
    pub(super) received: bool,
    /// The head of the answer has come, be it taken or not.
    pub(super) has_head: bool,
    /// The answer's head, where it was not taken yet.
    pub(super) head: Option<Box<response::Parts>>,
    pub(super) interim: Vec<Response<()>>,
    pub(super) inbox: Inbox,
    pub(super) trailers: Option<Box<HeaderMap>>,
    /// What the peer may still send.
    pub(super) window: i64,
    /// What may be given back to it, and is not yet.
    pub(super) freed: u32,
    /// What has come and was not released.
    pub(super) unreleased: u32,
    /// What is still to come by `content-length`.
    pub(super) left: Option<u64>,
    /// It asked by HEAD: the answer's length is not that of what comes.
    pub(super) bodiless: bool,

    /// This side sends no more.
    pub(super) sent: bool,
    /// The head of our answer is sent.
    pub(super) answered: bool,
    /// What the peer takes.
    pub(super) send_window: i64,
    /// It stands among those that wait for room on the connection.
    pub(super) waits: bool,
    /// What it begins with, where it waits, and whether that is all.
    pub(super) kept: Option<Box<(Kept, bool)>>,
}

impl Entry {
    /// Has the holder's task look at it.
    pub(super) fn wake(&mut self) {
        if !self.woken
            && let Some(waker) = &self.waker
        {
            self.woken = true;
            waker.wake_by_ref();
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    entries: Vec<Option<Entry>>,
    free: Vec<Key>,
    ids: HashMap<u32, Key, BuildHasherDefault<Spread>>,
}

impl Streams {
    pub(super) fn insert(&mut self, entry: Entry) -> Key {
        let id = entry.id;
        let key = match self.free.pop() {
            Some(key) => key,
            None => {
                self.entries.push(None);
                (self.entries.len() - 1) as Key
            }
        };
        if let Some(slot) = self.entries.get_mut(key as usize) {
            *slot = Some(entry);
        }
        if id != 0 {
            self.ids.insert(id, key);
        }
        key
    }

    pub(super) fn get(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key as usize)?.as_mut()
    }

    pub(super) fn key(&self, id: u32) -> Option<Key> {
        self.ids.get(&id).copied()
    }

    /// Gives a stream that has waited its number.
    pub(super) fn number(&mut self, key: Key, id: u32) {
        if let Some(entry) = self.get(key) {
            entry.id = id;
            self.ids.insert(id, key);
        }
    }

    /// The peer's frames for this number belong to nothing from here on.
    pub(super) fn forget(&mut self, id: u32) {
        self.ids.remove(&id);
    }

    /// Takes a stream out.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(entry)
    }

    /// How many are open on the wire.
    pub(super) fn open(&self) -> usize {
        self.ids.len()
    }

    /// How many there are, with those that are only held.
    pub(super) fn all(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        (0..self.entries.len() as Key)
            .filter(|key| self.entries.get(*key as usize).is_some_and(Option::is_some))
            .collect()
    }
}

/// Numbers of streams are spread well enough by one multiplication; nobody gains by choosing them, since they must
/// grow and are limited in number.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u32(u32::from(*b)));
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
