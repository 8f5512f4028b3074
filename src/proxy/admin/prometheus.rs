//! The counters in Prometheus' text format 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use super::history::State;
use crate::proxy::Shared;
use crate::proxy::metrics::{BOUNDS, Series};
use crate::proxy::route::Path;
use crate::proxy::upstream::Member;
use crate::server::lifecycle::Phase;
use crate::status::NAMES;

/// What it is served as.
pub(super) const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What methods beyond those that are counted one by one are called. No path can be.
pub(super) const OTHER: &str = "(other)";

/// A label and its value.
type Label<'a> = (&'static str, &'a str);

/// A metric of many things: its name, what it means, and its value.
type Family<T> = (&'static str, &'static str, fn(&T) -> u64);

struct Text(String);

impl Text {
    /// Begins a metric. Its samples follow.
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", help.trim());
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.0.push(if number == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        // As above.
        let _ = writeln!(self.0, " {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.begin(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// One method at one backend.
struct Row {
    group: String,
    backend: String,
    path: Box<str>,
    series: Arc<Series>,
}

impl Row {
    fn labels(&self) -> [Label<'_>; 4] {
        let path = Path::parse(&self.path);
        let (service, method) = path.map_or(("", &*self.path), |path| (path.service, path.method));
        [("group", &self.group), ("backend", &self.backend), ("service", service), ("method", method)]
    }
}

/// Everything that is counted.
pub(super) fn text(shared: &Shared) -> String {
    let mut text = Text(String::with_capacity(16 << 10));
    about(&mut text, shared);
    groups(&mut text, shared);
    requests(&mut text, &rows(shared), &shared.nowhere);
    text.0
}

fn about(text: &mut Text, shared: &Shared) {
    text.begin("viaduct_build_info", "gauge", "The version; the value is always 1.");
    text.sample("viaduct_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let began = SystemTime::now() - shared.started.elapsed();
    let began = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    text.one(
        "viaduct_start_time_seconds",
        "gauge",
        "When the proxy started, in seconds since 1970.",
        format_args!("{:.3}", began.as_secs_f64()),
    );
    let ready = u8::from(*shared.phase.borrow() == Phase::Serving);
    text.one("viaduct_ready", "gauge", "Whether it serves: 0 while it drains.", ready);
    for (name, help, value) in shared.counters.all() {
        match name {
            // The name without more is that of the requests by method.
            "requests" => text.one("viaduct_requests_received_total", "counter", help, value),
            "connections_open" | "requests_open" => {
                text.one(&format!("viaduct_{name}"), "gauge", help, value);
            }
            _ => text.one(&format!("viaduct_{name}_total"), "counter", help, value),
        }
    }
    let written = shared.logged.written.load(Relaxed);
    text.one("viaduct_log_lines_total", "counter", "Lines written to the access log.", written);
    let dropped = shared.logged.dropped.load(Relaxed);
    text.one(
        "viaduct_log_lines_dropped_total",
        "counter",
        "Lines of the access log that were lost: it was written too slowly, or could not be written.",
        dropped,
    );
}

fn groups(text: &mut Text, shared: &Shared) {
    let plan = shared.plan.load_full();
    let all: Vec<_> = plan.groups.iter().map(|group| (group.name(), group.counters.all())).collect();
    let known = all.first().map(|(_, counters)| counters.as_slice()).unwrap_or_default();
    for (number, (name, help, _)) in known.iter().enumerate() {
        let name = format!("viaduct_group_{name}_total");
        text.begin(&name, "counter", help);
        for (group, counters) in &all {
            if let Some((_, _, value)) = counters.get(number) {
                text.sample(&name, &[("group", group)], value);
            }
        }
    }
    let gauges: [Family<Member>; 4] = [
        (
            "viaduct_backend_up",
            "Whether the backend is well: 0 where it is ill, left out, not to be reached, or the proxy itself.",
            |m| u64::from(State::of(m) == State::Well),
        ),
        ("viaduct_backend_ejected", "Whether the backend is left out for its failures.", |m| {
            u64::from(State::of(m) == State::Ejected)
        }),
        ("viaduct_backend_requests_open", "Requests that the backend has now.", |m| {
            m.running.load(Relaxed) as u64
        }),
        ("viaduct_backend_connections_open", "Connections to the backend that stand now.", |m| {
            m.pools.iter().map(|pool| pool.len() as u64).sum()
        }),
    ];
    for (name, help, value) in gauges {
        text.begin(name, "gauge", help);
        for group in &plan.groups {
            for member in group.members().all.members.iter() {
                let labels = [("group", group.name()), ("backend", member.name())];
                text.sample(name, &labels, value(member));
            }
        }
    }
}

fn rows(shared: &Shared) -> Vec<Row> {
    let plan = shared.plan.load_full();
    let mut rows = Vec::new();
    for group in &plan.groups {
        for member in group.members().all.members.iter() {
            for (path, series) in member.all_series() {
                let other = path.is_empty();
                if other && series.codes().iter().all(|count| *count == 0) {
                    continue;
                }
                let path = if other { OTHER.into() } else { path };
                rows.push(Row {
                    group: group.name().to_owned(),
                    backend: member.name().to_owned(),
                    path,
                    series,
                });
            }
        }
    }
    rows
}

fn requests(text: &mut Text, rows: &[Row], nowhere: &Series) {
    let name = "viaduct_requests_total";
    text.begin(
        name,
        "counter",
        "Requests that have ended, by gRPC status; without a backend those that reached none.",
    );
    let counts = |text: &mut Text, labels: [Label<'_>; 4], series: &Series| {
        let [group, backend, service, method] = labels;
        for (count, code) in series.codes().iter().zip(NAMES) {
            if *count > 0 {
                text.sample(name, &[group, backend, service, method, ("code", code)], count);
            }
        }
    };
    rows.iter().for_each(|row| counts(text, row.labels(), &row.series));
    counts(text, [("group", ""), ("backend", ""), ("service", ""), ("method", "")], nowhere);

    let name = "viaduct_request_duration_seconds";
    text.begin(name, "histogram", "How long requests took, from their head to the end of their answer.");
    for row in rows {
        let [group, backend, service, method] = row.labels();
        let bucket = format!("{name}_bucket");
        let times = row.series.times();
        let mut sum = 0;
        for (count, bound) in times.iter().zip(BOUNDS) {
            sum += count;
            let bound = (bound as f64 / 1e6).to_string();
            text.sample(&bucket, &[group, backend, service, method, ("le", &bound)], sum);
        }
        // Of one reading: what is counted meanwhile must not make the whole less than its parts.
        let all: u64 = times.iter().sum();
        text.sample(&bucket, &[group, backend, service, method, ("le", "+Inf")], all);
        text.sample(&format!("{name}_sum"), &row.labels(), row.series.micros() as f64 / 1e6);
        text.sample(&format!("{name}_count"), &row.labels(), all);
    }
    let more: [Family<Series>; 3] = [
        (
            "viaduct_request_retries_total",
            "Attempts after the first, by the backend that failed.",
            |series| series.retries.load(Relaxed),
        ),
        ("viaduct_request_bytes_total", "Bytes of requests' bodies.", |series| series.bytes().0),
        ("viaduct_response_bytes_total", "Bytes of answers' bodies.", |series| series.bytes().1),
    ];
    for (name, help, value) in more {
        text.begin(name, "counter", help);
        rows.iter().for_each(|row| text.sample(name, &row.labels(), value(&row.series)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text(String::new());
        text.sample("m", &[("a", "x\"y\\z\n"), ("b", "☺")], 1.5);
        assert_eq!(text.0, "m{a=\"x\\\"y\\\\z\\n\",b=\"☺\"} 1.5\n");
    }

    #[test]
    fn buckets_grow_and_end_in_the_count() {
        let series = Arc::<Series>::default();
        series.ended(tonic::Code::Ok, std::time::Duration::from_millis(3), (10, 20));
        series.ended(tonic::Code::NotFound, std::time::Duration::from_secs(11), (1, 2));
        let row = Row { group: "g".into(), backend: "b".into(), path: "/a.B/C".into(), series };
        let mut text = Text(String::new());
        requests(&mut text, &[row], &Series::default());
        let labels = "group=\"g\",backend=\"b\",service=\"a.B\",method=\"C\"";
        for line in [
            format!("viaduct_requests_total{{{labels},code=\"NOT_FOUND\"}} 1\n"),
            format!("viaduct_request_duration_seconds_bucket{{{labels},le=\"0.0025\"}} 0\n"),
            format!("viaduct_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1\n"),
            format!("viaduct_request_duration_seconds_bucket{{{labels},le=\"10\"}} 1\n"),
            format!("viaduct_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 2\n"),
            format!("viaduct_request_duration_seconds_sum{{{labels}}} 11.003\n"),
            format!("viaduct_request_duration_seconds_count{{{labels}}} 2\n"),
            format!("viaduct_request_bytes_total{{{labels}}} 11\n"),
        ] {
            assert!(text.0.contains(&line), "{line} is not in\n{}", text.0);
        }
    }
}
