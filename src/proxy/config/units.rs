//! Durations and sizes as texts.

use std::time::Duration;

/// What is said where a duration is none.
pub(super) const DURATION: &str = "a duration such as \"10s\", \"250ms\" or \"1m\", or a number of seconds";
/// What is said where a size is none.
pub(super) const SIZE: &str = "a size such as \"64KiB\" or \"1MiB\", or a number of bytes";

/// Nothing here lasts longer: ten years. Sums with it do not overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `10s`, `250ms`, `1.5m`, `2h`, `1d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    seconds_to_duration(number * seconds)
}

/// A number of seconds.
pub(super) fn seconds_to_duration(seconds: f64) -> Option<Duration> {
    // To the microsecond: a tenth is no binary fraction.
    let exact = Duration::try_from_secs_f64(seconds).ok()?;
    let rounded = Duration::from_micros(u64::try_from((exact.as_nanos() + 500) / 1000).ok()?);
    (rounded <= LONGEST).then_some(rounded)
}

/// `512B`, `64KiB`, `1.5MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let all = number * bytes;
    (all.fract() == 0.0 && all < 9e15).then_some(all as u64)
}

/// The number and the unit behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A duration as it would be written.
pub(super) fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    match (duration.as_secs(), duration.subsec_nanos()) {
        (0, 0) => "0s".to_owned(),
        (s, 0) if s % 86_400 == 0 => format!("{}d", s / 86_400),
        (s, 0) if s % 3600 == 0 => format!("{}h", s / 3600),
        (s, 0) if s % 60 == 0 => format!("{}m", s / 60),
        (s, 0) => format!("{s}s"),
        (_, n) if n % 1_000_000 == 0 => format!("{millis}ms"),
        _ => format!("{}ms", duration.as_secs_f64() * 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis) in [
            ("10s", 10_000),
            ("250ms", 250),
            ("1m", 60_000),
            ("1.5s", 1500),
            ("2h", 7_200_000),
            ("0.1 s", 100),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1e3s", "10 apples", "1..2s", "99999999d", "1s ", "１s"] {
            assert_eq!(duration(text), None, "{text}");
        }
        for text in ["0s", "250ms", "10s", "1m", "90s", "2h", "1d", "1500ms", "0.5ms"] {
            assert_eq!(show(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [("64KiB", 65_536), ("1MiB", 1 << 20), ("512B", 512), ("1.5 KiB", 1536)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "64", "64KB", "64kib", "0.3B", "-1B", "99999999GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
