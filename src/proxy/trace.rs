//! Names for requests, by which their traces in several programs are found again: `traceparent` (W3C Trace Context)
//! and `x-request-id`.
//!
//! The proxy records no spans of its own. It is a hop in somebody else's trace, or the first one of a new trace.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::tls::provider;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The flags that are known: "sampled", and "the trace's name is random" (level 2).
const KNOWN_FLAGS: u8 = 0x03;

/// Of a trace that begins here: whoever comes next should record it. The proxy is asked for by the configuration,
/// and a trace that is marked as not recorded would be lost everywhere.
const BEGUN_HERE: u8 = 0x01;

/// A trace, and where in it a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace<'a> {
    /// 32 hexadecimal digits.
    pub(super) id: &'a str,
    flags: u8,
}

impl<'a> Trace<'a> {
    /// Reads the one `traceparent` of a request (Trace Context, section 3.2).
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(&TRACEPARENT).iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Self::parse(one.to_str().ok()?),
            _ => None,
        }
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (known, beyond) = text.split_at_checked(55)?;
        let mut parts = known.split('-');
        let (version, id) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
        let (parent, flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
        let is_none = |id: &str| id.bytes().all(|b| b == b'0');
        // Later versions may have more behind it; of ours nothing is.
        let ends = beyond.is_empty() || version != "00" && beyond.starts_with('-');
        if version == "ff" || is_none(id) || is_none(parent) || !ends || parts.next().is_some() {
            return None;
        }
        Some(Self { id, flags: u8::from_str_radix(flags, 16).ok()? })
    }
}

/// `text`, where it is so many digits, in lower case.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let good = text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    good.then_some(text)
}

/// Makes this hop the parent of what comes behind it. A request without a trace, or with one that cannot be read,
/// begins a new one; `tracestate` belongs to the old.
pub(super) fn pass_on(headers: &mut HeaderMap) {
    let Some(random) = random::<24>() else { return };
    let (new, parent) = random.split_at(16);
    let text = match Trace::of(headers) {
        Some(trace) => {
            format!("00-{}-{}-{:02x}", trace.id, digits(parent), trace.flags & KNOWN_FLAGS)
        }
        None => {
            headers.remove(&TRACESTATE);
            format!("00-{}-{}-{BEGUN_HERE:02x}", digits(new), digits(parent))
        }
    };
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(&TRACEPARENT, value);
    }
}

/// A name for a request: a UUID of version 4 (RFC 9562).
pub(super) fn request_id() -> Option<HeaderValue> {
    let mut raw = random::<16>()?;
    raw[6] = raw[6] & 0x0f | 0x40;
    raw[8] = raw[8] & 0x3f | 0x80;
    let mut text = digits(&raw);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    HeaderValue::try_from(text).ok()
}

fn digits(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len() * 2 + 4);
    for byte in raw {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes that nobody can guess; none where the system gives none.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut raw = [0; N];
    provider().secure_random.fill(&mut raw).ok()?;
    Some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn headers(traceparent: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for text in traceparent {
            headers.append("traceparent", HeaderValue::from_str(text).unwrap());
        }
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
        headers
    }

    fn passed(traceparent: &[&str]) -> (String, bool) {
        let mut headers = headers(traceparent);
        pass_on(&mut headers);
        let text = headers["traceparent"].to_str().unwrap().to_owned();
        (text, headers.contains_key("tracestate"))
    }

    #[test]
    fn a_trace_goes_on_with_a_new_parent() {
        let before = format!("00-{ID}-b7ad6b7169203331-01");
        let (after, state) = passed(&[&before]);
        assert!(state && after.len() == 55 && after.ends_with("-01"), "{after}");
        assert_eq!(after[..36], before[..36]);
        assert_ne!(after[36..52], before[36..52]);
        // A later version, with more behind it and with flags that nobody knows yet.
        let (after, _) = passed(&[&format!("cc-{ID}-b7ad6b7169203331-fe-what-ever")]);
        assert!(after.starts_with(&format!("00-{ID}-")) && after.ends_with("-02"), "{after}");
    }

    #[test]
    fn what_cannot_be_read_begins_anew() {
        let good = format!("00-{ID}-b7ad6b7169203331-00");
        let bad = [
            vec![],
            vec![""],
            vec!["00"],
            vec![&good[..54]],
            vec![&good, &good],
            vec!["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"],
            vec!["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-00"],
            vec!["00-00000000000000000000000000000000-b7ad6b7169203331-00"],
            vec!["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-00"],
            vec!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more"],
            vec!["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00more"],
            vec!["00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"],
            vec!["00-0af7651916cd43dd8448eb211c8031-9cb7ad6b716920333-1-00"],
        ];
        for one in bad {
            let (after, state) = passed(&one);
            assert!(!state && after.ends_with("-01"), "{one:?}: {after}");
            assert!(!after.contains(ID), "{one:?}: {after}");
            let made = headers(&[&after]);
            assert_eq!(Trace::of(&made).unwrap().id.len(), 32, "{after}");
        }
        assert_ne!(passed(&[]), passed(&[]));
    }

    #[test]
    fn request_ids_are_uuids() {
        let id = request_id().unwrap();
        let text = id.to_str().unwrap();
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(text[14..].starts_with('4') && matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
        assert_ne!(request_id().unwrap(), id);
    }
}
