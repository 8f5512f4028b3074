//! Frames, by their types, among bytes that pass.

/// The length of a frame's head (RFC 9113, section 4.1): length, type, flags, stream.
const HEAD: usize = 9;

/// Looks for frames of some types in one direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    wanted: fn(u8) -> bool,
    /// The part of a head that has passed already.
    head: [u8; HEAD],
    have: usize,
    /// How much comes before the next head.
    skip: usize,
    /// Whether the frame that is passing is wanted.
    passing: bool,
    found: bool,
}

impl Frames {
    /// Frames begin after `skip` bytes.
    pub(super) fn after(skip: usize, wanted: fn(u8) -> bool) -> Self {
        Self { wanted, head: [0; HEAD], have: 0, skip, passing: false, found: false }
    }

    /// Whether a whole frame has passed since this was last asked.
    pub(super) fn found(&mut self) -> bool {
        std::mem::take(&mut self.found)
    }

    /// More bytes pass.
    pub(super) fn look(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if self.skip > 0 {
                return;
            }
            self.found |= std::mem::take(&mut self.passing);
            // Nearly always the head is whole.
            if self.have == 0
                && let Some((head, rest)) = bytes.split_first_chunk()
            {
                self.begin(*head);
                bytes = rest;
                continue;
            }
            let Some((first, rest)) = bytes.split_first() else { return };
            if let Some(to) = self.head.get_mut(self.have) {
                *to = *first;
            }
            self.have += 1;
            bytes = rest;
            if self.have == HEAD {
                self.have = 0;
                self.begin(self.head);
            }
        }
    }

    fn begin(&mut self, [a, b, c, kind, ..]: [u8; HEAD]) {
        self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
        self.passing = (self.wanted)(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut bytes = b"preface".to_vec();
        for (length, kind) in [(5, 0), (0, 4), (300, 9), (8, 7), (0, 7), (2, 0)] {
            bytes.extend([0, (length >> 8) as u8, length as u8, kind, 0, 0, 0, 0, 0]);
            bytes.extend(std::iter::repeat_n(7, length as usize));
        }
        for cut in 1..bytes.len() {
            let mut frames = Frames::after(7, |kind| kind == 7);
            let ends: Vec<usize> = bytes
                .chunks(cut)
                .scan(0, |at, chunk| {
                    *at += chunk.len();
                    frames.look(chunk);
                    Some(if frames.found() { *at } else { 0 })
                })
                .filter(|at| *at > 0)
                .collect();
            // The first ends 20 bytes before the end, the second 11; a cut is where it is noticed.
            let mut expected =
                [20, 11].map(|left| (bytes.len() - left).next_multiple_of(cut).min(bytes.len())).to_vec();
            expected.dedup();
            assert_eq!(ends, expected, "cut every {cut} bytes");
        }
    }
}
