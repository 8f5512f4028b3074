//! Reads header blocks (RFC 7541, sections 3 and 6).

use std::collections::VecDeque;
use std::fmt;

use http::HeaderValue;

use super::tables::{Entry, FIXED, fixed};
use super::{Broken, Name, OVERHEAD, huffman};

/// The size of a dynamic table nobody has said anything about (RFC 9113, section 6.5.2).
const DEFAULT_SIZE: usize = 4096;

/// So much of the room for strings is kept from one block to the next.
const KEPT: usize = 4096;

/// A field of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// What it counts: name, value, and 32 bytes (RFC 9113, section 10.5.1).
    pub(crate) size: usize,
    /// Its name and value. Nothing where one of them is malformed: an unknown pseudo-header, an upper case
    /// letter, a byte that must not be there. That is the stream's fault, not the connection's.
    pub(crate) what: Option<(&'a Name, &'a HeaderValue)>,
}

/// Reads the header blocks of one direction of a connection.
pub(crate) struct Decoder {
    /// The static table.
    fixed: &'static [Entry; FIXED],
    /// The dynamic table, the newest entry first.
    dynamic: VecDeque<Entry>,
    /// What its entries count together.
    size: usize,
    /// What they may count, as the peer says.
    limit: usize,
    /// What the peer may say at most.
    max: usize,
    /// Room for a string that is Huffman coded.
    room: Vec<u8>,
    /// Literals that came lately: there are peers that never put a path into a table.
    lately: [Option<Lately>; LATELY],
}

/// A literal with a name of the static table, and what it was decoded to.
struct Lately {
    index: usize,
    /// As it came.
    coded: Box<[u8]>,
    entry: Entry,
}

/// How many of them are kept, and how long they may be.
const LATELY: usize = 8;
const LATELY_LENGTH: usize = 256;

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("entries", &self.dynamic.len())
            .field("size", &self.size)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// One for a peer that was told `max_size` as `SETTINGS_HEADER_TABLE_SIZE`.
    pub(crate) fn new(max_size: usize) -> Self {
        Self {
            fixed: fixed(),
            dynamic: VecDeque::new(),
            size: 0,
            limit: max_size.min(DEFAULT_SIZE),
            max: max_size,
            room: Vec::new(),
            lately: [const { None }; LATELY],
        }
    }

    /// Decodes a whole header block, all fragments joined, and calls `field` for every field in it.
    ///
    /// # Errors
    ///
    /// If the block cannot be read. The tables are out of step then, and the connection must end.
    pub(crate) fn decode(&mut self, block: &[u8], mut field: impl FnMut(Field<'_>)) -> Result<(), Broken> {
        let mut input = Input(block);
        self.updates(&mut input)?;
        while let Some(first) = input.next() {
            if first & 0x80 != 0 {
                // Indexed (section 6.1).
                field(self.entry(input.integer(first, 7)?)?.field());
            } else if first & 0x40 != 0 {
                // Literal with incremental indexing (section 6.2.1).
                let entry = self.literal(&mut input, first, 6)?;
                field(entry.field());
                self.insert(entry);
            } else if first & 0x20 != 0 {
                // A size update where none may be (section 4.2).
                return Err(Broken);
            } else {
                // Literal without indexing, or never indexed (sections 6.2.2 and 6.2.3).
                self.passing(&mut input, first, &mut field)?;
            }
        }
        self.room.shrink_to(KEPT);
        Ok(())
    }

    /// Reads the size updates a block begins with: two at most (RFC 7541, sections 4.2 and 6.3).
    fn updates(&mut self, input: &mut Input<'_>) -> Result<(), Broken> {
        for _ in 0..2 {
            let Some(first) = input.0.first().copied().filter(|first| first & 0xe0 == 0x20) else { break };
            input.next();
            let limit = input.integer(first, 5)?;
            if limit > self.max {
                return Err(Broken);
            }
            self.limit = limit;
            self.shrink(limit);
        }
        Ok(())
    }

    /// The entry with a number (RFC 7541, section 2.3.3).
    fn entry(&self, index: usize) -> Result<&Entry, Broken> {
        let at = index.checked_sub(1).ok_or(Broken)?;
        match at.checked_sub(FIXED) {
            Some(at) => self.dynamic.get(at),
            None => self.fixed.get(at),
        }
        .ok_or(Broken)
    }

    /// Reads a literal field that does not enter the table.
    fn passing(
        &mut self,
        input: &mut Input<'_>,
        first: u8,
        field: &mut impl FnMut(Field<'_>),
    ) -> Result<(), Broken> {
        let whole = input.0;
        // A name of the static table, and no secret. Its number may go on in the next byte, which then is a part of
        // what is compared.
        let low = usize::from(first & 0x0f);
        let more = whole.first().map_or(0, |byte| usize::from(*byte));
        let index = if low == 0x0f { low + more } else { low };
        let known = first & 0x10 == 0 && (1..=FIXED).contains(&index);
        let slot = (index ^ index >> 3) % LATELY;
        if known
            && let Some(Some(lately)) = self.lately.get(slot)
            && lately.index == index
            && let Some(rest) = whole.strip_prefix(&*lately.coded)
        {
            input.0 = rest;
            field(lately.entry.field());
            return Ok(());
        }
        let mut entry = self.literal(input, first, 4)?;
        if let Some(value) = &mut entry.value {
            value.set_sensitive(first & 0x10 != 0);
        }
        field(entry.field());
        let coded = whole.get(..whole.len() - input.0.len()).unwrap_or_default();
        if known
            && coded.len() <= LATELY_LENGTH
            && let Some(place) = self.lately.get_mut(slot)
        {
            *place = Some(Lately { index, coded: coded.into(), entry });
        }
        Ok(())
    }

    /// Reads a literal field, the number of whose name has `bits` bits in the first byte.
    fn literal(&mut self, input: &mut Input<'_>, first: u8, bits: u32) -> Result<Entry, Broken> {
        let (name, name_len) = match input.integer(first, bits)? {
            0 => {
                let name = input.string(&mut self.room)?;
                (Name::parse(name), name.len())
            }
            index => {
                let entry = self.entry(index)?;
                (entry.name.clone(), entry.name_len)
            }
        };
        let value = input.string(&mut self.room)?;
        let size = name_len + value.len() + OVERHEAD;
        Ok(Entry { name, value: HeaderValue::from_bytes(value).ok(), name_len, size })
    }

    /// Puts an entry into the dynamic table. One that is larger than the table empties it (RFC 7541, section
    /// 4.4).
    fn insert(&mut self, entry: Entry) {
        self.shrink(self.limit.saturating_sub(entry.size));
        if entry.size <= self.limit {
            self.size += entry.size;
            self.dynamic.push_front(entry);
        }
    }

    /// Drops the oldest entries, until the others count no more than `limit` (RFC 7541, section 4.3).
    fn shrink(&mut self, limit: usize) {
        while self.size > limit {
            let Some(entry) = self.dynamic.pop_back() else { break };
            self.size -= entry.size;
        }
    }

    /// What the entries of the dynamic table count together.
    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        assert_eq!(self.size, self.dynamic.iter().map(|entry| entry.size).sum::<usize>());
        self.size
    }
}

impl Entry {
    /// The field it is.
    fn field(&self) -> Field<'_> {
        Field { size: self.size, what: self.name.as_ref().zip(self.value.as_ref()) }
    }
}

/// What is left of a block.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A number that begins with the lower `bits` bits of `first` (RFC 7541, section 5.1). It has five more
    /// bytes at most, and must fit into 32 bits.
    fn integer(&mut self, first: u8, bits: u32) -> Result<usize, Broken> {
        let mask = (1_u8 << bits) - 1;
        let low = first & mask;
        if low < mask {
            return Ok(usize::from(low));
        }
        let mut value = u64::from(low);
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.next().ok_or(Broken)?;
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok().and_then(|value| usize::try_from(value).ok()).ok_or(Broken);
            }
        }
        Err(Broken)
    }

    /// A string (RFC 7541, section 5.2): where it is in the block, or decoded, in `room`.
    fn string<'b>(&mut self, room: &'b mut Vec<u8>) -> Result<&'b [u8], Broken>
    where
        'a: 'b,
    {
        let first = self.next().ok_or(Broken)?;
        let length = self.integer(first, 7)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        if first & 0x80 == 0 {
            return Ok(text);
        }
        room.clear();
        huffman::decode(text, room)?;
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a block; for each field its value, or that it is malformed, and its size.
    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(Option<String>, usize)>, Broken> {
        let mut fields = Vec::new();
        decoder.decode(block, |field| {
            let value = field.what.map(|(_, value)| value.to_str().unwrap().to_owned());
            fields.push((value, field.size));
        })?;
        Ok(fields)
    }

    /// A literal with incremental indexing.
    fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut block = vec![0x40, u8::try_from(name.len()).unwrap()];
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value);
        block
    }

    #[test]
    fn broken_blocks() {
        let broken: &[(&str, &[u8])] = &[
            ("index 0", &[0x80]),
            ("index beyond the tables", &[0xbe]),
            ("name beyond the tables", &[0x7e, 0x01, b'a']),
            ("name beyond the tables, never indexed", &[0x1f, 0x30, 0x01, b'a']),
            ("an index that is cut off", &[0xff]),
            ("an index of 32 bits and more", &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            ("an index of six more bytes", &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]),
            ("no name", &[0x40]),
            ("a name that is cut off", &[0x40, 0x02, b'a']),
            ("no value", &[0x41]),
            ("a value that is cut off", &[0x41, 0x02, b'a']),
            ("a length that is cut off", &[0x41, 0x7f]),
            ("a length beyond the block", &[0x41, 0x7f, 0xff, 0xff, 0xff, 0x7f]),
            ("padding that is not ones", &[0x41, 0x81, 0x00]),
            ("padding of a byte", &[0x41, 0x82, 0x1f, 0xff]),
            ("the end marker", &[0x41, 0x84, 0xff, 0xff, 0xff, 0xff]),
            ("bad padding in a name", &[0x40, 0x81, 0x00, 0x00]),
            ("a size update above the maximum", &[0x3f, 0xe2, 0x1f]),
            ("a size update that is cut off", &[0x3f]),
            ("three size updates", &[0x20, 0x20, 0x20]),
            ("a size update behind a field", &[0x82, 0x20]),
        ];
        for (case, block) in broken {
            assert_eq!(decoded(&mut Decoder::new(4096), block), Err(Broken), "{case}");
        }
    }

    #[test]
    fn every_block_that_is_cut_off_is_broken_or_shorter() {
        let mut block = vec![0x82, 0x3f];
        block.pop();
        block.extend(literal(b"name", b"value"));
        block.push(0xbe);
        let whole = decoded(&mut Decoder::new(4096), &block).unwrap();
        assert_eq!(whole.len(), 3);
        for kept in 0..block.len() {
            if let Ok(fields) = decoded(&mut Decoder::new(4096), &block[..kept]) {
                assert_eq!(fields[..], whole[..fields.len()]);
            }
        }
    }

    #[test]
    fn a_long_index_may_have_zeros() {
        let mut decoder = Decoder::new(4096);
        let block = [0x82, 0x7f, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01, b'a'];
        // Index 63 is beyond the tables, but with two entries it is there.
        assert_eq!(decoded(&mut decoder, &block), Err(Broken));
        let mut first = literal(b"one", b"1");
        first.extend(literal(b"two", b"2"));
        decoded(&mut decoder, &first).unwrap();
        assert_eq!(decoded(&mut decoder, &block).unwrap()[1], (Some("a".to_owned()), 36));
    }

    #[test]
    fn sizes_change() {
        let mut decoder = Decoder::new(4096);
        decoded(&mut decoder, &literal(b"one", b"1")).unwrap();
        decoded(&mut decoder, &literal(b"two", b"2")).unwrap();
        assert_eq!(decoder.table_size(), 72);
        // To 71: the older one goes. Then to the maximum.
        assert_eq!(decoded(&mut decoder, &[0x3f, 40, 0x3f, 0xe1, 0x1f, 0xbe]).unwrap().len(), 1);
        assert_eq!((decoder.table_size(), decoder.limit), (36, 4096));
        assert_eq!(decoded(&mut decoder, &[0xbf]), Err(Broken));
        // To nothing: nothing is kept.
        decoded(&mut decoder, &[0x20]).unwrap();
        decoded(&mut decoder, &literal(b"one", b"1")).unwrap();
        assert_eq!(decoder.table_size(), 0);
    }

    #[test]
    fn an_entry_larger_than_the_table_empties_it() {
        let mut decoder = Decoder::new(100);
        decoded(&mut decoder, &literal(b"one", b"1")).unwrap();
        assert_eq!(decoder.table_size(), 36);
        let fields = decoded(&mut decoder, &literal(b"long", &[b'x'; 65])).unwrap();
        assert_eq!((fields[0].1, decoder.table_size()), (101, 0));
        decoded(&mut decoder, &literal(b"long", &[b'x'; 64])).unwrap();
        assert_eq!(decoder.table_size(), 100);
    }

    #[test]
    fn what_is_malformed_stays_in_step() {
        let malformed: &[(&[u8], &[u8])] = &[
            (b"Upper", b"value"),
            (b":unknown", b"value"),
            (b":", b""),
            (b"", b"value"),
            (b"a:b", b"value"),
            (b"a b", b"value"),
            (b"\xff", b"value"),
            (b"name", b"a\nb"),
            (b"name", b"a\0b"),
            (b"name", b"a\rb"),
        ];
        for (name, value) in malformed {
            let mut decoder = Decoder::new(4096);
            let size = name.len() + value.len() + 32;
            let mut block = literal(b"good", b"1");
            block.extend(literal(name, value));
            // Both of them again, and one more with the name of the malformed.
            block.extend([0xbe, 0xbf, 0x7e, 0x01, b'v']);
            let fields = decoded(&mut decoder, &block).unwrap();
            let good = (Some("1".to_owned()), 37);
            assert_eq!(fields[..4], [good.clone(), (None, size), (None, size), good]);
            // A name is no worse for the value it came with.
            let last = (*name == b"name").then(|| "v".to_owned());
            assert_eq!(fields[4], (last, name.len() + 33));
            assert_eq!(decoder.table_size(), 37 + size + name.len() + 33);
        }
    }
}
