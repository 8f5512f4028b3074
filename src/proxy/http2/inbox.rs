//! What a stream has received and nobody has read yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces shorter than this are put together while nobody reads them: a reader that is slow costs what its bytes
/// need, however small they come.
const SMALL: usize = 4096;

/// DATA in its order.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The first piece: most streams never have two.
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// Small pieces, behind all others.
    small: BytesMut,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
        } else {
            if !self.small.is_empty() {
                self.rest.push_back(self.small.split().freeze());
            }
            self.rest.push_back(piece);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        if self.first.is_empty() {
            return None;
        }
        let next = self.rest.pop_front().unwrap_or_else(|| self.small.split().freeze());
        Some(std::mem::replace(&mut self.first, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_out_in_its_order() {
        let mut inbox = Inbox::default();
        let mut expected = Vec::new();
        let mut found = Vec::new();
        for n in 0..100_u8 {
            let piece = vec![n; if n % 7 == 0 { SMALL } else { 10 }];
            expected.extend_from_slice(&piece);
            inbox.push(piece.into());
            if n % 10 == 9 {
                found.extend_from_slice(&inbox.pop().unwrap());
            }
        }
        while let Some(piece) = inbox.pop() {
            found.extend_from_slice(&piece);
        }
        assert!(found == expected && inbox.is_empty());
        // Small pieces have become few.
        for _ in 0..1000 {
            inbox.push(Bytes::from_static(b"x"));
        }
        assert_eq!(std::iter::from_fn(|| inbox.pop()).count(), 2);
    }
}
