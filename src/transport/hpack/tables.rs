//! The static table (RFC 7541, Appendix A), what is known of names, and the encoder's dynamic table.

use std::collections::VecDeque;
use std::sync::LazyLock;

use http::HeaderValue;

use super::{Name, OVERHEAD};

/// How many fields the static table has.
pub(super) const FIXED: usize = 61;

/// The static table (RFC 7541, Appendix A).
const FIELDS: [(&str, &str); FIXED] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The static table as the decoder reads it.
static ENTRIES: LazyLock<[Entry; FIXED]> = LazyLock::new(|| {
    FIELDS.map(|(name, value)| Entry {
        name: Name::parse(name.as_bytes()),
        value: Some(HeaderValue::from_static(value)),
        name_len: name.len(),
        size: name.len() + value.len() + OVERHEAD,
    })
});

/// A field as the decoder's tables have it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name, unless that is malformed.
    pub(super) name: Option<Name>,
    /// Its value, unless that is malformed.
    pub(super) value: Option<HeaderValue>,
    /// How long the name is.
    pub(super) name_len: usize,
    /// What it counts (RFC 7541, section 4.1).
    pub(super) size: usize,
}

/// The static table.
pub(super) fn fixed() -> &'static [Entry; FIXED] {
    &ENTRIES
}

/// How a field with a certain name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// It comes again: it is worth an entry in the table.
    Repeats,
    /// It is another one with every message.
    Changes,
    /// It is never indexed, as nobody shall guess it (RFC 7541, section 7.1.3).
    Secret,
    /// It is, where it is short.
    SecretIfShort,
}

/// The number of a name in the static table, or 0 (the first, where it has several), and how its fields are
/// written. The length stands before the name so that this is a jump and a few comparisons.
pub(super) fn known(name: &str) -> (usize, Habit) {
    use Habit::{Changes, Repeats, Secret, SecretIfShort};
    match (name.len(), name) {
        (3, "age") => (21, Changes),
        (3, "via") => (60, Repeats),
        (4, "date") => (33, Changes),
        (4, "etag") => (34, Changes),
        (4, "from") => (37, Repeats),
        (4, "host") => (38, Repeats),
        (4, "link") => (45, Repeats),
        (4, "vary") => (59, Repeats),
        (5, ":path") => (4, Repeats),
        (5, "allow") => (22, Repeats),
        (5, "range") => (50, Repeats),
        (6, "accept") => (19, Repeats),
        (6, "cookie") => (32, SecretIfShort),
        (6, "expect") => (35, Repeats),
        (6, "server") => (54, Repeats),
        (7, ":method") => (2, Repeats),
        (7, ":scheme") => (6, Repeats),
        (7, ":status") => (8, Repeats),
        (7, "expires") => (36, Repeats),
        (7, "referer") => (51, Repeats),
        (7, "refresh") => (52, Repeats),
        (8, "if-match") => (39, Repeats),
        (8, "if-range") => (42, Repeats),
        (8, "location") => (46, Changes),
        (10, ":authority") => (1, Repeats),
        (10, "set-cookie") => (55, Changes),
        (10, "tracestate") => (0, Changes),
        (10, "user-agent") => (58, Repeats),
        (11, "retry-after") => (53, Repeats),
        (11, "traceparent") => (0, Changes),
        (12, "content-type") => (31, Repeats),
        (12, "grpc-message") => (0, Changes),
        (12, "grpc-timeout") => (0, Changes),
        (12, "max-forwards") => (47, Repeats),
        (12, "x-request-id") => (0, Changes),
        (13, "accept-ranges") => (18, Repeats),
        (13, "authorization") => (23, Secret),
        (13, "cache-control") => (24, Repeats),
        (13, "content-range") => (30, Repeats),
        (13, "if-none-match") => (41, Repeats),
        (13, "last-modified") => (44, Changes),
        (14, "accept-charset") => (15, Repeats),
        (14, "content-length") => (28, Changes),
        (15, "accept-encoding") => (16, Repeats),
        (15, "accept-language") => (17, Repeats),
        (16, "content-encoding") => (26, Repeats),
        (16, "content-language") => (27, Repeats),
        (16, "content-location") => (29, Repeats),
        (16, "www-authenticate") => (61, Repeats),
        (17, "if-modified-since") => (40, Changes),
        (17, "transfer-encoding") => (57, Repeats),
        (18, "proxy-authenticate") => (48, Repeats),
        (19, "content-disposition") => (25, Repeats),
        (19, "if-unmodified-since") => (43, Repeats),
        (19, "proxy-authorization") => (49, Secret),
        (23, "grpc-status-details-bin") => (0, Changes),
        (25, "strict-transport-security") => (56, Repeats),
        (27, "access-control-allow-origin") => (20, Repeats),
        _ => (0, Repeats),
    }
}

/// In how many neighbouring slots an entry may be.
const NEIGHBOURS: u8 = 4;

/// The dynamic table of the encoder, which finds an entry by its hash.
pub(super) struct Written {
    /// The entries, the newest first.
    entries: VecDeque<Text>,
    /// What they count together.
    size: usize,
    /// By a hash: which insertion made the entry. Others may have taken its slots; then a field is inserted
    /// once more.
    slots: Box<[u32; 256]>,
    /// How many insertions there were. It may wrap: what a slot leads to is compared.
    inserted: u32,
}

/// A field as the encoder's table has it.
struct Text {
    /// The name, and the value behind it.
    text: Box<[u8]>,
    /// How long the name is.
    name_len: usize,
    /// The hash of both.
    hash: u64,
}

impl Text {
    /// What it counts (RFC 7541, section 4.1).
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }

    /// If it is this field.
    fn is(&self, hash: u64, name: &str, value: &[u8]) -> bool {
        self.hash == hash
            && self.name_len == name.len()
            && self.text.split_at_checked(name.len()) == Some((name.as_bytes(), value))
    }
}

impl Written {
    /// One without entries.
    pub(super) fn new() -> Self {
        // The first number is far from what is in the empty slots.
        Self { entries: VecDeque::new(), size: 0, slots: Box::new([0; 256]), inserted: 1 << 31 }
    }

    /// What the entries count together.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// How many entries are newer than this one, if it is there.
    pub(super) fn find(&self, hash: u64, name: &str, value: &[u8]) -> Option<usize> {
        slots(hash).find_map(|slot| {
            let age = self.age(slot);
            self.entries.get(age)?.is(hash, name, value).then_some(age)
        })
    }

    /// Puts a field into the table. The entries count no more than `max` together, and it counts less.
    pub(super) fn insert(&mut self, max: usize, hash: u64, name: &str, value: &[u8]) {
        let text = [name.as_bytes(), value].concat().into_boxed_slice();
        let entry = Text { text, name_len: name.len(), hash };
        self.shrink(max.saturating_sub(entry.size()));
        // The first slot that leads nowhere, or the one that leads to the oldest entry.
        let slot = slots(hash).rev().max_by_key(|slot| self.age(*slot).min(self.entries.len()));
        if let Some(number) = slot.and_then(|slot| self.slots.get_mut(usize::from(slot))) {
            *number = self.inserted;
        }
        self.inserted = self.inserted.wrapping_add(1);
        self.size += entry.size();
        self.entries.push_front(entry);
    }

    /// Drops the oldest entries, until the others count no more than `max` (RFC 7541, section 4.3).
    pub(super) fn shrink(&mut self, max: usize) {
        while self.size > max {
            let Some(entry) = self.entries.pop_back() else { break };
            self.size -= entry.size();
        }
    }

    /// How many entries are newer than the one a slot leads to. As many as there are, or more: it is gone.
    fn age(&self, slot: u8) -> usize {
        let number = self.slots.get(usize::from(slot)).copied().unwrap_or_default();
        self.inserted.wrapping_sub(1).wrapping_sub(number) as usize
    }
}

/// The slots for a hash.
fn slots(hash: u64) -> impl DoubleEndedIterator<Item = u8> {
    // A product is best mixed at its upper end.
    let first = (hash >> 56) as u8;
    (0..NEIGHBOURS).map(move |neighbour| first.wrapping_add(neighbour))
}

/// A hash of a field, eight bytes at a step. What collides costs an insertion, nothing else.
pub(super) fn hash(name: &str, value: &[u8]) -> u64 {
    mix(mix(0, name.as_bytes()), value)
}

/// Mixes bytes into a hash.
fn mix(hash: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut hash = step(hash, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = step(hash, u64::from_le_bytes(*word));
    }
    if rest.is_empty() {
        return hash;
    }
    // The last eight bytes, some of them once more; or as many as there are.
    let last = match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    step(hash, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_static_table_is_known() {
        for (name, _) in FIELDS {
            let first = FIELDS.iter().position(|(other, _)| *other == name).unwrap();
            assert_eq!(known(name).0, first + 1, "{name}");
        }
        assert_eq!(known("x-other"), (0, Habit::Repeats));
    }

    #[test]
    fn what_changes_is_known() {
        let names = "grpc-timeout grpc-message grpc-status-details-bin traceparent tracestate x-request-id \
                     content-length date age etag last-modified if-modified-since location set-cookie";
        for name in names.split_whitespace() {
            assert_eq!(known(name).1, Habit::Changes, "{name}");
        }
    }

    #[test]
    fn the_static_table_has_sound_entries() {
        for (entry, (name, value)) in fixed().iter().zip(FIELDS) {
            let (parsed, text) = entry.name.as_ref().zip(entry.value.as_ref()).unwrap();
            assert_eq!((parsed.len(), text.as_bytes()), (name.len(), value.as_bytes()));
            assert_eq!((entry.name_len, entry.size), (name.len(), name.len() + value.len() + 32));
        }
    }

    #[test]
    fn a_hash_depends_on_every_byte() {
        for length in 0..40 {
            let value = vec![b'a'; length];
            for at in 0..length {
                let mut other = value.clone();
                other[at] ^= 1;
                assert_ne!(hash("name", &value), hash("name", &other), "{at} of {length}");
            }
            assert_ne!(hash("name", &value), hash("name", &[&value[..], b"a"].concat()));
        }
        assert_ne!(hash("ab", b"c"), hash("a", b"bc"));
    }

    #[test]
    fn numbers_may_wrap() {
        let mut table = Written::new();
        table.inserted = u32::MAX - 1;
        for name in ["a", "b", "c", "d"] {
            table.insert(100, hash(name, b"1"), name, b"1");
        }
        let found = ["a", "b", "c", "d"].map(|name| table.find(hash(name, b"1"), name, b"1"));
        assert_eq!((found, table.size()), ([None, None, Some(1), Some(0)], 68));
    }
}
