//! What a proxy is told: checked, with every default filled in.
//!
//! The texts of a configuration file become these values in [`config`](super::config); whoever embeds the proxy may
//! as well make them directly. Two values that are equal mean the same, so a reload knows what has changed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::HeaderName;
use http::uri::Authority;
use regex_lite::Regex;
use tonic::Code;

use crate::error::quote;
use crate::transport::dial::Address;

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where it listens.
    pub listeners: Vec<Listen>,
    /// The backends, in groups.
    pub groups: Vec<Group>,
    /// Which requests go where. The first that matches wins.
    pub routes: Vec<Route>,
    /// The name servers that are asked; none: those of `/etc/resolv.conf`, and the system's own way of looking names up
    /// where they have no answer.
    pub dns: Vec<SocketAddr>,
    /// The admin port.
    pub admin: Option<Admin>,
    /// The access log.
    pub access_log: Option<AccessLog>,
    /// How many threads carry the traffic, each with connections of its own.
    pub workers: usize,
    /// How it ends.
    pub drain: Drain,
    /// Whether `traceparent` is made where a request has none, and passed on with a new parent where it has one.
    pub trace: bool,
}

/// How a proxy, or one listener, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// First step: clients are told to go away, and new connections are still taken.
    pub notice: Duration,
    /// Second step: no new connections; what runs may finish within this, and is cut then.
    pub grace: Duration,
}

/// One address that is listened on.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// `http://host:port`, `https://host:port`, `unix:/path`, `unix-abstract:name`; as a server has it.
    pub address: String,
    /// What is spoken there.
    pub kind: ListenKind,
    /// The certificates, where TLS is spoken.
    pub tls: Option<ListenTls>,
    /// Whether clients without TLS are served beside those with it.
    pub plaintext: bool,
    /// Whether gRPC-Web is translated to gRPC.
    pub translate_web: Option<Cors>,
    /// What is told to backends about the client.
    pub forwarded: Forwarded,
    /// Connections that may be open; one more is closed at once.
    pub max_connections: usize,
    /// Streams that one connection may have open.
    pub max_streams: u32,
    /// The longest header list of a request, in bytes as HTTP/2 counts them.
    pub max_headers: u32,
    /// How long a connection may take until its first request can be read.
    pub handshake_timeout: Duration,
    /// PING after this much silence.
    pub keepalive: Option<Duration>,
    /// Close where a PING is not answered within this.
    pub keepalive_timeout: Duration,
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenKind {
    /// HTTP: 2 or 1.1, told apart by ALPN and first bytes.
    Http,
    /// Bytes, carried to this group as they are.
    Tcp {
        /// The group's name.
        group: String,
    },
}

/// A listener's certificates, as PEM texts.
#[derive(Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// Chains and their keys. The first is shown where no other has the name that a client asks for.
    pub identities: Vec<(Vec<u8>, Vec<u8>)>,
    /// The roots that clients' certificates must come from.
    pub client_ca: Option<Vec<u8>>,
    /// Whether a client may show none.
    pub client_optional: bool,
}

impl std::fmt::Debug for ListenTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenTls").field("identities", &self.identities.len()).finish_non_exhaustive()
    }
}

/// Which pages may call through gRPC-Web (CORS).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    /// The origins; `*` stands for all.
    pub origins: Vec<String>,
}

/// What a request is given on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// `x-forwarded-for` and `x-forwarded-proto`.
    pub x_forwarded_for: bool,
    /// `forwarded` (RFC 7239).
    pub forwarded: bool,
    /// `x-request-id`, where there is none.
    pub request_id: bool,
}

/// Backends that are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name in routes, logs and metrics.
    pub name: String,
    /// Where its members come from.
    pub sources: Vec<Source>,
    /// TLS to the members.
    pub tls: Option<GroupTls>,
    /// Whether members are asked which services they serve.
    pub discover: Option<Discover>,
    /// Which member takes the next request.
    pub balance: Balance,
    /// Active checks by grpc.health.v1.
    pub health: Option<Health>,
    /// Members that fail are left out for a while.
    pub eject: Option<Eject>,
    /// Where less than this share of the members is well, all of them are used: 0 to 1.
    pub panic_threshold: f64,
    /// A member that is new or well again takes its full share after this.
    pub slow_start: Duration,
    /// Requests that one member may have at once.
    pub max_requests: usize,
    /// Connections to one member, by worker.
    pub max_connections: usize,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// PING a silent connection that has requests after this.
    pub keepalive: Option<Duration>,
    /// Give a connection up where a PING is not answered within this.
    pub keepalive_timeout: Duration,
    /// How much may be sent again, as a share of all requests: 0.2 is one in five.
    pub retry_budget: f64,
}

/// Where members come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// An address that is none to be resolved.
    Fixed {
        /// The address.
        address: Address,
        /// The text it was given as; also the name in certificates and `:authority`.
        name: String,
        /// Its share, relative to the others'.
        weight: u32,
    },
    /// A host name: each of its addresses (A, AAAA) is a member.
    Host {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// The share of each.
        weight: u32,
    },
    /// A service name (SRV, RFC 2782): hosts, ports and weights.
    Srv {
        /// `_grpc._tcp.greeter.internal`.
        name: String,
    },
    /// A file with an address and perhaps a weight in each line; watched.
    File {
        /// Its path.
        path: std::path::PathBuf,
    },
}

impl Source {
    /// The member that a text names: `host:port`, `[::1]:port`, `unix:/path`, `unix-abstract:name`.
    ///
    /// # Errors
    ///
    /// Why it names none, as the rest of a sentence that quotes it.
    pub fn member(text: &str, weight: u32) -> Result<Self, String> {
        let fixed = |address| Self::Fixed { address, name: text.to_owned(), weight };
        if let Some(name) = text.strip_prefix("unix-abstract:") {
            return match name {
                "" => Err("the name is empty".to_owned()),
                name => Ok(fixed(Address::Abstract(name.as_bytes().to_vec()))),
            };
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(fixed(Address::Unix(path.into()))),
                false => Err("the path of a Unix socket begins with \"/\"".to_owned()),
            };
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(format!(
                "a member has no scheme: whether it speaks TLS is said by its group; without \"{scheme}://\" it is {}",
                quote(rest)
            ));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err("0 is no port to connect to".to_owned()),
                _ => Ok(fixed(Address::Tcp(address))),
            };
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err("it has no port".to_owned());
        }
        let (host, port) = text.rsplit_once(':').ok_or("it has no port")?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or("its port is not a number from 1 to 65535")?;
        host_name(host)?;
        Ok(Self::Host { host: host.to_owned(), port, weight })
    }
}

/// Whether a resolver can be asked for it. Underscores are no part of host names, but of names that are in use.
fn host_name(host: &str) -> Result<(), &'static str> {
    let letters = |label: &str| label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let bare = host.strip_suffix('.').unwrap_or(host);
    let last_is_number = bare.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    match bare {
        "" => Err("it has no host"),
        _ if host.len() > 253 || bare.split('.').any(|l| l.is_empty() || l.len() > 63 || !letters(l)) => {
            Err("its host is no name that can be resolved")
        }
        _ if last_is_number => Err("its host looks like an IP address, but is none"),
        _ => Ok(()),
    }
}

/// TLS to a group's members; the texts are PEM.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct GroupTls {
    /// The roots to trust; without it the system's.
    pub ca: Option<Vec<u8>>,
    /// A certificate chain and its key, for members that ask for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name in the members' certificates, in place of their addresses.
    pub server_name: Option<String>,
}

impl std::fmt::Debug for GroupTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// How members are asked for their services (gRPC server reflection).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discover {
    /// How often, beside each time a connection is made.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Which member takes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// Of two members by chance, the one with fewer requests.
    LeastRequest,
    /// Of two members by chance, the one that is expected to answer sooner (peak EWMA).
    PeakEwma,
    /// One after the other, as often as their weights say.
    RoundRobin,
    /// By chance, as often as their weights say.
    Weighted,
    /// The same member for the same value of this header, as long as it is there.
    RingHash(HeaderName),
}

/// Active health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The service that is asked for; empty: the server as a whole.
    pub service: String,
    /// Failures in a row that make a member ill.
    pub unhealthy_after: u32,
    /// Successes in a row that make it well.
    pub healthy_after: u32,
}

/// Passive ejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row (no connection, UNAVAILABLE, or the connection broke).
    pub failures: u32,
    /// How long the first time; twice as long each time after that.
    pub pause: Duration,
    /// The longest.
    pub max_pause: Duration,
}

/// Which requests, and where they go.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name in logs and on the admin page.
    pub name: String,
    /// All of these must match.
    pub matches: Vec<Match>,
    /// The group's name.
    pub group: String,
    /// The longest that a request may take. A client's shorter `grpc-timeout` holds.
    pub timeout: Option<Duration>,
    /// `:authority` in the place of the client's.
    pub authority: Option<Authority>,
    /// What may be sent again, beside what certainly was not processed.
    pub retry: Option<Retry>,
}

/// What a request must have.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// The package of the service: `helloworld` of `/helloworld.Greeter/SayHello`.
    Package(Pattern),
    /// The service with its package: `helloworld.Greeter`.
    Service(Pattern),
    /// The method alone: `SayHello`.
    Method(Pattern),
    /// The whole path, for what is not gRPC.
    Path(Pattern),
    /// `:authority` or `host`, without its port.
    Authority(Pattern),
    /// A header.
    Metadata(HeaderName, Pattern),
}

/// How a text must be.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Just so.
    Exact(String),
    /// It begins so.
    Prefix(String),
    /// It matches from beginning to end: made by [`Pattern::regex`].
    Regex(Regex),
    /// It is there.
    Present,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Present, Self::Present) => true,
            _ => false,
        }
    }
}

impl Pattern {
    /// A regular expression for the whole text.
    ///
    /// # Errors
    ///
    /// `text` is none.
    pub fn regex(text: &str) -> Result<Self, regex_lite::Error> {
        // By itself first, so that an error tells of what was written.
        Regex::new(text)?;
        Regex::new(&format!("^(?:{text})$")).map(Self::Regex)
    }

    /// Whether `text` is so.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => text == wanted.as_bytes(),
            Self::Prefix(start) => text.starts_with(start.as_bytes()),
            Self::Regex(regex) => std::str::from_utf8(text).is_ok_and(|text| regex.is_match(text)),
            Self::Present => true,
        }
    }
}

/// What a route allows to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often in all, the first included: at least 2.
    pub attempts: u32,
    /// The statuses that are not the last word, where nothing else has come back.
    pub codes: Vec<Code>,
}

/// The admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `http://host:port` or `unix:/path`.
    pub address: String,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The file; none: standard output.
    pub path: Option<std::path::PathBuf>,
    /// JSON, one object a line; else plain text.
    pub json: bool,
    /// Request headers that are logged.
    pub headers: Vec<HeaderName>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: String::new(),
            kind: ListenKind::Http,
            tls: None,
            plaintext: false,
            translate_web: None,
            forwarded: Forwarded::default(),
            max_connections: 10_000,
            max_streams: 1024,
            max_headers: 64 << 10,
            handshake_timeout: Duration::from_secs(10),
            keepalive: None,
            keepalive_timeout: Duration::from_secs(20),
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            sources: Vec::new(),
            tls: None,
            discover: Some(Discover::default()),
            balance: Balance::LeastRequest,
            health: None,
            eject: Some(Eject::default()),
            panic_threshold: 0.5,
            slow_start: Duration::ZERO,
            max_requests: 65_536,
            max_connections: 16,
            connect_timeout: Duration::from_secs(5),
            keepalive: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(10),
            retry_budget: 0.2,
        }
    }
}

impl Default for Discover {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(5) }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            service: String::new(),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }
}

impl Default for Eject {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(1), max_pause: Duration::from_secs(60) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            groups: Vec::new(),
            routes: Vec::new(),
            dns: Vec::new(),
            admin: None,
            access_log: None,
            workers: 1,
            drain: Drain { notice: Duration::from_secs(1), grace: Duration::from_secs(30) },
            trace: false,
        }
    }
}
