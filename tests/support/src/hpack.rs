//! HPACK (RFC 7541), the part a test peer needs: every field a literal, never indexed, no Huffman code.

/// A field: name and value.
pub type Field<'a> = (&'a str, &'a str);

/// A header block of these fields, in this order.
pub fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        // RFC 7541 §6.2.2: literal without indexing, new name.
        out.push(0);
        string(name.as_bytes(), &mut out);
        string(value.as_bytes(), &mut out);
    }
    out
}

/// A string literal (§5.2) behind its length, an integer with a prefix of 7 bits (§5.1).
fn string(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_field() {
        assert_eq!(block(&[("a", "bc")]), b"\0\x01a\x02bc");
    }

    #[test]
    fn length_beyond_the_prefix() {
        let long = "x".repeat(1337);
        // 1337 - 127 = 1210 = 9 * 128 + 58
        assert_eq!(block(&[("", &long)])[..5], [0, 0, 127, 128 + 58, 9]);
    }
}
