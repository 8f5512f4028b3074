//! The streams of a connection, as its [flow control](super::flow) accounts for them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What a DATA frame costs in memory beside its payload, about.
const FRAME: u64 = 256;

#[derive(Debug, Default)]
pub(super) struct Stream {
    /// What the peer may still send.
    pub(super) left: u32,
    /// What came and was not taken.
    pub(super) unread: u32,
    /// What the peer is to be told that it may send; part of `left`.
    pub(super) update: u32,
    /// What the stream is charged for its window above the base.
    pub(super) charged: u64,
    /// The bytes that came.
    pub(super) came: u32,
    /// The bytes and DATA frames that came lately.
    pub(super) bytes: u32,
    pub(super) frames: u32,
    /// Somebody takes what comes.
    pub(super) is_read: bool,
    /// The peer sends no more, or what it sends is ignored.
    pub(super) ended: bool,
    /// Nobody will take what comes.
    pub(super) abandoned: bool,
}

impl Stream {
    /// What the stream's window is to be charged: what it has above the base, and what the frames of that cost.
    pub(super) fn cost(&self, base: u32) -> u64 {
        if self.abandoned {
            return 0;
        }
        let above = (u64::from(self.left) + u64::from(self.unread)).saturating_sub(base.into());
        match u64::from(self.bytes) {
            _ if above == 0 => 0,
            0 => above,
            bytes => above + above * FRAME * u64::from(self.frames) / bytes,
        }
    }

    /// What it is charged before it is read.
    pub(super) fn lent(&self) -> u64 {
        if self.is_read { 0 } else { self.charged }
    }

    /// How large a window above the base `charge` pays for.
    pub(super) fn afford(&self, charge: u64) -> u64 {
        match u64::from(self.bytes) {
            0 => charge,
            bytes => charge * bytes / (bytes + FRAME * u64::from(self.frames)),
        }
    }
}

/// How many streams have a place beside the table.
const PLACES: usize = 16;

/// Streams by their numbers. Each that opens has a place of its own, until another comes whose place is the same: where
/// few calls run at a time, none gets into the table.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: [Place; PLACES],
    table: HashMap<u32, Stream, BuildHasherDefault<ById>>,
}

#[derive(Debug, Default)]
struct Place {
    /// 0 where it is free.
    id: u32,
    stream: Stream,
}

impl Streams {
    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        match self.places.get_mut(place(id)) {
            Some(place) if place.id == id => Some(&mut place.stream),
            _ => self.table.get_mut(&id),
        }
    }

    /// Adds a stream that opens.
    #[inline]
    pub(super) fn open(&mut self, id: u32, stream: Stream) {
        let Some(place) = self.places.get_mut(place(id)) else { return };
        let before = std::mem::replace(place, Place { id, stream });
        if before.id != 0 {
            self.table.insert(before.id, before.stream);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, id: u32) {
        match self.places.get_mut(place(id)) {
            Some(place) if place.id == id => place.id = 0,
            _ => drop(self.table.remove(&id)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Stream)> {
        let taken = self.places.iter().filter(|place| place.id != 0).map(|place| (place.id, &place.stream));
        taken.chain(self.table.iter().map(|(id, stream)| (*id, stream)))
    }

    #[cfg(test)]
    pub(super) fn find(&self, id: u32) -> Option<&Stream> {
        self.iter().find(|(other, _)| *other == id).map(|(_, stream)| stream)
    }

    #[cfg(test)]
    pub(super) fn get(&self, id: u32) -> &Stream {
        self.find(id).expect("the stream is accounted for")
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }
}

/// The place of a stream. The numbers of one side are all odd or all even.
fn place(id: u32) -> usize {
    (id as usize >> 1) % PLACES
}

/// Streams' numbers, spread over a table.
#[derive(Debug, Default)]
struct ById(u64);

impl Hasher for ById {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(32);
    }
}
