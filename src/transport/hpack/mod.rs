//! HPACK: header blocks of HTTP/2 (RFC 7541).
//!
//! Nearly every field a proxy sees is in a table already. [`Decoder`] hands such a field out by reference,
//! and [`Encoder`] finds it with one hash and writes its number.
//!
//! Values with space around them are no error here, against RFC 9113, section 8.2.1: a `grpc-message` may end with one,
//! and its call is better told what it says than that it is malformed.

mod decode;
#[cfg(feature = "proxy")]
mod encode;
mod huffman;
mod tables;

use http::HeaderName;

pub(crate) use decode::Decoder;
#[cfg(feature = "proxy")]
pub(crate) use decode::Field;
#[cfg(feature = "proxy")]
pub(crate) use encode::Encoder;

/// The name of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `:method`.
    Method,
    /// `:scheme`.
    Scheme,
    /// `:authority`.
    Authority,
    /// `:path`.
    Path,
    /// `:protocol` (RFC 8441).
    Protocol,
    /// `:status`.
    Status,
    /// That of a header.
    Header(HeaderName),
}

impl Name {
    /// As it is written, with the colon of a pseudo-header.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Method => ":method",
            Self::Scheme => ":scheme",
            Self::Authority => ":authority",
            Self::Path => ":path",
            Self::Protocol => ":protocol",
            Self::Status => ":status",
            Self::Header(name) => name.as_str(),
        }
    }

    /// How many bytes the name has, with the colon of a pseudo-header.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.as_str().len()
    }

    /// The name these bytes are, where they are one (RFC 9113, sections 8.2.1 and 8.3).
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":protocol" => Self::Protocol,
            b":status" => Self::Status,
            // No other name has a colon: it is no character of a token.
            _ => Self::Header(HeaderName::from_lowercase(bytes).ok()?),
        })
    }
}

/// What is wrong with a header block: a `COMPRESSION_ERROR` of the connection (RFC 9113, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// What an entry of a table takes besides its bytes (RFC 7541, section 4.1).
const OVERHEAD: usize = 32;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use http::{HeaderValue, Method, StatusCode};

    use super::*;

    /// The bytes these hexadecimal digits are.
    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The fields of a block, one a line; `!` stands before a sensitive one.
    fn decoded(decoder: &mut Decoder, block: &[u8]) -> String {
        let mut text = String::new();
        let read = decoder.decode(block, |field| {
            let Some((name, value)) = field.what else {
                writeln!(text, "malformed {}", field.size).unwrap();
                return;
            };
            assert_eq!(field.size, name.len() + value.len() + OVERHEAD);
            let name = match name {
                Name::Header(name) => name.to_string(),
                pseudo => format!(":{}", format!("{pseudo:?}").to_lowercase()),
            };
            let mark = if value.is_sensitive() { "!" } else { "" };
            writeln!(text, "{mark}{name}: {}", value.to_str().unwrap()).unwrap();
        });
        read.expect("a block that can be read");
        text
    }

    /// Decodes blocks in turn; each comes with the fields in it and the table's size behind it.
    fn check(max: usize, blocks: &[(&str, &str, usize)]) {
        let mut decoder = Decoder::new(max);
        for (block, expected, size) in blocks {
            assert_eq!(decoded(&mut decoder, &bytes(block)), *expected);
            assert_eq!(decoder.table_size(), *size);
        }
    }

    const FIRST: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
    const SECOND: &str =
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n";
    const THIRD: &str = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
                         custom-key: custom-value\n";

    #[test]
    fn rfc_c2_single_fields() {
        let custom = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
        check(4096, &[(custom, "custom-key: custom-header\n", 55)]);
        check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", 0)]);
        check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "!password: secret\n", 0)]);
        check(4096, &[("82", ":method: GET\n", 0)]);
    }

    #[test]
    fn rfc_c3_requests() {
        let third = "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65";
        check(
            4096,
            &[
                ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57),
                ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110),
                (third, THIRD, 164),
            ],
        );
    }

    #[test]
    fn rfc_c4_requests_with_huffman() {
        check(
            4096,
            &[
                ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
                ("8286 84be 5886 a8eb 1064 9cbf", SECOND, 110),
                ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164),
            ],
        );
    }

    const FOUND: &str = ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n\
                         location: https://www.example.com\n";
    const MOVED: &str = ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n\
                         location: https://www.example.com\n";
    const OK: &str = ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n\
                      location: https://www.example.com\ncontent-encoding: gzip\n\
                      set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n";

    #[test]
    fn rfc_c5_responses() {
        let first =
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133
                     3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
        let third = "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
                     5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
                     5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31";
        check(256, &[(first, FOUND, 222), ("4803 3330 37c1 c0bf", MOVED, 222), (third, OK, 215)]);
    }

    #[test]
    fn rfc_c6_responses_with_huffman() {
        let first =
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d
                     29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
        let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad
                     94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160
                     65c0 03ed 4ee5 b106 3d50 07";
        check(256, &[(first, FOUND, 222), ("4883 640e ffc1 c0bf", MOVED, 222), (third, OK, 215)]);
    }

    /// Writes a field by the text of its name.
    fn encode(encoder: &mut Encoder, out: &mut Vec<u8>, name: &'static str, value: &str) {
        let name = HeaderName::from_static(name);
        encoder.header(out, &name, &HeaderValue::from_str(value).unwrap());
    }

    #[test]
    fn round_trips_with_eviction_and_changing_sizes() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        let sizes = [4096, 300, 0, 100, 65_536, 1000];
        for round in 0..2000_usize {
            if let Some(size) = sizes.get(round % 97) {
                encoder.set_max_size(*size);
            }
            let mut out = Vec::new();
            encoder.begin(&mut out);
            encoder.method(&mut out, [&Method::POST, &Method::GET, &Method::PUT][round % 3]);
            encoder.scheme(&mut out, round % 2 == 0);
            encoder.authority(&mut out, "example.com");
            let path = format!("/package.Service/Method{}", round % 50);
            encoder.path(&mut out, &path);
            encode(&mut encoder, &mut out, "content-type", "application/grpc");
            encode(&mut encoder, &mut out, "te", "trailers");
            let odd = format!("value {}", round % 70);
            encode(&mut encoder, &mut out, "x-odd", &odd);
            let long = "x".repeat(round % 1100);
            encode(&mut encoder, &mut out, "x-long", &long);
            let timeout = format!("{round}m");
            encode(&mut encoder, &mut out, "grpc-timeout", &timeout);
            let method = ["POST", "GET", "PUT"][round % 3];
            let scheme = if round % 2 == 0 { "https" } else { "http" };
            let expected = format!(
                ":method: {method}\n:scheme: {scheme}\n:authority: example.com\n:path: {path}\n\
                 content-type: application/grpc\nte: trailers\nx-odd: {odd}\nx-long: {long}\n\
                 grpc-timeout: {timeout}\n"
            );
            assert_eq!(decoded(&mut decoder, &out), expected);
            assert_eq!(decoder.table_size(), encoder.table_size());
        }
    }

    #[test]
    fn every_status_arrives() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        for code in 100..1000 {
            let mut out = Vec::new();
            encoder.begin(&mut out);
            encoder.status(&mut out, StatusCode::from_u16(code).unwrap());
            assert_eq!(decoded(&mut decoder, &out), format!(":status: {code}\n"));
        }
    }

    #[test]
    fn a_sensitive_value_stays_never_indexed() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        let mut block = bytes("1008 7061 7373 776f 7264 0673 6563 7265 74");
        for _ in 0..3 {
            let mut next = Vec::new();
            encoder.begin(&mut next);
            let read = decoder.decode(&block, |field| {
                let Some((Name::Header(name), value)) = field.what else { panic!("no header") };
                assert!(value.is_sensitive());
                encoder.header(&mut next, name, value);
            });
            assert_eq!(read, Ok(()));
            assert_eq!(next, block);
            assert_eq!((encoder.table_size(), decoder.table_size()), (0, 0));
            block = next;
        }
    }

    #[test]
    fn what_is_random_neither_panics_nor_loops() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut decoder = Decoder::new(4096);
        let (mut good, mut fields) = (0, 0);
        for _ in 0..200_000 {
            let length = random() % 48;
            // Half of them have mostly small numbers, so that strings are short and blocks can be read.
            let small = random() % 2 == 0;
            let block: Vec<u8> = (0..length)
                .map(|_| {
                    let byte = (random() >> 32) as u8;
                    if small && random() % 3 != 0 { byte & 0xc7 } else { byte }
                })
                .collect();
            match decoder.decode(&block, |_| fields += 1) {
                Ok(()) => good += 1,
                Err(Broken) => decoder = Decoder::new(4096),
            }
            assert!(decoder.table_size() <= 4096);
        }
        assert!(good > 1000 && fields > 1000, "{good} blocks, {fields} fields");
    }
}
