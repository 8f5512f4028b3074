//! From a TOML text to [`Settings`]: all of it, or a list of everything that is wrong with it.
//!
//! - [`parse`], [`load`]: a file's text; [`from_flags`]: addresses alone;
//! - [`explain`]: settings in words, with what looks like a mistake;
//! - `read`: values with their places, and the errors; `units`: durations and sizes; `nearest`: "did you mean";
//! - `listen`, `group`, `route`: one kind of table each.
//!
//! The text is read as a tree of values that know their places, not through serde: its derived code stops at the first
//! error, and whoever repairs a file wants to hear of all of them. `docs/proxy-config.md` describes the keys.

mod explain;
mod group;
mod listen;
mod nearest;
mod read;
mod route;
#[cfg(test)]
mod tests;
mod units;

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use self::explain::{explain, log_warnings, warnings};
use self::nearest::hint;
use self::read::{File, Table, Value, set};
use super::settings::{AccessLog, Group, ListenKind, Route, Settings, Source};
use crate::error::{InvalidArgument, quote};

/// What a file said.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The files that were read beside it: certificates and keys.
    pub files: Vec<PathBuf>,
}

/// Everything that is wrong with a configuration. It shows one line for each: `proxy.toml:12: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    name: String,
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: the line, from 1; 0 where it is no line's fault.
    pub line: usize,
    /// What, in a sentence.
    pub text: String,
}

impl ConfigError {
    fn new(name: &str, text: String) -> Self {
        let problems = vec![Problem { line: 0, text }];
        Self { name: name.to_owned(), problems, files: Vec::new() }
    }

    /// What is wrong, in the order of the lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The files that were looked at beside it: a change there may repair it.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            match problem.line {
                0 => write!(f, "{end}{}: {}", self.name, problem.text)?,
                line => write!(f, "{end}{}:{line}: {}", self.name, problem.text)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for InvalidArgument {
    fn from(error: ConfigError) -> Self {
        Self::new(error.to_string())
    }
}

/// Reads the file at `path`.
///
/// # Errors
///
/// It cannot be read, or as [`parse`].
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(&name, format!("the file cannot be read: {error}")))?;
    let base = path.parent().unwrap_or(Path::new(""));
    read(&text, &name, base)
}

/// Reads a configuration. `name` stands in errors; relative paths begin at `base`.
///
/// # Errors
///
/// Everything that is wrong in it, with lines: what is no TOML, keys that nobody knows, values that cannot be used,
/// files that cannot be read, names that lead nowhere.
pub fn parse(text: &str, name: &str, base: &Path) -> Result<Settings, ConfigError> {
    read(text, name, base).map(|loaded| loaded.settings)
}

fn read(text: &str, name: &str, base: &Path) -> Result<Loaded, ConfigError> {
    let file = File::new(text, base);
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        file.wrong(
            error.span().map_or(0, |span| span.start),
            format!("this is no TOML: {}", error.message()),
        );
    }
    // What is missing after an error in the text may stand behind it.
    let settings = match errors.is_empty() {
        true => root(Table::root(&file, tree.get_ref())),
        false => Settings::default(),
    };
    let (files, result) = file.end(name);
    result.map(|()| Loaded { settings, files })
}

fn root(table: Table<'_>) -> Settings {
    let mut settings = Settings::default();
    let file = table.file;

    let listen: Vec<_> =
        table.each("listen", "[[listen]]").into_iter().map(|t| (t.at, listen::listen(t))).collect();
    let groups: Vec<_> =
        table.each("group", "[[group]]").into_iter().map(|t| (t.at, group::group(t))).collect();
    let routes = table.each("route", "[[route]]").into_iter().enumerate();
    let routes: Vec<_> = routes.map(|(n, t)| route::route(t, n + 1)).collect();
    settings.admin = table.inner("admin", "[admin]").and_then(listen::admin);
    settings.access_log = table.inner("access_log", "[access_log]").map(access_log);
    if let Some(drain) = table.inner("drain", "[drain]") {
        set(&mut settings.drain.notice, drain.get("notice").and_then(|v| v.duration_or_zero()));
        set(&mut settings.drain.grace, drain.get("grace").and_then(|v| v.duration_or_zero()));
        drain.finish();
    }
    set(&mut settings.workers, table.get("workers").and_then(|v| v.count(1..=256)).map(|n| n as usize));
    set(&mut settings.trace, table.get("trace").and_then(|v| v.flag()));
    settings.dns = table.get("dns").iter().flat_map(|v| v.one_or_more()).filter_map(name_server).collect();

    for (key, what, none) in
        [("listen", "[[listen]]", listen.is_empty()), ("group", "[[group]]", groups.is_empty())]
    {
        // Something of another kind in its place has been reported.
        if none && table.get(key).is_none_or(|value| value.one_or_more().is_empty()) {
            file.wrong(0, format!("there is no {what}; expected at least one"));
        }
    }
    table.finish();
    let mut names = HashSet::new();
    for (at, one) in groups {
        let Some(one) = one else { continue };
        if !names.insert(one.name.clone()) {
            file.wrong(at, format!("there are two groups with the name {}", quote(&one.name)));
        }
        settings.groups.push(one);
    }
    let lost = |name: &str| {
        let names = settings.groups.iter().map(|group| group.name.as_str());
        format!("there is no group {}{}", quote(name), hint(name, names))
    };
    let mut listeners = Vec::with_capacity(listen.len());
    for (at, one) in listen {
        let Some(one) = one else { continue };
        if listeners.iter().any(|known: &super::settings::Listen| known.address == one.address) {
            file.wrong(at, format!("there are two listeners at {}", quote(&one.address)));
        }
        if let ListenKind::Tcp { group } = &one.kind
            && !names.contains(group)
        {
            file.wrong(at, lost(group));
        }
        listeners.push(one);
    }
    let only = only(&settings.groups).map(|group| group.name.clone());
    let mut read = Vec::with_capacity(routes.len());
    for one in routes {
        let mut route = one.route;
        match (one.group_at, &only) {
            (None, Some(only)) => route.group.clone_from(only),
            (None, None) if settings.groups.is_empty() => {}
            (None, None) => file.wrong(
                one.at,
                format!("the route {} has no \"group\"; expected the name of one", quote(&route.name)),
            ),
            // A value that is no text has been reported.
            (Some(at), _) if !route.group.is_empty() => {
                if !names.contains(&route.group) {
                    file.wrong(at, lost(&route.group));
                }
            }
            (Some(_), _) => {}
        }
        read.push(route);
    }
    let http = listeners.iter().any(|one| one.kind == ListenKind::Http);
    match &only {
        Some(only) if http && read.is_empty() => read.push(catch_all(only)),
        None if http && read.is_empty() && !settings.groups.is_empty() => {
            file.wrong(0, "there is no [[route]], and more than one group that requests could go to");
        }
        _ => {}
    }
    settings.routes = read;
    settings.listeners = listeners;
    settings
}

/// A name server: its address, and its port where it is not 53.
fn name_server(value: Value<'_>) -> Option<SocketAddr> {
    const WHAT: &str = "the IP address of a name server, such as \"10.0.0.2\" or \"[::1]:5353\"";
    let text = value.text(WHAT)?;
    let plain = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    text.parse().ok().or_else(plain).or_else(|| value.expected(WHAT))
}

fn only(groups: &[Group]) -> Option<&Group> {
    match groups {
        [only] => Some(only),
        _ => None,
    }
}

/// The route that takes every request.
fn catch_all(group: &str) -> Route {
    Route {
        name: "default".to_owned(),
        matches: Vec::new(),
        group: group.to_owned(),
        timeout: None,
        authority: None,
        retry: None,
    }
}

fn access_log(table: Table<'_>) -> AccessLog {
    let path = table.get("path");
    let format = table.get("format");
    let headers = table.get("headers");
    let log = AccessLog {
        path: path.and_then(|v| v.text("the path of a file").map(|path| v.file.resolve(path))),
        json: format.and_then(|v| v.word(&[("text", false), ("json", true)])).unwrap_or_default(),
        headers: headers
            .and_then(|v| v.list("a list of headers' names"))
            .unwrap_or_default()
            .iter()
            .filter_map(group::header_name)
            .collect(),
    };
    table.finish();
    log
}

/// Settings from addresses alone: everything that comes to `listen` goes to the one group `default` of `backends`, to
/// the members that serve it.
///
/// A listener may be `:8080` or `host:port`, which is plaintext, or as in a file; a backend is as in a file.
///
/// # Errors
///
/// There is none of one kind, or one that cannot be used.
pub fn from_flags(listen: &[String], backends: &[String]) -> Result<Settings, ConfigError> {
    let wrong = |text: String| ConfigError::new("the command line", text);
    let mut settings = Settings::default();
    for given in listen {
        let one = listen::flag(given).map_err(&wrong)?;
        settings.listeners.push(one);
    }
    let mut group = Group::default();
    for given in backends {
        let source = Source::member(given, 1).map_err(|why| {
            wrong(format!("{} is no backend: {why}; expected host:port or unix:/path", quote(given)))
        })?;
        group.sources.push(source);
    }
    if settings.listeners.is_empty() || group.sources.is_empty() {
        return Err(wrong("expected at least one address to listen on and one backend".to_owned()));
    }
    settings.routes.push(catch_all(&group.name));
    settings.groups.push(group);
    Ok(settings)
}
