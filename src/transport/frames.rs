//! Frames among bytes that pass in one direction of a connection.

/// The length of a frame's head (RFC 9113, section 4.1): length, type, flags, stream.
pub(super) const HEAD: usize = 9;

/// How much of a payload can be looked at: more than h2's SETTINGS have.
const MOST: usize = 64;

/// The types of frames (RFC 9113, section 6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
    /// None that is known: it is ignored (section 4.1).
    pub(in super::super) const UNKNOWN: u8 = 0xbb;
}

/// The flags of frames (RFC 9113, section 6).
pub(super) mod flag {
    /// Of SETTINGS and PING.
    pub(in super::super) const ACK: u8 = 1;
    /// Of DATA and HEADERS.
    pub(in super::super) const END_STREAM: u8 = 1;
    /// Of HEADERS and CONTINUATION.
    pub(in super::super) const END_HEADERS: u8 = 4;
    /// Of DATA.
    pub(in super::super) const PADDED: u8 = 8;
}

/// A frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    #[inline]
    fn read([a, b, c, kind, flags, s, t, u, v]: [u8; HEAD]) -> Self {
        let length = u32::from_be_bytes([0, a, b, c]);
        Self { length, kind, flags, stream: u32::from_be_bytes([s & 0x7f, t, u, v]) }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A frame that begins.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) head: Head,
    /// Where the head is among the bytes of this call; `None` where it began in an earlier one.
    pub(super) at: Option<usize>,
    /// How much of the payload can be looked at.
    seen: usize,
}

/// Finds the frames in one direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// How much of a frame's payload is to be seen with its head: none of HEADERS and of DATA without padding.
    more: fn(&Head) -> usize,
    /// The head that is being read, and what is to be seen of the payload.
    prefix: [u8; HEAD + MOST],
    have: usize,
    need: usize,
    /// Where what is had began among the bytes that passed last; `None` where that was earlier.
    from: Option<usize>,
    /// How much comes before the next head.
    skip: usize,
}

impl Frames {
    /// Frames begin after `skip` bytes.
    pub(super) fn after(skip: usize, more: fn(&Head) -> usize) -> Self {
        Self { more, prefix: [0; HEAD + MOST], have: 0, need: HEAD, from: None, skip }
    }

    /// Whether the last frame has passed as a whole, and none has begun.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.skip == 0
    }

    /// What `begun` has to show of its payload.
    pub(super) fn payload(&self, begun: &Begun) -> &[u8] {
        self.prefix.get(HEAD..HEAD + begun.seen).unwrap_or_default()
    }

    /// What there is of a frame's head and payload, after [`next`](Self::next) found no more; and where that began
    /// among the bytes.
    pub(super) fn rest(&self) -> (&[u8], Option<usize>) {
        (self.prefix.get(..self.have).unwrap_or_default(), self.from)
    }

    /// The head that has been read and what is to be seen of the payload.
    pub(super) fn prefix(&self, begun: &Begun) -> &[u8] {
        self.prefix.get(..HEAD + begun.seen).unwrap_or_default()
    }

    /// The next frame that begins in `bytes` behind `at`, which is moved behind what is seen of it, or further within it.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Option<Begun> {
        // Nearly always the head is whole, and there is nothing more to be seen.
        if self.skip == 0 && self.have == 0 {
            let begun = self.whole(bytes, at);
            if begun.is_some() {
                return begun;
            }
        }
        self.search(bytes, at)
    }

    /// The frame whose head stands at `at`, where nothing is to be seen of its payload.
    #[inline]
    fn whole(&mut self, bytes: &[u8], at: &mut usize) -> Option<Begun> {
        let start = *at;
        let head = Head::read(*bytes.get(start..)?.first_chunk()?);
        if self.seen(&head) > 0 {
            return None;
        }
        let end = start + HEAD + head.length as usize;
        *at = end.min(bytes.len());
        self.skip = end - *at;
        Some(Begun { head, at: Some(start), seen: 0 })
    }

    /// Passes by frames of whose payload nothing is to be seen, from `at` on, as long as their heads are taken.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8], at: &mut usize, mut take: impl FnMut(&Head) -> bool) {
        if self.skip > 0 || self.have > 0 {
            return;
        }
        let mut next = *at;
        while let Some(head) = bytes.get(next..).and_then(<[u8]>::first_chunk) {
            let head = Head::read(*head);
            if self.seen(&head) > 0 || !take(&head) {
                break;
            }
            next += HEAD + head.length as usize;
        }
        *at = next.min(bytes.len());
        self.skip = next - *at;
    }

    /// The head that stands whole at `at`, where nothing is to be seen of its frame's payload.
    #[inline]
    pub(super) fn peek(&self, bytes: &[u8], at: usize) -> Option<Head> {
        if self.skip > 0 || self.have > 0 {
            return None;
        }
        let head = Head::read(*bytes.get(at..)?.first_chunk()?);
        (self.seen(&head) == 0).then_some(head)
    }

    /// What [`next`](Self::next) does, wherever the last bytes ended.
    #[inline(never)]
    fn search(&mut self, bytes: &[u8], at: &mut usize) -> Option<Begun> {
        let rest = bytes.get(*at..).unwrap_or_default();
        let skipped = self.skip.min(rest.len());
        self.skip -= skipped;
        *at += skipped;
        let rest = rest.get(skipped..).unwrap_or_default();
        if rest.is_empty() {
            return None;
        }
        let begun = if self.have == 0 { self.whole(bytes, at) } else { None };
        begun.or_else(|| self.gather(rest, at))
    }

    /// The same, byte by byte.
    #[cold]
    fn gather(&mut self, rest: &[u8], at: &mut usize) -> Option<Begun> {
        if self.have == 0 {
            self.from = Some(*at);
            self.need = HEAD;
        } else {
            self.from = None;
        }
        for byte in rest {
            if let Some(to) = self.prefix.get_mut(self.have) {
                *to = *byte;
            }
            self.have += 1;
            *at += 1;
            if self.have < self.need {
                continue;
            }
            let head = Head::read(*self.prefix.first_chunk()?);
            let seen = self.seen(&head);
            self.need = HEAD + seen;
            if self.have == self.need {
                self.have = 0;
                self.skip = head.length as usize - seen;
                let start = self.from.take();
                return Some(Begun { head, at: start, seen });
            }
        }
        None
    }

    #[inline]
    fn seen(&self, head: &Head) -> usize {
        match head.kind {
            // Nearly all are of these, and of a header block nothing is looked at.
            kind::HEADERS => 0,
            kind::DATA if !head.has(flag::PADDED) => 0,
            _ => (self.more)(head).min(MOST).min(head.length as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let frames =
            [(5, 4, 1), (0, 4, 0), (300, 9, 7), (8, 6, 0), (0, 7, 0), (2, 0, 9), (1, 4, 0x7fff_ffff)];
        let mut bytes = b"preface".to_vec();
        for (length, kind, stream) in frames {
            bytes.extend([0, (length >> 8) as u8, length as u8, kind, 1]);
            // The reserved bit means nothing.
            bytes.extend((stream | 0x8000_0000_u32).to_be_bytes());
            bytes.extend((0..length).map(|n| n as u8));
        }
        // Some pass by without a look at them, and some are looked at ahead.
        for (cut, short) in (1..=bytes.len()).flat_map(|cut| [(cut, false), (cut, true)]) {
            let mut parser = Frames::after(7, |head| match head.kind {
                6 => 8,
                4 => 2,
                _ => 0,
            });
            let mut found = Vec::new();
            for (chunk, from) in bytes.chunks(cut).zip((0..).step_by(cut)) {
                let mut at = 0;
                loop {
                    if short {
                        parser.pass(chunk, &mut at, |head| {
                            let take = head.length != 1;
                            found.extend(take.then_some((head.length, head.kind, head.stream)));
                            take
                        });
                    }
                    let ahead = parser.peek(chunk, at);
                    let Some(begun) = parser.next(chunk, &mut at) else {
                        assert_eq!(ahead, None);
                        break;
                    };
                    let head = begun.head;
                    assert!(ahead.is_none_or(|ahead| ahead == head));
                    let seen: Vec<u8> = parser.payload(&begun).to_vec();
                    assert_eq!(seen, (0..seen.len()).map(|n| n as u8).collect::<Vec<_>>());
                    assert_eq!(
                        seen.len(),
                        match head.kind {
                            6 => 8,
                            4 => 2.min(head.length as usize),
                            _ => 0,
                        }
                    );
                    if let Some(start) = begun.at {
                        let length = &bytes[from + start..from + start + 3];
                        assert_eq!(u32::from_be_bytes([0, length[0], length[1], length[2]]), head.length);
                    }
                    found.push((head.length, head.kind, head.stream));
                }
                assert_eq!(at, chunk.len(), "cut every {cut} bytes");
                let (rest, start) = parser.rest();
                if let Some(start) = start {
                    assert_eq!(rest, &chunk[start..]);
                }
            }
            assert_eq!(found, frames, "cut every {cut} bytes");
            assert!(parser.is_between());
        }
    }
}
