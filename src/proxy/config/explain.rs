//! Settings in words, and what in them looks like a mistake.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::units::show;
use crate::error::quote;
use crate::proxy::route::index::Index;
use crate::proxy::settings::{Balance, Group, Listen, ListenKind, Match, Pattern, Route, Settings, Source};
use crate::status::code_name;

/// What the settings mean: listeners, routes in their order, groups, and warnings.
pub fn explain(settings: &Settings) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(settings, &mut out);
    out
}

fn write(settings: &Settings, out: &mut String) -> std::fmt::Result {
    writeln!(out, "Listens on")?;
    for one in &settings.listeners {
        writeln!(out, "  {}: {}", one.address, listener(one).join(", "))?;
    }
    writeln!(out, "Routes, the first that matches wins")?;
    for (n, route) in settings.routes.iter().enumerate() {
        writeln!(out, "  {}. {}: {}", n + 1, route.name, route_line(route))?;
    }
    if !takes_all(&settings.routes) && settings.listeners.iter().any(|one| one.kind == ListenKind::Http) {
        writeln!(out, "  Anything else is refused: UNIMPLEMENTED, or 404 where it is not gRPC")?;
    }
    writeln!(out, "Groups")?;
    for group in &settings.groups {
        writeln!(out, "  {}", group.name)?;
        for line in group_lines(group) {
            writeln!(out, "    {line}")?;
        }
    }
    if !settings.dns.is_empty() {
        let servers: Vec<String> = settings.dns.iter().map(|server| server.to_string()).collect();
        writeln!(out, "Names are asked from {}", servers.join(", "))?;
    }
    if let Some(admin) = &settings.admin {
        writeln!(out, "Admin page at {}", admin.address)?;
    }
    if let Some(log) = &settings.access_log {
        let kind = if log.json { "JSON" } else { "text" };
        match &log.path {
            Some(path) => writeln!(out, "Access log as {kind} in {}", path.display())?,
            None => writeln!(out, "Access log as {kind} on standard output")?,
        }
    }
    let workers = match settings.workers {
        1 => "1 thread carries".to_owned(),
        n => format!("{n} threads carry"),
    };
    writeln!(
        out,
        "{workers} the traffic; at the end new connections are taken for {} more, and what runs may finish within {}",
        show(settings.drain.notice),
        show(settings.drain.grace)
    )?;
    for warning in warnings(settings) {
        writeln!(out, "Warning: {warning}")?;
    }
    Ok(())
}

fn listener(one: &Listen) -> Vec<String> {
    let mut says = Vec::new();
    match (&one.kind, &one.tls) {
        (ListenKind::Tcp { group }, _) => {
            says.push(format!("bytes as they are, to the group {}", quote(group)))
        }
        (ListenKind::Http, None) => says.push("HTTP in plaintext".to_owned()),
        (ListenKind::Http, Some(tls)) => {
            says.push(match (tls.identities.len(), one.plaintext) {
                (1, false) => "HTTP over TLS".to_owned(),
                (1, true) => "HTTP over TLS and in plaintext".to_owned(),
                (n, false) => format!("HTTP over TLS with {n} certificates"),
                (n, true) => format!("HTTP over TLS with {n} certificates, and in plaintext"),
            });
            match (&tls.client_ca, tls.client_optional) {
                (None, _) => {}
                (Some(_), false) => says.push("clients must show a certificate".to_owned()),
                (Some(_), true) => says.push("clients may show a certificate".to_owned()),
            }
        }
    }
    if let Some(cors) = &one.translate_web {
        says.push(match cors.origins.as_slice() {
            [] => "gRPC-Web is translated, for pages of the same origin".to_owned(),
            origins => format!("gRPC-Web is translated, for pages of {}", origins.join(" ")),
        });
    }
    let forwarded = [
        (one.forwarded.x_forwarded_for, "x-forwarded-for"),
        (one.forwarded.forwarded, "forwarded"),
        (one.forwarded.request_id, "x-request-id"),
    ];
    let added: Vec<&str> = forwarded.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    if !added.is_empty() {
        says.push(format!("adds {}", added.join(", ")));
    }
    says
}

fn route_line(route: &Route) -> String {
    let conditions: Vec<String> = route.matches.iter().map(condition).collect();
    let mut line = match conditions.as_slice() {
        [] => "every request".to_owned(),
        all => format!("requests whose {}", all.join(" and whose ")),
    };
    line.push_str(&format!(" → group {}", quote(&route.group)));
    if let Some(authority) = &route.authority {
        line.push_str(&format!(", as :authority {authority}"));
    }
    if let Some(timeout) = route.timeout {
        line.push_str(&format!(", within {}", show(timeout)));
    }
    if let Some(retry) = &route.retry {
        let codes: Vec<&str> = retry.codes.iter().map(|code| code_name(*code)).collect();
        line.push_str(&format!(", up to {} attempts on {}", retry.attempts, codes.join(", ")));
    }
    line
}

fn condition(one: &Match) -> String {
    let (what, pattern) = match one {
        Match::Package(p) => ("package".to_owned(), p),
        Match::Service(p) => ("service".to_owned(), p),
        Match::Method(p) => ("method".to_owned(), p),
        Match::Path(p) => ("path".to_owned(), p),
        Match::Authority(p) => ("authority".to_owned(), p),
        Match::Metadata(name, p) => (format!("metadata {}", quote(name.as_str())), p),
    };
    match pattern {
        Pattern::Exact(text) => format!("{what} is {}", quote(text)),
        Pattern::Prefix(text) => format!("{what} begins with {}", quote(text)),
        // Without what makes it match from beginning to end.
        Pattern::Regex(regex) => {
            let text = regex.as_str();
            let inner = text.strip_prefix("^(?:").and_then(|t| t.strip_suffix(")$")).unwrap_or(text);
            format!("{what} matches {}", quote(inner))
        }
        Pattern::Present => format!("{what} is there"),
    }
}

fn group_lines(group: &Group) -> Vec<String> {
    let sources: Vec<String> = group.sources.iter().map(source).collect();
    let mut lines = vec![format!("members: {}", sources.join(", "))];
    lines.push(match &group.balance {
        Balance::LeastRequest => "balance: of two by chance, the one with fewer requests".to_owned(),
        Balance::PeakEwma => "balance: of two by chance, the one that should answer sooner".to_owned(),
        Balance::RoundRobin => "balance: one after the other".to_owned(),
        Balance::Weighted => "balance: by chance, as the weights say".to_owned(),
        Balance::RingHash(header) => format!("balance: by the value of {}", quote(header.as_str())),
    });
    if let Some(tls) = &group.tls {
        let roots = if tls.ca.is_some() { "the roots that were given" } else { "the system's roots" };
        let name = tls.server_name.as_ref().map(|name| format!(", as {}", quote(name))).unwrap_or_default();
        let identity = if tls.identity.is_some() { ", with a certificate of its own" } else { "" };
        lines.push(format!("TLS: checked by {roots}{name}{identity}"));
    }
    lines.push(match &group.discover {
        Some(discover) => {
            format!("services: asked from each member by reflection, every {}", show(discover.interval))
        }
        None => "services: not asked; every member is taken to serve everything".to_owned(),
    });
    lines.push(match &group.health {
        Some(health) => {
            let service = match health.service.as_str() {
                "" => "the server as a whole".to_owned(),
                service => quote(service),
            };
            format!("health: {service}, every {}", show(health.interval))
        }
        None => "health: not checked".to_owned(),
    });
    lines.push(match &group.eject {
        Some(eject) => format!(
            "ejection: after {} failures in a row for {}, up to {}",
            eject.failures,
            show(eject.pause),
            show(eject.max_pause)
        ),
        None => "ejection: none".to_owned(),
    });
    lines
}

fn source(source: &Source) -> String {
    let weighted = |text: &str, weight: u32| match weight {
        1 => text.to_owned(),
        weight => format!("{text} (weight {weight})"),
    };
    match source {
        Source::Fixed { name, weight, .. } => weighted(name, *weight),
        Source::Host { host, port, weight } => {
            format!("every address of {}", weighted(&format!("{host}:{port}"), *weight))
        }
        Source::Srv { name } => format!("the hosts of the SRV record {name}"),
        Source::File { path } => format!("the lines of {}", path.display()),
    }
}

/// Says [`warnings`] in the log.
pub fn log_warnings(settings: &Settings) {
    for warning in warnings(settings) {
        tracing::warn!("{warning}");
    }
}

/// What can be used, but is probably not meant.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let index = Index::new(settings.routes.iter().map(|route| &*route.matches));
    for (n, late) in settings.routes.iter().enumerate() {
        let early = |number: u32| settings.routes.get(..n)?.get(number as usize);
        let wider = index
            .find_wider(&late.matches, |number| early(number).is_some_and(|early| takes_all_of(early, late)));
        if let Some(early) = wider.and_then(early) {
            warnings.push(format!(
                "the route {} can never match: {} stands before it and takes all of its requests",
                quote(&late.name),
                quote(&early.name)
            ));
        }
    }
    let http = settings.listeners.iter().any(|one| one.kind == ListenKind::Http);
    let led_to: HashSet<&str> = settings.routes.iter().map(|route| &*route.group).collect();
    for group in &settings.groups {
        let routed = http && led_to.contains(&*group.name);
        let raw = |one: &Listen| matches!(&one.kind, ListenKind::Tcp { group: name } if *name == group.name);
        if !routed && !settings.listeners.iter().any(raw) {
            warnings.push(format!("nothing leads to the group {}", quote(&group.name)));
        }
    }
    if !http && !settings.routes.is_empty() {
        warnings.push("there are routes, but no listener that speaks HTTP".to_owned());
    }
    let open = |address: &str| {
        let host =
            address.strip_prefix("http://").and_then(|rest| rest.rsplit_once(':')).map(|(host, _)| host);
        host.is_some_and(|host| {
            let bare = host.trim_matches(['[', ']']);
            bare != "localhost" && !bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        })
    };
    if let Some(admin) = settings.admin.as_ref().filter(|admin| open(&admin.address)) {
        warnings.push(format!(
            "the admin page at {} is open to other machines, and asks for no password",
            admin.address
        ));
    }
    warnings
}

fn takes_all(routes: &[Route]) -> bool {
    routes.iter().any(|route| route.matches.is_empty())
}

/// Whether `early` matches whenever `late` does.
fn takes_all_of(early: &Route, late: &Route) -> bool {
    early.matches.iter().all(|wide| late.matches.iter().any(|narrow| covers(wide, narrow)))
}

fn covers(wide: &Match, narrow: &Match) -> bool {
    match (wide, narrow) {
        (Match::Package(w), Match::Package(n))
        | (Match::Service(w), Match::Service(n))
        | (Match::Method(w), Match::Method(n))
        | (Match::Path(w), Match::Path(n))
        | (Match::Authority(w), Match::Authority(n)) => wider(w, n),
        (Match::Metadata(wn, w), Match::Metadata(nn, n)) => wn == nn && wider(w, n),
        (Match::Package(w), Match::Service(Pattern::Exact(service))) => {
            w.matches(service.rsplit_once('.').map_or("", |(package, _)| package).as_bytes())
        }
        _ => false,
    }
}

fn wider(wide: &Pattern, narrow: &Pattern) -> bool {
    match (wide, narrow) {
        (Pattern::Present, _) => true,
        (_, Pattern::Exact(text)) => wide.matches(text.as_bytes()),
        (Pattern::Prefix(wide), Pattern::Prefix(narrow)) => narrow.starts_with(wide.as_str()),
        _ => wide == narrow,
    }
}
