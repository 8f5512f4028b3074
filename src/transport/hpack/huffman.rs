//! The Huffman code of strings (RFC 7541, section 5.2 and Appendix B). It is only read, never written.
//!
//! The code is canonical: sorted by length and byte, the codes count up. So the lengths say everything.

use super::Broken;

/// How many bits the code of each byte has (RFC 7541, Appendix B).
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// The longest code.
const LONGEST: usize = 30;

/// Codes up to so many bits are read with one look.
const SHORT: u32 = 8;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Group {
    /// How many bits each has.
    bits: u32,
    /// The first of them.
    first: u32,
    /// How many there are.
    count: u32,
    /// Where their bytes begin in [`Code::bytes`].
    start: usize,
}

/// The whole code.
struct Code {
    /// By the first [`SHORT`] bits: a byte, and how many bits its code has. 0 bits: it is longer than that.
    short: [(u8, u8); 1 << SHORT],
    /// The codes that are longer, by their length.
    long: [Group; LONGEST - SHORT as usize],
    /// The bytes, sorted by the length of their code. The end marker is not among them; it would be the last.
    bytes: [u8; 256],
}

/// The whole code, made when this is compiled.
static CODE: Code = build();

/// Makes the code from its lengths.
const fn build() -> Code {
    let none = Group { bits: 0, first: 0, count: 0, start: 0 };
    let mut code =
        Code { short: [(0, 0); 1 << SHORT], long: [none; LONGEST - SHORT as usize], bytes: [0; 256] };
    let (mut next, mut sorted, mut bits) = (0_u32, 0, 1_u32);
    while bits <= LONGEST as u32 {
        next <<= 1;
        let (first, start) = (next, sorted);
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as u32 == bits {
                code.bytes[sorted] = byte as u8;
                if bits <= SHORT {
                    // Every value that begins with this code stands for it.
                    let mut value = next << (SHORT - bits);
                    while value < (next + 1) << (SHORT - bits) {
                        code.short[value as usize] = (byte as u8, bits as u8);
                        value += 1;
                    }
                }
                next += 1;
                sorted += 1;
            }
            byte += 1;
        }
        if bits > SHORT {
            code.long[(bits - SHORT - 1) as usize] = Group { bits, first, count: next - first, start };
        }
        bits += 1;
    }
    code
}

/// Appends the string that `coded` stands for to `out`.
///
/// # Errors
///
/// If the end marker is in it, or what is left over is more than 7 bits, or not all ones.
pub(super) fn decode(mut coded: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    // A code of 5 bits is the shortest.
    out.reserve(coded.len() / 5 * 8 + 8);
    // What is not consumed stands at the left of `window`: `filled` bits, and zeros behind them.
    let (mut window, mut filled) = (0_u64, 0_u32);
    loop {
        if filled < 32 {
            if let Some((four, rest)) = coded.split_first_chunk::<4>() {
                window |= u64::from(u32::from_be_bytes(*four)) << (32 - filled);
                filled += 32;
                coded = rest;
            } else {
                // The last three bytes at most.
                while let Some((byte, rest)) = coded.split_first() {
                    window |= u64::from(*byte) << (56 - filled);
                    filled += 8;
                    coded = rest;
                }
            }
        }
        // With ones behind what is there, padding looks like the beginning of the end marker.
        let padded = window | (u64::MAX >> filled);
        let (byte, bits) = match CODE.short.get((padded >> (64 - SHORT)) as usize) {
            Some((byte, bits)) if *bits > 0 => (*byte, u32::from(*bits)),
            _ => match long(padded) {
                Some(found) => found,
                None if padded == u64::MAX && filled < 8 => return Ok(()),
                None => return Err(Broken),
            },
        };
        if bits > filled {
            return if padded == u64::MAX && filled < 8 { Ok(()) } else { Err(Broken) };
        }
        out.push(byte);
        window <<= bits;
        filled -= bits;
    }
}

/// The byte whose code, one of the longer ones, the window begins with, and how many bits the code has.
/// Nothing for the end marker.
fn long(window: u64) -> Option<(u8, u32)> {
    CODE.long.iter().find_map(|group| {
        // Less than the first of a length is less than the first of a shorter one: it would have been found.
        let at = ((window >> (64 - group.bits)) as u32).checked_sub(group.first)?;
        if at >= group.count {
            return None;
        }
        CODE.bytes.get(group.start + at as usize).map(|byte| (*byte, group.bits))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of each byte, and its length: assigned in the order of lengths and bytes.
    fn codes() -> Vec<(u64, u32)> {
        let mut order: Vec<usize> = (0..256).collect();
        order.sort_by_key(|byte| (LENGTHS[*byte], *byte));
        let mut codes = vec![(0, 0); 256];
        let (mut next, mut last) = (0_u64, 0);
        for byte in order {
            let bits = u32::from(LENGTHS[byte]);
            next <<= bits - last;
            codes[byte] = (next, bits);
            (next, last) = (next + 1, bits);
        }
        assert_eq!((next, last), ((1 << 30) - 1, 30), "the end marker is what is left");
        codes
    }

    /// Codes a string, and pads it.
    fn encode(text: &[u8]) -> Vec<u8> {
        let codes = codes();
        let mut bits = Vec::new();
        for byte in text {
            let (code, length) = codes[usize::from(*byte)];
            bits.extend((0..length).rev().map(|at| code >> at & 1 == 1));
        }
        pack(bits)
    }

    /// Bits as bytes, the last of which is filled with ones.
    fn pack(mut bits: Vec<bool>) -> Vec<u8> {
        bits.resize(bits.len().next_multiple_of(8), true);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
    }

    /// What a string decodes to.
    fn decoded(coded: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255_u8 {
            for count in 1..10 {
                let text = vec![byte; count];
                assert_eq!(decoded(&encode(&text)).as_ref(), Ok(&text));
            }
        }
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(decoded(&encode(&all)), Ok(all));
    }

    #[test]
    fn every_pair_comes_back() {
        for pair in 0..=u16::MAX {
            let text = pair.to_be_bytes().to_vec();
            if pair % 7 == 0 {
                assert_eq!(decoded(&encode(&text)), Ok(text));
            }
        }
    }

    #[test]
    fn an_example_of_the_rfc() {
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&coded), Ok(b"www.example.com".to_vec()));
        assert_eq!(encode(b"www.example.com"), coded);
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        assert_eq!(decoded(b""), Ok(Vec::new()));
        // `0` is five zeros, `a` is 00011.
        assert_eq!(decoded(&[0b0000_0111]), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
        assert_eq!(decoded(&[0b0000_0110]), Err(Broken));
        assert_eq!(decoded(&[0b0000_0000]), Err(Broken));
        for ones in 1..9 {
            assert_eq!(decoded(&vec![0xff; ones]), Err(Broken), "{ones} bytes of padding");
            let mut coded = encode(b"0");
            coded.extend(vec![0xff; ones]);
            assert_eq!(decoded(&coded), Err(Broken), "{ones} bytes of padding behind a character");
        }
    }

    #[test]
    fn a_code_that_is_cut_off_is_broken() {
        for byte in 0..=255_u8 {
            let coded = encode(&[byte]);
            for kept in 1..coded.len() {
                assert!(decoded(&coded[..kept]).is_err(), "{byte} in {kept} bytes");
            }
        }
    }

    #[test]
    fn the_end_marker_is_broken() {
        for before in 0..9 {
            let mut bits = vec![false; before * 5];
            bits.extend([true; 30]);
            bits.extend([false; 10]);
            assert_eq!(decoded(&pack(bits)), Err(Broken));
        }
    }
}
