//! Writes header blocks (RFC 7541, sections 5 and 6).
//!
//! Strings are written as they are, without Huffman: what comes again is in the table after the first time.

use std::fmt;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::OVERHEAD;
use super::tables::{FIXED, Habit, Written, hash, known};

/// The largest dynamic table that is used.
const MAX_SIZE: usize = 4096;

/// A field that takes more than this part of the table would drive too many others out.
const LARGE: usize = 4;

/// A cookie shorter than this could be guessed (RFC 7541, section 7.1.3).
const SHORT_COOKIE: usize = 20;

/// The first byte of a field that is in a table (RFC 7541, section 6.1).
const INDEXED: u8 = 0x80;

/// How a literal is written: the bits of its first byte, and how many are left there for a number.
#[derive(Debug, Clone, Copy)]
struct Form(u8, u32);

/// A literal that enters the table (RFC 7541, section 6.2.1).
const INCREMENTAL: Form = Form(0x40, 6);

/// A literal that does not (RFC 7541, section 6.2.2).
const PLAIN: Form = Form(0, 4);

/// A literal that must not, here and at the next hop (RFC 7541, section 6.2.3).
const NEVER: Form = Form(0x10, 4);

/// Writes the header blocks of one direction of a connection.
pub(crate) struct Encoder {
    /// The dynamic table.
    table: Written,
    /// What its entries may count together, as the peer knows it.
    max: usize,
    /// What they shall count at most.
    wanted: usize,
    /// The least that was wanted since the last block, where something was.
    least: Option<usize>,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("size", &self.table.size())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// One with an empty table.
    pub(crate) fn new() -> Self {
        Self { table: Written::new(), max: MAX_SIZE, wanted: MAX_SIZE, least: None }
    }

    /// Takes the peer's `SETTINGS_HEADER_TABLE_SIZE`. The next block announces what comes of it.
    pub(crate) fn set_max_size(&mut self, theirs: usize) {
        self.wanted = theirs.min(MAX_SIZE);
        self.least = Some(self.least.unwrap_or(MAX_SIZE).min(self.wanted));
    }

    /// Begins a block: announces the size of the table, if it has changed. If it went down and up again, both
    /// the least and the last (RFC 7541, section 4.2).
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(least) = self.least.take() else { return };
        if least < self.max {
            self.resize(out, least);
        }
        if self.wanted != self.max {
            self.resize(out, self.wanted);
        }
    }

    /// Writes `:method`.
    pub(crate) fn method(&mut self, out: &mut Vec<u8>, method: &Method) {
        match *method {
            Method::GET => out.push(INDEXED | 2),
            Method::POST => out.push(INDEXED | 3),
            _ => self.field(out, ":method", method.as_str().as_bytes()),
        }
    }

    /// Writes `:scheme`.
    pub(crate) fn scheme(&mut self, out: &mut Vec<u8>, https: bool) {
        out.push(INDEXED | if https { 7 } else { 6 });
    }

    /// Writes `:authority`.
    pub(crate) fn authority(&mut self, out: &mut Vec<u8>, authority: &str) {
        self.field(out, ":authority", authority.as_bytes());
    }

    /// Writes `:path`.
    pub(crate) fn path(&mut self, out: &mut Vec<u8>, path: &str) {
        match path {
            "/" => out.push(INDEXED | 4),
            _ => self.field(out, ":path", path.as_bytes()),
        }
    }

    /// Writes `:status`.
    pub(crate) fn status(&mut self, out: &mut Vec<u8>, status: StatusCode) {
        let index = match status.as_u16() {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => return self.field(out, ":status", status.as_str().as_bytes()),
        };
        out.push(INDEXED | index);
    }

    /// Writes `grpc-timeout`, which no two requests have in common, without a table.
    pub(crate) fn timeout(&mut self, out: &mut Vec<u8>, span: Duration) {
        let (mut value, unit) = crate::deadline::shortest(span);
        // At most eight digits and a unit.
        let mut text = [0; 9];
        let mut at = text.len() - 1;
        text[at] = unit as u8;
        while let Some(place) = at.checked_sub(1).and_then(|next| text.get_mut(next)) {
            *place = b'0' + (value % 10) as u8;
            at -= 1;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        let text = text.get(at..).unwrap_or_default();
        out.extend_from_slice(b"\x00\x0cgrpc-timeout");
        out.push(text.len() as u8);
        out.extend_from_slice(text);
    }

    /// Writes a header.
    pub(crate) fn header(&mut self, out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
        let (name, text) = (name.as_str(), value.as_bytes());
        if value.is_sensitive() {
            literal(out, NEVER, known(name).0, name, text);
        } else {
            self.field(out, name, text);
        }
    }

    /// Writes a field: its number if it is in the dynamic table, or else a literal.
    fn field(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        let hash = hash(name, value);
        if let Some(at) = self.table.find(hash, name, value) {
            // The dynamic table begins behind the static one (RFC 7541, section 2.3.3).
            return integer(out, INDEXED, 7, FIXED + 1 + at);
        }
        let size = name.len() + value.len() + OVERHEAD;
        let (index, habit) = known(name);
        let form = match habit {
            Habit::Secret => NEVER,
            Habit::SecretIfShort if value.len() < SHORT_COOKIE => NEVER,
            Habit::Changes => PLAIN,
            _ if size > self.max / LARGE => PLAIN,
            _ => {
                self.table.insert(self.max, hash, name, value);
                INCREMENTAL
            }
        };
        literal(out, form, index, name, value);
    }

    /// Announces a size of the table (RFC 7541, section 6.3), and makes it so.
    fn resize(&mut self, out: &mut Vec<u8>, max: usize) {
        integer(out, 0x20, 5, max);
        self.max = max;
        self.table.shrink(max);
    }

    /// What the entries of the dynamic table count together.
    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }
}

/// Writes a literal, with the number of its name, or its name where that is 0.
fn literal(out: &mut Vec<u8>, Form(first, bits): Form, index: usize, name: &str, value: &[u8]) {
    integer(out, first, bits, index);
    if index == 0 {
        string(out, name.as_bytes());
    }
    string(out, value);
}

/// Writes a string as it is (RFC 7541, section 5.2).
fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// Writes a number, which begins in the lower `bits` bits of the first byte (RFC 7541, section 5.1).
fn integer(out: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let mask = (1_u8 << bits) - 1;
    if value < usize::from(mask) {
        return out.push(first | value as u8);
    }
    out.push(first | mask);
    let mut value = value - usize::from(mask);
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with one header.
    fn block(encoder: &mut Encoder, name: &'static str, value: &'static str) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        encoder.header(&mut out, &HeaderName::from_static(name), &HeaderValue::from_static(value));
        out
    }

    #[test]
    fn a_field_is_a_literal_once_and_a_byte_afterwards() {
        let mut encoder = Encoder::new();
        assert_eq!(block(&mut encoder, "te", "trailers"), b"\x40\x02te\x08trailers");
        assert_eq!(block(&mut encoder, "te", "trailers"), [0xbe]);
        assert_eq!(block(&mut encoder, "accept", "a/b"), b"\x53\x03a/b");
        assert_eq!(block(&mut encoder, "te", "trailers"), [0xbf]);
        assert_eq!(block(&mut encoder, "accept", "a/b"), [0xbe]);
    }

    #[test]
    fn pseudo_headers_of_the_static_table() {
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        encoder.method(&mut out, &Method::GET);
        encoder.method(&mut out, &Method::POST);
        encoder.scheme(&mut out, false);
        encoder.scheme(&mut out, true);
        encoder.path(&mut out, "/");
        for code in [200, 204, 206, 304, 400, 404, 500] {
            encoder.status(&mut out, StatusCode::from_u16(code).unwrap());
        }
        let expected = [0x82, 0x83, 0x86, 0x87, 0x84, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e];
        assert_eq!((out.as_slice(), encoder.table_size()), (&expected[..], 0));
    }

    #[test]
    fn what_changes_or_is_large_does_not_enter_the_table() {
        let mut encoder = Encoder::new();
        for _ in 0..2 {
            assert_eq!(block(&mut encoder, "grpc-timeout", "1S"), b"\x00\x0cgrpc-timeout\x021S");
            assert_eq!(block(&mut encoder, "date", "x"), b"\x0f\x12\x01x");
            let value = HeaderValue::from_bytes(&[b'x'; 1024 - 32]).unwrap();
            let mut out = Vec::new();
            encoder.header(&mut out, &HeaderName::from_static("x"), &value);
            assert_eq!(out[..5], [0x00, 0x01, b'x', 0x7f, 0xe1]);
        }
        assert_eq!(encoder.table_size(), 0);
    }

    #[test]
    fn secrets_are_never_indexed() {
        let mut encoder = Encoder::new();
        for _ in 0..2 {
            assert_eq!(block(&mut encoder, "authorization", "x"), b"\x1f\x08\x01x");
            assert_eq!(block(&mut encoder, "proxy-authorization", "x"), b"\x1f\x22\x01x");
            assert_eq!(block(&mut encoder, "cookie", "x=1"), b"\x1f\x11\x03x=1");
            let mut value = HeaderValue::from_static("x");
            value.set_sensitive(true);
            let mut out = Vec::new();
            encoder.header(&mut out, &HeaderName::from_static("x-key"), &value);
            assert_eq!(out, b"\x10\x05x-key\x01x");
        }
        assert_eq!(encoder.table_size(), 0);
        // One that is in the table, but sensitive this time.
        block(&mut encoder, "x-key", "x");
        let mut value = HeaderValue::from_static("x");
        value.set_sensitive(true);
        let mut out = Vec::new();
        encoder.header(&mut out, &HeaderName::from_static("x-key"), &value);
        assert_eq!(out, b"\x10\x05x-key\x01x");
        assert_eq!(block(&mut encoder, "cookie", "a cookie of 20 bytes")[0], 0x60);
        assert_eq!(block(&mut encoder, "cookie", "a cookie of 20 bytes"), [0xbe]);
    }

    /// What a block begins with after these settings.
    fn begun(encoder: &mut Encoder, sizes: &[usize]) -> Vec<u8> {
        sizes.iter().for_each(|size| encoder.set_max_size(*size));
        let mut out = Vec::new();
        encoder.begin(&mut out);
        out
    }

    #[test]
    fn sizes_are_announced() {
        let mut encoder = Encoder::new();
        assert_eq!(begun(&mut encoder, &[]), [0_u8; 0]);
        assert_eq!(begun(&mut encoder, &[4096]), [0_u8; 0]);
        assert_eq!(begun(&mut encoder, &[65_536]), [0_u8; 0]);
        block(&mut encoder, "te", "trailers");
        assert_eq!(begun(&mut encoder, &[100]), [0x3f, 69]);
        assert_eq!(begun(&mut encoder, &[]), [0_u8; 0]);
        assert_eq!(encoder.table_size(), 42);
        assert_eq!(begun(&mut encoder, &[30, 10, 20]), [0x2a, 0x34]);
        assert_eq!(encoder.table_size(), 0);
        assert_eq!(begun(&mut encoder, &[65_536, 8192]), [0x3f, 0xe1, 0x1f]);
        block(&mut encoder, "te", "trailers");
        assert_eq!(encoder.table_size(), 42);
        assert_eq!(begun(&mut encoder, &[0, 4096]), [0x20, 0x3f, 0xe1, 0x1f]);
        assert_eq!(encoder.table_size(), 0);
        assert_eq!(begun(&mut encoder, &[0]), [0x20]);
        assert_eq!(block(&mut encoder, "te", "trailers"), b"\x00\x02te\x08trailers");
    }

    #[test]
    fn as_many_fields_as_fit_are_found_again() {
        let mut encoder = Encoder::new();
        let fields: Vec<_> = (0..90)
            .map(|i| (HeaderName::try_from(format!("x-{i}")).unwrap(), HeaderValue::from(i * 7919)))
            .collect();
        let mut out = Vec::new();
        for _ in 0..10 {
            out.clear();
            fields.iter().for_each(|(name, value)| encoder.header(&mut out, name, value));
        }
        assert!(out.len() <= 2 * fields.len(), "{} bytes", out.len());
    }
}
