//! Deadlines: points in time on this machine, spans (`grpc-timeout`) on the wire.

use std::time::{Duration, Instant};

use http::HeaderName;

/// The header that says how long a call may take.
pub(crate) static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The point in time at which a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The longest span a deadline can be away. What is further off is "no deadline" in practice.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 10);

impl Deadline {
    /// The deadline `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self::at(Instant::now(), timeout)
    }

    /// The deadline `timeout` from `start`.
    pub fn at(start: Instant, timeout: Duration) -> Self {
        Self(start + timeout.min(FOREVER))
    }

    /// How long there is left; zero once the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the deadline has passed.
    pub fn passed(self) -> bool {
        self.0 <= Instant::now()
    }

    /// The same point for timers.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The earlier of two deadlines that may be missing.
    pub fn earliest(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }
}

/// Writes a `grpc-timeout` value: at most eight digits and a unit, in the finest unit that fits.
///
/// Follows the gRPC over HTTP/2 specification, "Timeout". The span is rounded up, so that the
/// server never gives up before the client does.
pub fn format_timeout(span: Duration) -> String {
    let (value, unit) = shortest(span);
    format!("{value}{unit}")
}

/// The number and the unit of a `grpc-timeout` value.
pub(crate) fn shortest(span: Duration) -> (u64, char) {
    const MAX: u64 = 99_999_999;
    // Beyond 584 years it makes no difference.
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    for (unit, size) in [('n', 1), ('u', 1_000), ('m', 1_000_000), ('S', 1_000_000_000)] {
        let value = nanos.div_ceil(size);
        if value <= MAX {
            return (value, unit);
        }
    }
    (nanos.div_ceil(3_600_000_000_000).min(MAX), 'H')
}

/// Reads a `grpc-timeout` value. `None` where it is not one.
pub fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_take_the_finest_unit_that_fits() {
        assert_eq!(format_timeout(Duration::from_nanos(1)), "1n");
        assert_eq!(format_timeout(Duration::from_millis(50)), "50000000n");
        assert_eq!(format_timeout(Duration::from_millis(1500)), "1500000u");
        assert_eq!(format_timeout(Duration::from_secs(100)), "100000m");
        assert_eq!(format_timeout(Duration::from_secs(1_000_000)), "1000000S");
        assert_eq!(format_timeout(Duration::from_secs(1_000_000_000)), "277778H");
    }

    #[test]
    fn what_is_written_is_read_back_and_never_shorter() {
        for nanos in [0u64, 1, 999, 1_000_001, 123_456_789_123, 86_400_000_000_000, u64::MAX] {
            let span = Duration::from_nanos(nanos);
            let back = parse_timeout(format_timeout(span).as_bytes()).unwrap();
            assert!(back >= span, "{span:?} came back as {back:?}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_refused() {
        for bad in ["", "S", "1", "1s", "-1S", "123456789S", "1 S", "1.5S"] {
            assert_eq!(parse_timeout(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
