//! Through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), and the environment as gRPC reads it.

use std::fmt;
use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::socket::Socket;
use crate::error::{InvalidArgument, quote};

/// The longest head of a proxy's answer that is read.
const MAX_HEAD: usize = 8 << 10;
/// The port of a proxy that has none in its URI, as in gRPC.
const DEFAULT_PORT: u16 = 443;

/// A proxy. Shown as `host:port`, without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyServer {
    host: String,
    port: u16,
    /// `user:password` in base64 (RFC 7617).
    credentials: Option<String>,
}

impl ProxyServer {
    /// Reads `http://host:port` or `http://user:password@host:port`.
    ///
    /// # Errors
    ///
    /// The message says what is wrong, and what would be right.
    pub fn parse(uri: &str) -> Result<Self, InvalidArgument> {
        let wrong = |why: &str| {
            InvalidArgument::new(format!(
                "proxy {}: {why}; expected http://host:port or http://user:password@host:port",
                quote(&without_user(uri))
            ))
        };
        let Some((scheme, rest)) = uri.split_once("://") else { return Err(wrong("it has no scheme")) };
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(wrong(&format!("the scheme {} is not supported", quote(scheme))));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/") {
            return Err(wrong("after the port comes nothing"));
        }
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host_port)) => (Some(user), host_port),
            None => (None, authority),
        };
        // The parser of the http crate knows brackets and what is legal in a host.
        let parsed = http::uri::Authority::try_from(host_port).map_err(|_| wrong("it has no legal host"))?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
        let port = match host_port.strip_prefix(parsed.host()).unwrap_or_default() {
            "" | ":" => DEFAULT_PORT,
            _ => parsed.port_u16().filter(|p| *p > 0).ok_or_else(|| wrong("its port is not legal"))?,
        };
        if host.is_empty() {
            return Err(wrong("it has no legal host"));
        }
        let credentials = user.map(|user| STANDARD.encode(percent_decode_str(user).collect::<Vec<u8>>()));
        Ok(Self { host: host.to_owned(), port, credentials })
    }

    /// The proxy that `variable` names for `host`, a name or an address, as gRPC finds it: see
    /// [`Proxy`](crate::client::Proxy).
    pub fn from_environment(host: &str, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let names = ["grpc_proxy", "https_proxy", "http_proxy"];
        let (name, uri) = names.into_iter().find_map(|name| Some((name, variable(name)?)))?;
        if uri.is_empty() {
            return None;
        }
        let except = variable("no_grpc_proxy").or_else(|| variable("no_proxy")).unwrap_or_default();
        if excepts(&except, host) {
            return None;
        }
        Self::parse(&uri).map_err(|error| tracing::error!("{name} is ignored: {error}")).ok()
    }
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(&self.host, self.port))
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyServer({self})")
    }
}

/// A URI without what stands before the `@`, for people to read.
pub fn without_user(uri: &str) -> String {
    let start = uri.find("://").map_or(0, |at| at + 3);
    match (uri.get(..start), uri.rsplit_once('@')) {
        (Some(scheme), Some((before, rest))) if before.len() >= start => format!("{scheme}…@{rest}"),
        _ => uri.to_owned(),
    }
}

/// Whether the list of a `no_proxy` has an entry for `host`.
fn excepts(list: &str, host: &str) -> bool {
    let address = host.parse::<IpAddr>().ok();
    let ends_with = |entry: &str| {
        let from = host.len().checked_sub(entry.len());
        from.and_then(|from| host.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(entry))
    };
    let within = |entry: &str| address.is_some_and(|address| in_network(address, entry));
    list.split(',').map(str::trim).filter(|e| !e.is_empty()).any(|e| ends_with(e) || within(e))
}

/// Whether `address` is in `network`, as `10.0.0.0/8`.
fn in_network(address: IpAddr, network: &str) -> bool {
    let Some((prefix, bits)) = network.split_once('/') else { return false };
    let (Ok(prefix), Ok(bits)) = (prefix.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (address, prefix) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        _ => false,
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The way through a proxy to a server.
#[derive(Debug)]
pub struct Tunnel {
    /// The proxy.
    pub server: ProxyServer,
    /// What to ask it for: `host:port`, not resolved.
    to: String,
}

impl Tunnel {
    /// Through `server` to `host`, a name or an address.
    pub fn new(server: ProxyServer, host: &str, port: u16) -> Self {
        Self { server, to: join(host, port) }
    }

    /// The proxy's host and port.
    pub fn proxy(&self) -> (&str, u16) {
        (&self.server.host, self.server.port)
    }

    /// Asks for the tunnel on a socket to the proxy. What comes after is the server's.
    ///
    /// # Errors
    ///
    /// Where the proxy refuses, goes away, or answers what is not HTTP/1: a sentence.
    pub async fn open(&self, socket: &mut Socket) -> Result<(), String> {
        let to = &self.to;
        let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
        if let Some(credentials) = &self.server.credentials {
            request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
        }
        request.push_str("\r\n");
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!("it closed the connection before it answered CONNECT {to}")
            }
            _ => format!("CONNECT {to} failed: {error}"),
        };
        socket.write_all(request.as_bytes()).await.map_err(broken)?;
        let head = read_head(socket).await.map_err(broken)?;
        let line = head.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let status = line.split(' ').nth(1).filter(|s| s.len() == 3 && line.starts_with("HTTP/1."));
        // Any 2xx is a tunnel.
        match status {
            Some(status) if status.starts_with('2') => Ok(()),
            _ => Err(format!("it answered {} to CONNECT {to}; expected HTTP/1.1 200", quote(&line))),
        }
    }
}

/// Reads an answer's head and not a byte of what follows, which may be there already.
async fn read_head(socket: &mut Socket) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buf = [0; 1024];
    loop {
        let seen = socket.peek(&mut buf).await?;
        let seen = buf.get(..seen).unwrap_or_default();
        if seen.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = head.len();
        head.extend_from_slice(seen);
        // The end may be half in what was read before.
        let from = before.saturating_sub(3);
        let end = head.get(from..).and_then(|tail| tail.windows(4).position(|w| w == b"\r\n\r\n"));
        let length = end.map_or(head.len(), |at| from + at + 4);
        if length > MAX_HEAD {
            return Err(io::Error::other(format!("the answer's head is longer than {MAX_HEAD} bytes")));
        }
        head.truncate(length);
        if let Some(taken) = buf.get_mut(..length - before) {
            socket.read_exact(taken).await?;
        }
        if end.is_some() {
            return Ok(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_and_passwords_are_not_shown() {
        let all = |text: &str| {
            let proxy = ProxyServer::parse(text).unwrap();
            (proxy.to_string(), proxy.credentials.clone())
        };
        assert_eq!(all("http://proxy.example:3128"), ("proxy.example:3128".into(), None));
        assert_eq!(all("HTTP://proxy.example/"), ("proxy.example:443".into(), None));
        assert_eq!(all("http://[::1]:1"), ("[::1]:1".into(), None));
        let secret = all("http://us%40er:p:w@10.0.0.1:8080");
        assert_eq!(secret, ("10.0.0.1:8080".into(), Some(STANDARD.encode("us@er:p:w"))));
        for (bad, why) in [
            ("", "no scheme"),
            ("proxy:3128", "no scheme"),
            ("https://proxy:3128", "\"https\" is not supported"),
            ("socks5://proxy", "\"socks5\" is not supported"),
            ("http://", "no legal host"),
            ("http://a b", "no legal host"),
            ("http://u:secret@:1", "host"),
            ("http://u:secret@h:99999", "port"),
            ("http://u:secret@h:0", "port"),
            ("http://h/path", "comes nothing"),
        ] {
            let error = ProxyServer::parse(bad).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{bad:?}: {error}");
        }
        assert!(!format!("{:?}", ProxyServer::parse("http://u:secret@h").unwrap()).contains("secret"));
    }

    #[test]
    fn the_environment_is_read_as_grpc_reads_it() {
        let find = |host: &str, set: &[(&str, &str)]| {
            let get = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            ProxyServer::from_environment(host, get).map(|p| p.to_string())
        };
        let is = |port: u16| Some(format!("p:{port}"));
        let (grpc, https, http) =
            (("grpc_proxy", "http://p:1"), ("https_proxy", "http://p:2"), ("http_proxy", "http://p:3"));
        assert_eq!(find("h", &[]), None);
        assert_eq!(find("h", &[http, https, grpc]), is(1));
        assert_eq!(find("h", &[http, https]), is(2));
        assert_eq!(find("h", &[http]), is(3));
        // An empty one says no, and one that is not understood is no reason to ask the next.
        assert_eq!(find("h", &[("grpc_proxy", ""), https]), None);
        assert_eq!(find("h", &[("grpc_proxy", "socks5://p:9"), https]), None);
        // The loopback is no exception, unless the list says so.
        assert_eq!(find("localhost", &[http]), is(3));
        assert_eq!(find("localhost", &[http, ("no_proxy", "x, LOCALHOST")]), None);
        assert_eq!(find("localhost", &[http, ("no_grpc_proxy", ""), ("no_proxy", "localhost")]), is(3));
        for (list, host, excepted) in [
            ("example.com", "example.com", true),
            ("example.com", "a.Example.com", true),
            ("example.com", "badexample.com", true),
            (".example.com", "badexample.com", false),
            (".example.com", "a.example.com", true),
            ("a.example.com", "example.com", false),
            ("*", "example.com", false),
            (" , ,", "example.com", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "ten.example.com", false),
            ("10.1.2.3/32", "10.1.2.4", false),
            ("10.1.2.3/99", "10.1.2.3", true),
            ("10.1.2.3/x", "10.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "10.1.2.3", false),
            ("é", "xé", true),
            ("é", "x", false),
        ] {
            assert_eq!(find(host, &[http, ("no_proxy", list)]).is_none(), excepted, "{list:?} {host:?}");
        }
    }

    #[test]
    fn what_follows_the_head_is_left_to_the_server() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let long = "x".repeat(3000);
            for head in
                ["HTTP/1.1 200 OK\r\n\r\n".to_owned(), format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n")]
            {
                let proxy = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
                let (mut proxy, accepted) = (proxy.await.unwrap(), listener.accept().await.unwrap());
                let mut socket = Socket::from(accepted.0);
                proxy.write_all(format!("{head}the server\r\n\r\n").as_bytes()).await.unwrap();
                drop(proxy);
                assert_eq!(read_head(&mut socket).await.unwrap(), head.as_bytes());
                let mut rest = String::new();
                socket.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "the server\r\n\r\n");
            }
        });
    }
}
