//! gRPC-Web-text: bodies in base64, in pieces that are each padded or not, as the sender had to flush.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

/// Decodes a body that comes in pieces, wherever they are cut.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Up to three characters that are no group of four yet.
    rest: BytesMut,
}

impl Decoder {
    /// The bytes of `text` and what came before it.
    ///
    /// # Errors
    ///
    /// It is no base64.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<Bytes, &'static str> {
        self.rest.extend_from_slice(text);
        let whole = self.rest.len() / 4 * 4;
        let groups = self.rest.split_to(whole);
        let mut out = Vec::with_capacity(whole / 4 * 3);
        // Padding ends a piece, and another may follow it.
        for piece in groups.chunks(4).collect::<Vec<_>>().chunk_by(|group, _| group.last() != Some(&b'=')) {
            let piece = piece.concat();
            STANDARD.decode_vec(&piece, &mut out).map_err(|_| "the body is no base64")?;
        }
        Ok(out.into())
    }

    /// Whether the text may end here.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

/// One piece, padded.
pub(super) fn encode(data: &[u8]) -> Bytes {
    STANDARD.encode(data).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], step: usize) -> Result<Vec<u8>, &'static str> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in text.chunks(step) {
            out.extend_from_slice(&decoder.push(piece)?);
        }
        if decoder.is_whole() { Ok(out) } else { Err("cut") }
    }

    #[test]
    fn text_is_decoded_however_it_is_cut_and_padded() {
        let text = [encode(b"a"), encode(b"bcd"), encode(b"ef"), encode(b"ghijklmnop")].concat();
        for step in 1..=text.len() {
            assert_eq!(all(&text, step).unwrap(), b"abcdefghijklmnop", "{step}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for bad in [&b"AAA"[..], b"AA=A", b"====", b"A===", b"AA*=", b"AAAA\r\n==", b"YQ=a"] {
            for step in [1, 4, bad.len()] {
                assert!(all(bad, step).is_err(), "{bad:?} by {step}");
            }
        }
    }
}
