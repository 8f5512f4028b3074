//! `[[group]]`: backends.

use http::HeaderName;

use super::listen::pair;
use super::read::{Table, Value, set};
use crate::error::quote;
use crate::proxy::settings::{Balance, Discover, Eject, Group, GroupTls, Health, Source};
use crate::tls::ClientTls;

/// Reads one table.
pub(super) fn group(table: Table<'_>) -> Option<Group> {
    let mut group = Group::default();
    let name = table.get("name");
    let (members, srv, file) = (table.get("members"), table.get("srv"), table.get("file"));
    group.tls = table.get("tls").and_then(tls);
    if let Some(value) = table.get("discover") {
        set(&mut group.discover, switch(value, "discover", discover));
    }
    if let Some(value) = table.get("health") {
        set(&mut group.health, switch(value, "health", health));
    }
    if let Some(value) = table.get("eject") {
        set(&mut group.eject, switch(value, "eject", eject));
    }
    set(&mut group.balance, table.get("balance").and_then(balance));
    set(&mut group.panic_threshold, table.get("panic_threshold").and_then(|v| v.share()));
    set(&mut group.slow_start, table.get("slow_start").and_then(|v| v.duration_or_zero()));
    set(
        &mut group.max_requests,
        table.get("max_requests").and_then(|v| v.count(1..=10_000_000)).map(|n| n as usize),
    );
    set(
        &mut group.max_connections,
        table.get("max_connections").and_then(|v| v.count(1..=65_536)).map(|n| n as usize),
    );
    set(&mut group.connect_timeout, table.get("connect_timeout").and_then(|v| v.duration()));
    set(&mut group.keepalive, table.get("keepalive").and_then(|v| v.duration_or_never()));
    set(&mut group.keepalive_timeout, table.get("keepalive_timeout").and_then(|v| v.duration()));
    set(&mut group.retry_budget, table.get("retry_budget").and_then(|v| v.share()));

    let name = match name {
        None => table.wrong("[[group]] has no \"name\"; expected one, for routes to lead to it"),
        Some(value) => match value.as_text() {
            None | Some("") => value.expected("a name"),
            name => name,
        },
    };
    set(&mut group.name, name.map(str::to_owned));
    for value in members.iter().flat_map(|v| v.one_or_more()) {
        group.sources.extend(member(value));
    }
    for value in srv.iter().flat_map(|v| v.one_or_more()) {
        group.sources.extend(read_srv(value));
    }
    for value in file.iter().flat_map(|v| v.one_or_more()) {
        let path = value.text("the path of a file with an address in each line");
        group.sources.extend(path.map(|path| Source::File { path: value.file.resolve(path) }));
    }
    // Where there were values, something has been said about them.
    let empty = |value: Option<Value<'_>>| value.is_none_or(|v| v.one_or_more().is_empty());
    if empty(members) && empty(srv) && empty(file) {
        table.wrong::<()>(format!(
            "the group {} has no members; expected members = [\"host:port\"], srv = \"_grpc._tcp.…\" or file = \"…\"",
            quote(&group.name)
        ));
    }
    table.finish();
    name.map(|_| group)
}

const MEMBER: &str = "\"host:port\", \"unix:/path\" or { address = \"…\", weight = 1 }";

fn member(value: Value<'_>) -> Option<Source> {
    if !value.is_table() {
        let text = value.text(MEMBER)?;
        return match Source::member(text, 1) {
            Ok(source) => Some(source),
            Err(why) => value.expected(&format!("{MEMBER}: {why}")),
        };
    }
    let table = value.table("members", MEMBER)?;
    let weight = table.get("weight").map_or(Some(1), |v| v.count(1..=65_535));
    let address = table.get("address");
    let read = match address {
        None => table.wrong(format!("a member has no \"address\"; expected {MEMBER}")),
        Some(address) => match Source::member(address.text(MEMBER)?, weight.unwrap_or(1)) {
            Ok(source) => Some(source),
            Err(why) => address.expected(&format!("{MEMBER}: {why}")),
        },
    };
    table.finish();
    read
}

fn read_srv(value: Value<'_>) -> Option<Source> {
    const SRV: &str = "the name of an SRV record such as \"_grpc._tcp.greeter.internal\"";
    let name = value.text(SRV)?;
    let service =
        name.split('.').take(2).filter(|label| label.starts_with('_') && label.len() > 1).count() == 2;
    if !service || Source::member(&format!("{name}:1"), 1).is_err() {
        return value.expected(SRV);
    }
    Some(Source::Srv { name: name.to_owned() })
}

/// `true` for the defaults, `false` for nothing, or a table.
fn switch<T>(
    value: Value<'_>,
    name: &'static str,
    read: impl FnOnce(Option<Table<'_>>) -> T,
) -> Option<Option<T>> {
    match value.as_flag() {
        Some(true) => Some(Some(read(None))),
        Some(false) => Some(None),
        None => value.table(name, "true, false or a table").map(|table| Some(read(Some(table)))),
    }
}

fn discover(table: Option<Table<'_>>) -> Discover {
    let mut discover = Discover::default();
    let Some(table) = table else { return discover };
    set(&mut discover.interval, table.get("interval").and_then(|v| v.duration()));
    set(&mut discover.timeout, table.get("timeout").and_then(|v| v.duration()));
    table.finish();
    discover
}

fn health(table: Option<Table<'_>>) -> Health {
    let mut health = Health::default();
    let Some(table) = table else { return health };
    set(&mut health.interval, table.get("interval").and_then(|v| v.duration()));
    set(&mut health.timeout, table.get("timeout").and_then(|v| v.duration()));
    set(
        &mut health.service,
        table.get("service").and_then(|v| v.text("the name of a service")).map(str::to_owned),
    );
    set(&mut health.unhealthy_after, table.get("unhealthy_after").and_then(|v| v.count(1..=1000)));
    set(&mut health.healthy_after, table.get("healthy_after").and_then(|v| v.count(1..=1000)));
    table.finish();
    health
}

fn eject(table: Option<Table<'_>>) -> Eject {
    let mut eject = Eject::default();
    let Some(table) = table else { return eject };
    set(&mut eject.failures, table.get("failures").and_then(|v| v.count(1..=1_000_000)));
    set(&mut eject.pause, table.get("pause").and_then(|v| v.duration()));
    let longest = table.get("max_pause");
    set(&mut eject.max_pause, longest.and_then(|v| v.duration()));
    if eject.max_pause < eject.pause {
        match longest {
            Some(value) => value.expected::<()>("a duration that is not shorter than \"pause\""),
            None => {
                eject.max_pause = eject.pause;
                None
            }
        };
    }
    table.finish();
    eject
}

fn balance(value: Value<'_>) -> Option<Balance> {
    type Make = fn() -> Balance;
    const WORDS: [(&str, Make); 4] = [
        ("least_request", || Balance::LeastRequest),
        ("peak_ewma", || Balance::PeakEwma),
        ("round_robin", || Balance::RoundRobin),
        ("weighted", || Balance::Weighted),
    ];
    const HASH: &str = "{ ring_hash = \"x-user\" }, with the name of a header";
    if value.is_table() {
        let table = value.table("balance", HASH)?;
        let header = table.get("ring_hash");
        let read = match header {
            Some(header) => header_name(&header),
            None => table.wrong(format!("\"balance\" has no \"ring_hash\"; expected {HASH}")),
        };
        table.finish();
        return read.map(Balance::RingHash);
    }
    match value.as_text() {
        Some("ring_hash") => value.expected(HASH),
        Some(_) => value.word(&WORDS).map(|make| make()),
        None => value.expected(&format!("a word such as \"least_request\", or {HASH}")),
    }
}

/// The name of a header.
pub(super) fn header_name(value: &Value<'_>) -> Option<HeaderName> {
    const WHAT: &str = "the name of a header";
    let text = value.text(WHAT)?;
    HeaderName::from_bytes(text.as_bytes()).ok().or_else(|| value.expected(WHAT))
}

fn tls(value: Value<'_>) -> Option<GroupTls> {
    const WHAT: &str = "true, false, or a table such as { ca = \"ca.pem\" }";
    let mut tls = GroupTls::default();
    match value.as_flag() {
        Some(false) => return None,
        Some(true) => {}
        None => {
            let table = value.table("tls", WHAT)?;
            let ca = table.get("ca");
            let (certificate, key) = (table.get("certificate"), table.get("key"));
            let name = table.get("server_name").and_then(|v| v.text("a host name"));
            table.finish();
            tls.ca = ca.and_then(|v| v.read());
            tls.server_name = name.map(str::to_owned);
            match (certificate, key) {
                (None, Some(key)) => key.wrong(format!("{} stands without \"certificate\"", key.name()))?,
                _ => tls.identity = pair(certificate, key).ok()?,
            }
            if ca.is_some() && tls.ca.is_none() {
                return None;
            }
        }
    }
    let identity = tls.identity.as_ref().map(|(chain, key)| (chain.as_slice(), key.as_slice()));
    match ClientTls::new(tls.ca.as_deref(), identity, tls.server_name.as_deref()) {
        Ok(_) => Some(tls),
        Err(error) => value.wrong(format!("{} cannot be used: {error}", value.name())),
    }
}
