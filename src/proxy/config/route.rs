//! `[[route]]`: which requests go where.

use http::uri::Authority;
use tonic::Code;

use super::read::{Table, Value, one_of};
use crate::error::quote;
use crate::proxy::settings::{Match, Pattern, Retry, Route};

/// The statuses by their names, without OK.
pub(super) const CODES: [(&str, Code); 16] = [
    ("CANCELLED", Code::Cancelled),
    ("UNKNOWN", Code::Unknown),
    ("INVALID_ARGUMENT", Code::InvalidArgument),
    ("DEADLINE_EXCEEDED", Code::DeadlineExceeded),
    ("NOT_FOUND", Code::NotFound),
    ("ALREADY_EXISTS", Code::AlreadyExists),
    ("PERMISSION_DENIED", Code::PermissionDenied),
    ("RESOURCE_EXHAUSTED", Code::ResourceExhausted),
    ("FAILED_PRECONDITION", Code::FailedPrecondition),
    ("ABORTED", Code::Aborted),
    ("OUT_OF_RANGE", Code::OutOfRange),
    ("UNIMPLEMENTED", Code::Unimplemented),
    ("INTERNAL", Code::Internal),
    ("UNAVAILABLE", Code::Unavailable),
    ("DATA_LOSS", Code::DataLoss),
    ("UNAUTHENTICATED", Code::Unauthenticated),
];

/// A route, and where its group is named.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) route: Route,
    /// `None`: it names none.
    pub(super) group_at: Option<usize>,
    pub(super) at: usize,
}

/// Reads the table that is number `number` of its kind, from 1.
pub(super) fn route(table: Table<'_>, number: usize) -> Read {
    let name = table.get("name").and_then(|v| v.text("a name"));
    let mut matches = Vec::new();
    if let Some(v) = table.get("package") {
        matches.extend(pattern(&v, without_slash).map(Match::Package));
    }
    if let Some(v) = table.get("service") {
        matches.extend(pattern(&v, without_slash).map(Match::Service));
    }
    if let Some(v) = table.get("method") {
        matches.extend(pattern(&v, without_slash).map(Match::Method));
    }
    if let Some(v) = table.get("path") {
        matches.extend(pattern(&v, with_slash).map(Match::Path));
    }
    if let Some(v) = table.get("authority") {
        matches.extend(pattern(&v, without_port).map(Match::Authority));
    }
    if let Some(v) = table.get("metadata") {
        matches.extend(metadata(&v));
    }
    let group = table.get("group");
    let route = Route {
        name: name.map_or_else(|| format!("route {number}"), str::to_owned),
        matches,
        group: group.and_then(|v| v.text("the name of a group")).unwrap_or_default().to_owned(),
        timeout: table.get("timeout").and_then(|v| v.duration()),
        authority: table.get("rewrite_authority").and_then(|v| authority(&v)),
        retry: table.get("retry").and_then(|v| retry(&v)),
    };
    let at = table.at;
    table.finish();
    Read { route, group_at: group.map(|v| v.at()), at }
}

const PATTERN: &str = "a text, which is exact, { prefix = \"…\" } or { regex = \"…\" }";

/// A pattern; `check` says what is wrong with a text that is to be met exactly.
fn pattern(value: &Value<'_>, check: fn(&str) -> Option<&'static str>) -> Option<Pattern> {
    let exact = |value: &Value<'_>, text: &str| match check(text) {
        Some(why) => value.wrong(format!("{} is {}, which no request has: {why}", value.name(), quote(text))),
        None => Some(Pattern::Exact(text.to_owned())),
    };
    if let Some(text) = value.as_text() {
        return exact(value, text);
    }
    let table = value.table("the pattern", PATTERN)?;
    let (prefix, regex, text) = (table.get("prefix"), table.get("regex"), table.get("exact"));
    let clean = table.finish();
    match (prefix, regex, text) {
        (Some(v), None, None) => v.text("a text").map(|text| Pattern::Prefix(text.to_owned())),
        (None, Some(v), None) => v.text("a regular expression").and_then(|text| match Pattern::regex(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => v.wrong(format!("{} is {}, no regular expression: {error}", v.name(), quote(text))),
        }),
        (None, None, Some(v)) => v.text("a text").and_then(|text| exact(&v, text)),
        // An unknown key has been reported; it was meant to be one of these.
        (None, None, None) if !clean => None,
        _ => value.wrong(format!(
            "{} has not just one of \"prefix\", \"regex\" and \"exact\"; expected {PATTERN}",
            value.name()
        )),
    }
}

fn without_slash(text: &str) -> Option<&'static str> {
    text.contains('/').then_some("it has a \"/\"; the path /package.Service/Method is matched by \"path\"")
}

fn with_slash(text: &str) -> Option<&'static str> {
    (!text.starts_with('/')).then_some("a path begins with \"/\"")
}

fn without_port(text: &str) -> Option<&'static str> {
    let port = text
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    (port && !text.ends_with(']')).then_some("the port is left out when authorities are compared")
}

fn metadata(value: &Value<'_>) -> Vec<Match> {
    const WHAT: &str = "a table such as { \"x-tenant\" = \"red\" }";
    let Some(table) = value.table("metadata", WHAT) else { return Vec::new() };
    let read = |(at, value, name): (usize, Value<'_>, &str)| {
        let Ok(header) = http::HeaderName::from_bytes(name.as_bytes()) else {
            value.file.wrong(at, format!("\"metadata\" asks for {}, which is no header's name", quote(name)));
            return None;
        };
        let pattern = match value.as_flag() {
            Some(true) => Some(Pattern::Present),
            Some(false) => value.expected(&format!("true for a header that is there, or {PATTERN}")),
            None => pattern(&value, |_| None),
        };
        pattern.map(|pattern| Match::Metadata(header, pattern))
    };
    table.entries().filter_map(read).collect()
}

fn authority(value: &Value<'_>) -> Option<Authority> {
    const WHAT: &str = "an authority such as \"inner.example:443\"";
    let text = value.text(WHAT)?;
    match text.parse::<Authority>() {
        Ok(authority) if !text.contains('@') => Some(authority),
        _ => value.expected(WHAT),
    }
}

fn retry(value: &Value<'_>) -> Option<Retry> {
    const WHAT: &str = "a table such as { attempts = 3, codes = [\"UNAVAILABLE\"] }";
    let table = value.table("retry", WHAT)?;
    let attempts = table.get("attempts");
    let codes = table.get("codes");
    let attempts = match attempts {
        Some(v) => v.count(2..=10),
        None => table.wrong(format!("\"retry\" has no \"attempts\"; expected {WHAT}")),
    };
    let codes = match codes {
        None => vec![Code::Unavailable],
        Some(v) => {
            let what = || format!("a list of {}", one_of(CODES.iter().map(|(name, _)| *name)));
            v.list(&what())?.iter().filter_map(|one| one.word(&CODES)).collect()
        }
    };
    table.finish();
    Some(Retry { attempts: attempts?, codes })
}
