//! Checks of arguments: the message says the parameter, the value, and what was expected.

use std::ops::RangeInclusive;
use std::time::Duration;

use ext_php_rs::types::ZendStr;
use viaduct::error::{InvalidArgument, quote};

/// The longest span that is kept. What is longer is "never" in practice.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 10);

/// The most bytes that a message can be said to have.
pub(crate) const BYTES: RangeInclusive<i64> = 0..=2_147_483_647;

/// An integer in a range.
pub(crate) fn integer(name: &str, value: i64, range: RangeInclusive<i64>) -> Result<usize, InvalidArgument> {
    usize::try_from(value).ok().filter(|_| range.contains(&value)).ok_or_else(|| {
        InvalidArgument::new(format!(
            "{name} is {value}; expected an integer from {} to {}",
            range.start(),
            range.end()
        ))
    })
}

/// `maxMetadataBytes`: at most what the connection outlives.
pub(crate) fn metadata_bytes(value: i64) -> Result<u32, InvalidArgument> {
    const RANGE: RangeInclusive<i64> = 1024..=16 << 20;
    integer("maxMetadataBytes", value, RANGE).map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// A span in seconds: finite, at least 0.
pub(crate) fn seconds(name: &str, value: f64) -> Result<Duration, InvalidArgument> {
    if value.is_finite() && value >= 0.0 {
        return Ok(span(value));
    }
    Err(InvalidArgument::new(format!(
        "{name} is {}; expected a finite number of seconds, 0 or more",
        show(value)
    )))
}

/// A span in seconds: finite, more than 0.
pub(crate) fn positive_seconds(name: &str, value: f64) -> Result<Duration, InvalidArgument> {
    if value.is_finite() && value > 0.0 {
        return Ok(span(value).max(Duration::from_nanos(1)));
    }
    Err(InvalidArgument::new(format!(
        "{name} is {}; expected a finite number of seconds, more than 0",
        show(value)
    )))
}

fn span(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(LONGEST).min(LONGEST)
}

/// A float as PHP writes it.
fn show(value: f64) -> String {
    if value.is_nan() {
        "NAN".into()
    } else if value.is_infinite() {
        (if value > 0.0 { "INF" } else { "-INF" }).into()
    } else {
        value.to_string()
    }
}

/// A text that can stand in a header.
pub(crate) fn header_text(name: &str, text: &ZendStr) -> Result<String, InvalidArgument> {
    let bytes = text.as_bytes();
    match (bytes.iter().find(|b| !(0x20..=0x7e).contains(*b)), str::from_utf8(bytes)) {
        (None, Ok(text)) => Ok(text.to_owned()),
        (bad, _) => Err(InvalidArgument::new(format!(
            "{name} is {}, with the byte 0x{:02x}; expected printable ASCII (0x20 to 0x7e)",
            quote(&String::from_utf8_lossy(bytes)),
            bad.copied().unwrap_or_default()
        ))),
    }
}

/// A host with or without a port: what can stand in `:authority`.
pub(crate) fn authority(name: &str, text: &ZendStr) -> Result<String, InvalidArgument> {
    let authority = http::uri::Authority::try_from(text.as_bytes()).ok();
    match authority.filter(|a| !a.host().is_empty() && !a.as_str().contains('@')) {
        Some(authority) => Ok(authority.as_str().to_owned()),
        None => Err(InvalidArgument::new(format!(
            "{name} is {}; expected a host name or address, with or without a port",
            quote(&String::from_utf8_lossy(text.as_bytes()))
        ))),
    }
}
