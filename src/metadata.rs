//! Metadata: the keys and values that travel beside the messages.
//!
//! It is carried as an [`http::HeaderMap`]. Values of keys that end in `-bin` are raw bytes on this
//! side and base64 on the wire, as the gRPC over HTTP/2 specification has it ("Custom-Metadata").

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use crate::error::{InvalidArgument, quote};

/// Base64 as gRPC has it: written without padding, read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Headers that belong to the protocol and are never metadata.
const RESERVED: [&str; 14] = [
    "content-type",
    "te",
    "user-agent",
    "grpc-timeout",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "content-length",
    "connection",
    "transfer-encoding",
    "host",
    "upgrade",
];

/// What each header counts beside its name and value (RFC 9113, section 6.5.2).
pub(crate) const ENTRY: usize = 32;

/// The length of a list of headers, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2).
pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ENTRY).sum()
}

/// The same of what stands in a request's list beside its headers.
pub(crate) fn size_beside(method: &Method, uri: &Uri) -> usize {
    let entries = [
        (":method", method.as_str()),
        (":scheme", uri.scheme_str().unwrap_or_default()),
        (":authority", uri.authority().map_or("", |authority| authority.as_str())),
        (":path", uri.path_and_query().map_or("", |path| path.as_str())),
    ];
    let there = entries.iter().filter(|(_, value)| !value.is_empty());
    there.map(|(name, value)| name.len() + value.len() + ENTRY).sum()
}

/// Whether `name` belongs to the protocol: it can be neither sent nor seen as metadata.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(':')
}

/// Adds one value under `key`. A key may have several values; they keep their order.
///
/// # Errors
///
/// The key must be `[0-9a-z_.-]+` (upper case is folded), not start with `grpc-` and not be a header
/// of the protocol. The value of a key without `-bin` must be printable ASCII.
pub fn append(map: &mut HeaderMap, key: &str, value: &[u8]) -> Result<(), InvalidArgument> {
    let name = key_of(key)?;
    let value = if name.as_str().ends_with("-bin") {
        binary_value(value)
    } else {
        if let Some(bad) = value.iter().find(|b| !(0x20..=0x7e).contains(*b)) {
            return Err(InvalidArgument::new(format!(
                "metadata value of {} has the byte 0x{bad:02x}; expected printable ASCII (0x20 to 0x7e), \
                 or a key that ends in \"-bin\" for binary values",
                quote(key)
            )));
        }
        HeaderValue::from_bytes(value)
            .map_err(|_| InvalidArgument::new(format!("metadata value of {} is not legal", quote(key))))?
    };
    map.append(name, value);
    Ok(())
}

fn key_of(key: &str) -> Result<HeaderName, InvalidArgument> {
    let lower = key.to_ascii_lowercase();
    let legal = !lower.is_empty()
        && lower.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-' | b'.'));
    if !legal {
        return Err(InvalidArgument::new(format!(
            "metadata key {} is not legal; expected one or more of 0-9 a-z _ - .",
            quote(key)
        )));
    }
    if is_reserved(&lower) || lower.starts_with("grpc-") {
        return Err(InvalidArgument::new(format!(
            "metadata key {} belongs to the protocol and cannot be set",
            quote(key)
        )));
    }
    HeaderName::from_bytes(lower.as_bytes())
        .map_err(|_| InvalidArgument::new(format!("metadata key {} is not legal", quote(key))))
}

/// A binary value as it stands on the wire.
pub fn binary_value(raw: &[u8]) -> HeaderValue {
    let text = BASE64.encode(raw);
    // Base64's alphabet is legal in a header value.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A binary value read from the wire. `None` where it is not base64.
pub fn decode_binary(value: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(value).ok()
}

/// Every metadata entry of `map`: key and raw value, in the order of arrival for each key.
///
/// Headers of the protocol are passed over. A `-bin` value may be a list joined by commas and
/// counts as several; what is not base64 is passed over.
pub fn entries(map: &HeaderMap) -> impl Iterator<Item = (&str, Vec<u8>)> {
    map.iter().filter(|(name, _)| !is_reserved(name.as_str())).flat_map(|(name, value)| {
        let values: Vec<Vec<u8>> = if name.as_str().ends_with("-bin") {
            value.as_bytes().split(|b| *b == b',').filter_map(|v| decode_binary(v.trim_ascii())).collect()
        } else {
            vec![value.as_bytes().to_vec()]
        };
        values.into_iter().map(move |v| (name.as_str(), v))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_keep_their_order_and_binary_comes_back_raw() {
        let mut map = HeaderMap::new();
        append(&mut map, "X-Tenant", b"a").unwrap();
        append(&mut map, "x-tenant", b"b").unwrap();
        append(&mut map, "trace-bin", &[0, 255, 10]).unwrap();
        assert_eq!(map["trace-bin"], "AP8K");
        let all: Vec<_> = entries(&map).collect();
        assert_eq!(
            all,
            [("x-tenant", b"a".to_vec()), ("x-tenant", b"b".to_vec()), ("trace-bin", vec![0, 255, 10])]
        );
    }

    #[test]
    fn joined_and_padded_binary_values_are_read() {
        let mut map = HeaderMap::new();
        map.append("k-bin", HeaderValue::from_static("AQ==,Ag"));
        assert_eq!(entries(&map).collect::<Vec<_>>(), [("k-bin", vec![1]), ("k-bin", vec![2])]);
    }

    #[test]
    fn what_is_illegal_is_named() {
        let mut map = HeaderMap::new();
        let text = |r: Result<(), InvalidArgument>| r.unwrap_err().to_string();
        assert!(text(append(&mut map, "a b", b"")).contains("\"a b\""));
        assert!(text(append(&mut map, "", b"")).contains("expected one or more"));
        assert!(text(append(&mut map, "grpc-foo", b"")).contains("belongs to the protocol"));
        assert!(text(append(&mut map, ":path", b"")).contains("not legal"));
        assert!(text(append(&mut map, "x", b"a\n")).contains("0x0a"));
        assert!(map.is_empty());
    }
}
