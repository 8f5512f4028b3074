//! Everything that the admin port knows, as one JSON object. `docs/proxy-admin.md` describes it; names that are there
//! stay.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use tonic::Code;

use super::history::{History, State, Totals, is_error};
use super::prometheus::OTHER;
use crate::proxy::Shared;
use crate::proxy::log::rfc3339;
use crate::proxy::route::{Path, Route};
use crate::proxy::settings::{Balance, ListenKind, Match, Pattern, Source};
use crate::proxy::upstream::{Group, Member};
use crate::server::lifecycle::Phase;
use crate::status::{NAMES, code_name};

/// Methods that are told one by one: those with the most requests in the last minute.
const METHODS: usize = 100;

/// Everything.
pub(super) fn describe(shared: &Shared, history: &History) -> Value {
    let plan = shared.plan.load_full();
    let phase = match *shared.phase.borrow() {
        Phase::Serving => "serving",
        Phase::Draining | Phase::Aborted => "draining",
    };
    let mut counters: Map<String, Value> =
        shared.counters.all().into_iter().map(|(name, _, value)| (name.to_owned(), value.into())).collect();
    let mut total = json!({
        "requests_open": counters.remove("requests_open"),
        "connections_open": counters.remove("connections_open"),
    });
    history.all.describe(history.seconds(), &mut total);
    counters.insert("log_lines".into(), shared.logged.written.load(Relaxed).into());
    counters.insert("log_lines_dropped".into(), shared.logged.dropped.load(Relaxed).into());
    let (methods, left_off) = methods(&plan.groups, history);
    let listeners: Vec<Value> = shared
        .listening
        .load()
        .iter()
        .map(|one| {
            let plan = one.plan.load();
            let (kind, group) = match &plan.settings.kind {
                ListenKind::Http => ("http", None),
                ListenKind::Tcp { group } => ("tcp", Some(group)),
            };
            json!({ "target": one.target, "kind": kind, "group": group, "tls": plan.settings.tls.is_some() })
        })
        .collect();
    let notes: Vec<Value> = shared
        .notes
        .all()
        .iter()
        .rev()
        .map(|note| {
            json!({
                "time": rfc3339(note.at), "kind": note.kind.name(), "text": note.text, "times": note.times,
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": rfc3339(SystemTime::now()),
        "phase": phase,
        "uptime_seconds": shared.started.elapsed().as_secs_f64(),
        "workers": plan.settings.workers.max(1),
        "total": total,
        "counters": counters,
        "listeners": listeners,
        "routes": plan.routes.all().iter().map(|route| self::route(route)).collect::<Vec<_>>(),
        "groups": plan.groups.iter().map(|group| self::group(group, history)).collect::<Vec<_>>(),
        "methods": methods,
        "methods_left_off": left_off,
        "findings": shared.findings.list(),
        "notes": notes,
    })
}

fn route(route: &Route) -> Value {
    let settings = &route.settings;
    let retry = settings.retry.as_ref().map(|retry| {
        let codes: Vec<&str> = retry.codes.iter().map(|code| code_name(*code)).collect();
        json!({ "attempts": retry.attempts, "codes": codes })
    });
    json!({
        "name": settings.name,
        "matches": settings.matches.iter().map(condition).collect::<Vec<_>>(),
        "group": route.group.name(),
        "timeout_seconds": settings.timeout.map(|timeout| timeout.as_secs_f64()),
        "authority": settings.authority.as_ref().map(|authority| authority.as_str()),
        "retry": retry,
    })
}

fn condition(one: &Match) -> String {
    let (what, pattern) = match one {
        Match::Package(pattern) => ("package", pattern),
        Match::Service(pattern) => ("service", pattern),
        Match::Method(pattern) => ("method", pattern),
        Match::Path(pattern) => ("path", pattern),
        Match::Authority(pattern) => ("authority", pattern),
        Match::Metadata(name, pattern) => (name.as_str(), pattern),
    };
    match pattern {
        Pattern::Exact(text) => format!("{what} is {text}"),
        Pattern::Prefix(text) => format!("{what} begins with {text}"),
        Pattern::Regex(regex) => {
            let whole = regex.as_str();
            let text = whole.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(whole);
            format!("{what} matches {text}")
        }
        Pattern::Present => format!("{what} is there"),
    }
}

fn group(group: &Arc<Group>, history: &History) -> Value {
    let settings = &group.settings;
    let balance = match &settings.balance {
        Balance::LeastRequest => "least request".to_owned(),
        Balance::PeakEwma => "peak EWMA".to_owned(),
        Balance::RoundRobin => "round robin".to_owned(),
        Balance::Weighted => "weighted".to_owned(),
        Balance::RingHash(name) => format!("ring hash of {name}"),
    };
    let sources: Vec<String> = settings
        .sources
        .iter()
        .map(|source| match source {
            Source::Fixed { name, .. } => name.clone(),
            Source::Host { host, port, .. } => format!("DNS {host}:{port}"),
            Source::Srv { name } => format!("SRV {name}"),
            Source::File { path } => format!("file {}", path.display()),
        })
        .collect();
    let counters: Map<String, Value> =
        group.counters.all().into_iter().map(|(name, _, value)| (name.to_owned(), value.into())).collect();
    let members = group.members();
    json!({
        "name": group.name(),
        "balance": balance,
        "tls": group.tls.is_some(),
        "sources": sources,
        "services": members.services(),
        "counters": counters,
        "members": members.all.members.iter().map(|one| member(one, history)).collect::<Vec<_>>(),
    })
}

fn member(member: &Arc<Member>, history: &History) -> Value {
    let mut totals = Totals::default();
    member.all_series().iter().for_each(|(_, series)| totals.add(series));
    let mut told = json!({
        "name": member.name(),
        "weight": member.weight(),
        "state": State::of(member).name(),
        "ejected_for_seconds": member.ejected_for().map(|left| left.as_secs_f64()),
        "requests_open": member.running.load(Relaxed),
        "connections_open": member.pools.iter().map(|pool| pool.len()).sum::<usize>(),
        "last_error": member.pools.iter().find_map(|pool| pool.failure()),
        "services": member.services().map(|services| services.to_vec()),
        "requests_total": totals.requests,
        "errors_total": totals.errors,
    });
    if let Some(track) = history.member(member) {
        track.describe(history.seconds(), &mut told);
    }
    told
}

/// The methods with the most requests, over all backends; and how many are left off.
fn methods(groups: &[Arc<Group>], history: &History) -> (Vec<Value>, usize) {
    #[derive(Default)]
    struct Sum {
        codes: [u64; 17],
        retries: u64,
        bytes: (u64, u64),
    }
    let mut sums: HashMap<Box<str>, Sum> = HashMap::new();
    for group in groups {
        for member in group.members().all.members.iter() {
            for (path, series) in member.all_series() {
                let sum = sums.entry(path).or_default();
                sum.codes.iter_mut().zip(series.codes()).for_each(|(sum, count)| *sum += count);
                sum.retries += series.retries.load(Relaxed);
                let (received, returned) = series.bytes();
                sum.bytes = (sum.bytes.0 + received, sum.bytes.1 + returned);
            }
        }
    }
    let mut all: Vec<_> = sums
        .into_iter()
        .map(|(path, sum)| {
            let total: u64 = sum.codes.iter().sum();
            let lately = history.method(&path).map_or(0, |track| track.last_minute());
            (lately, total, path, sum)
        })
        .filter(|(_, total, path, _)| *total > 0 || !path.is_empty())
        .collect();
    all.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| a.2.cmp(&b.2)));
    let left_off = all.len().saturating_sub(METHODS);
    all.truncate(METHODS);
    let told = all.into_iter().map(|(_, total, path, sum)| {
        let (service, method) = match Path::parse(&path) {
            Some(parts) => (parts.service, parts.method),
            None if path.is_empty() => ("", OTHER),
            None => ("", &*path),
        };
        let codes: Map<String, Value> = NAMES
            .iter()
            .zip(sum.codes)
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| ((*name).to_owned(), count.into()))
            .collect();
        let errors: u64 = (0..)
            .zip(sum.codes)
            .filter(|(number, _)| is_error(Code::from_i32(*number)))
            .map(|(_, n)| n)
            .sum();
        let mut told = json!({
            "service": service,
            "method": method,
            "requests_total": total,
            "errors_total": errors,
            "codes": codes,
            "retries_total": sum.retries,
            "request_bytes_total": sum.bytes.0,
            "response_bytes_total": sum.bytes.1,
        });
        if let Some(track) = history.method(&path) {
            track.describe(history.seconds(), &mut told);
        }
        told
    });
    (told.collect(), left_off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn conditions_are_sentences() {
        let said = [
            Match::Package(Pattern::Exact("a.b".into())),
            Match::Path(Pattern::Prefix("/static/".into())),
            Match::Method(Pattern::regex("Get|List").unwrap()),
            Match::Metadata(HeaderName::from_static("x-tenant"), Pattern::Present),
        ]
        .iter()
        .map(condition)
        .collect::<Vec<_>>();
        assert_eq!(
            said,
            ["package is a.b", "path begins with /static/", "method matches Get|List", "x-tenant is there"]
        );
    }
}
