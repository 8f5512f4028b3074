//! Targets: where a channel leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::resolver;
use crate::error::{InvalidArgument, quote};
use crate::transport::dial::Address;

/// What every refusal ends with.
const EXPECTED: &str = "expected http://host:port, https://host:port, dns:///host:port, ipv4:address:port, \
                        ipv6:[address]:port, unix:/path or unix-abstract:name";

/// The same for [`Target::grpc`].
const EXPECTED_GRPC: &str = "expected host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port, \
                             unix:/path or unix-abstract:name";

/// Where a channel leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The text that was given.
    pub text: String,
    /// Whether the text says plaintext (`http`, `unix`) or TLS (`https`) or leaves it open.
    pub tls: Scheme,
    /// What `:authority` says.
    pub authority: String,
    /// The name that the server's certificate must have.
    pub server_name: String,
    endpoint: Endpoint,
}

/// What a target's scheme says about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`: never TLS.
    Plaintext,
    /// `https`: always TLS.
    Tls,
    /// `unix`: plaintext, unless credentials are given.
    Local,
    /// The others: TLS, unless credentials say otherwise.
    Open,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Endpoint {
    Addresses(Vec<Address>),
    Host(String, u16),
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    ///
    /// The message names the text, what is wrong with it and what would be right.
    pub fn parse(text: &str) -> Result<Self, InvalidArgument> {
        Self::read(text, EXPECTED)
    }

    /// Reads a target as other implementations of gRPC do: what has none of the schemes in "gRPC Name
    /// Resolution" is a name to resolve. It may have the port 0, where nobody listens.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse). `xds:` is not supported.
    pub fn grpc(text: &str) -> Result<Self, InvalidArgument> {
        let wrong =
            |why: &str| InvalidArgument::new(format!("target {}: {why}; {EXPECTED_GRPC}", quote(text)));
        match text.split_once(':').map_or("", |(scheme, _)| scheme) {
            "dns" | "ipv4" | "ipv6" | "unix" | "unix-abstract" => Self::read(text, EXPECTED_GRPC),
            "xds" => Err(wrong("xds is not supported")),
            scheme if text.contains("://") => {
                Err(wrong(&format!("the scheme {} is not known", quote(scheme))))
            }
            _ => Self::host(text, text, (443, 0), Scheme::Open).map_err(|why| wrong(&why)),
        }
    }

    fn read(text: &str, expected: &str) -> Result<Self, InvalidArgument> {
        let wrong = |why: &str| InvalidArgument::new(format!("target {}: {why}; {expected}", quote(text)));
        if text.contains('\0') {
            return Err(wrong("it has a NUL byte"));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(wrong("it has no scheme"));
        };
        match scheme {
            "http" | "https" => {
                let rest = rest.strip_prefix("//").ok_or_else(|| wrong("after the scheme comes \"//\""))?;
                let host = rest.strip_suffix('/').unwrap_or(rest);
                let (tls, port) =
                    if scheme == "https" { (Scheme::Tls, 443) } else { (Scheme::Plaintext, 80) };
                Self::host(text, host, (port, 1), tls).map_err(|why| wrong(&why))
            }
            "dns" => {
                let host = match rest.strip_prefix("//") {
                    None => rest,
                    Some(rest) => match rest.split_once('/') {
                        Some(("", host)) => host,
                        _ => return Err(wrong("a name server of one's own is not supported: write dns:///")),
                    },
                };
                Self::host(text, host, (443, 1), Scheme::Open).map_err(|why| wrong(&why))
            }
            "ipv4" | "ipv6" => Self::addresses(text, scheme == "ipv6", rest).map_err(|why| wrong(&why)),
            "unix" => {
                let path = match rest.strip_prefix("//") {
                    Some(path) if path.starts_with('/') => path,
                    Some(_) => return Err(wrong("after unix:// comes an absolute path")),
                    None => rest,
                };
                if path.is_empty() {
                    return Err(wrong("the path is missing"));
                }
                Ok(Self::local(text, Address::Unix(PathBuf::from(path))))
            }
            "unix-abstract" if rest.is_empty() => Err(wrong("the name is missing")),
            "unix-abstract" => Ok(Self::local(text, Address::Abstract(rest.as_bytes().to_vec()))),
            other => {
                let plain = rest.parse::<u16>().is_ok() || rest.starts_with(|c: char| c.is_ascii_digit());
                Err(if plain {
                    wrong(&format!("it has no scheme; for plaintext write \"http://{text}\""))
                } else {
                    wrong(&format!("the scheme {} is not known", quote(other)))
                })
            }
        }
    }

    fn local(text: &str, address: Address) -> Self {
        Self {
            text: text.to_owned(),
            tls: Scheme::Local,
            authority: "localhost".into(),
            server_name: "localhost".into(),
            endpoint: Endpoint::Addresses(vec![address]),
        }
    }

    /// `ports` are the default and the least that is taken.
    fn host(text: &str, host_port: &str, ports: (u16, u16), tls: Scheme) -> Result<Self, String> {
        let (host, port) = split_port(host_port, ports)?;
        let endpoint = match host.parse::<IpAddr>() {
            Ok(ip) => Endpoint::Addresses(vec![Address::Tcp(SocketAddr::new(ip, port))]),
            Err(_) => {
                let legal =
                    |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || !c.is_ascii();
                if host.is_empty() || !host.chars().all(legal) {
                    return Err(format!("{} is not a host name", quote(host)));
                }
                Endpoint::Host(host.to_owned(), port)
            }
        };
        Ok(Self {
            text: text.to_owned(),
            tls,
            authority: host_port.to_owned(),
            server_name: host.to_owned(),
            endpoint,
        })
    }

    fn addresses(text: &str, v6: bool, list: &str) -> Result<Self, String> {
        let mut addresses = Vec::new();
        for item in list.trim_start_matches("//").trim_start_matches('/').split(',') {
            let (host, port) = split_port(item, (443, 1))?;
            let ip: IpAddr = if v6 {
                host.parse::<Ipv6Addr>()
                    .map_err(|_| format!("{} is not an IPv6 address", quote(host)))?
                    .into()
            } else {
                host.parse::<Ipv4Addr>()
                    .map_err(|_| format!("{} is not an IPv4 address", quote(host)))?
                    .into()
            };
            addresses.push(SocketAddr::new(ip, port));
        }
        // `split` yields at least one item, and each has become an address.
        let first = addresses.first().ok_or("there is no address")?;
        Ok(Self {
            text: text.to_owned(),
            tls: Scheme::Open,
            authority: first.to_string(),
            server_name: first.ip().to_string(),
            endpoint: Endpoint::Addresses(addresses.into_iter().map(Address::Tcp).collect()),
        })
    }

    /// The addresses to connect to, now.
    ///
    /// # Errors
    ///
    /// Where the name does not resolve: a sentence that names it.
    pub async fn resolve(&self) -> Result<Vec<Address>, String> {
        match &self.endpoint {
            Endpoint::Addresses(addresses) => Ok(addresses.clone()),
            Endpoint::Host(host, port) => {
                let mut found = resolver::by_name(host, *port).await?;
                if host.eq_ignore_ascii_case("localhost") {
                    both_loopbacks(&mut found, *port);
                }
                Ok(found.into_iter().map(Address::Tcp).collect())
            }
        }
    }

    /// Whether the target is made of addresses.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.endpoint, Endpoint::Addresses(_))
    }

    /// Whether it is a unix socket.
    pub(super) fn is_local(&self) -> bool {
        self.tls == Scheme::Local
    }

    /// The host, name or address, and the port, where there is one and it is reached by TCP.
    pub(super) fn host_and_port(&self) -> Option<(String, u16)> {
        match &self.endpoint {
            Endpoint::Host(host, port) => Some((host.clone(), *port)),
            Endpoint::Addresses(addresses) => match &**addresses {
                [Address::Tcp(address)] => Some((address.ip().to_string(), address.port())),
                _ => None,
            },
        }
    }
}

/// Adds the loopback address of the family that is missing: "localhost" means both (RFC 6761, section
/// 6.3), but many a hosts file has one.
fn both_loopbacks(found: &mut Vec<SocketAddr>, port: u16) {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        if !found.iter().any(|address| address.is_ipv4() == ip.is_ipv4()) {
            found.push(SocketAddr::new(ip, port));
        }
    }
}

/// Splits `host:port`, `[v6]:port`, `host`.
fn split_port(text: &str, (default, least): (u16, u16)) -> Result<(&str, u16), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a \"[\" is not closed")?;
        match rest {
            "" => (host, None),
            _ => (host, Some(rest.strip_prefix(':').ok_or("after \"]\" comes \":port\"")?)),
        }
    } else {
        match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err("an IPv6 address stands in brackets".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    match port {
        None => Ok((host, default)),
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number >= least && port.bytes().all(|b| b.is_ascii_digit()) => Ok((host, number)),
            _ => Err(format!("{} is not a port from {least} to 65535", quote(port))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        match Target::parse(text).unwrap().endpoint {
            Endpoint::Addresses(list) => list.iter().map(Address::peer).collect(),
            Endpoint::Host(host, port) => vec![format!("{host} {port}")],
        }
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(addresses("http://127.0.0.1:50051"), ["ipv4:127.0.0.1:50051"]);
        assert_eq!(addresses("http://localhost:1/"), ["localhost 1"]);
        assert_eq!(addresses("https://greeter.example.com"), ["greeter.example.com 443"]);
        assert_eq!(addresses("https://[::1]:8443"), ["ipv6:[::1]:8443"]);
        assert_eq!(addresses("dns:///greeter.internal:443"), ["greeter.internal 443"]);
        assert_eq!(addresses("dns:greeter.internal"), ["greeter.internal 443"]);
        assert_eq!(addresses("ipv4:10.0.0.1:1,10.0.0.2:2"), ["ipv4:10.0.0.1:1", "ipv4:10.0.0.2:2"]);
        assert_eq!(addresses("ipv6:[::1]:1"), ["ipv6:[::1]:1"]);
        assert_eq!(addresses("unix:/run/x.sock"), ["unix:/run/x.sock"]);
        assert_eq!(addresses("unix:///run/x.sock"), ["unix:/run/x.sock"]);
        assert_eq!(addresses("unix:relative.sock"), ["unix:relative.sock"]);
        assert_eq!(addresses("unix-abstract:x"), ["unix-abstract:x"]);
        let target = Target::parse("https://[::1]:8443").unwrap();
        assert_eq!((&*target.authority, &*target.server_name), ("[::1]:8443", "::1"));
    }

    #[test]
    fn without_a_scheme_grpc_reads_a_name() {
        let read = |text: &str| Target::grpc(text).unwrap();
        assert_eq!(read("localhost:1").endpoint, Endpoint::Host("localhost".into(), 1));
        assert_eq!(read("localhost:0").endpoint, Endpoint::Host("localhost".into(), 0));
        assert_eq!(read("greeter").endpoint, Endpoint::Host("greeter".into(), 443));
        assert_eq!(read("dns:///a:1").endpoint, Endpoint::Host("a".into(), 1));
        let local = read("[::1]:5");
        assert_eq!((&*local.text, &*local.authority, local.tls), ("[::1]:5", "[::1]:5", Scheme::Open));
        for bad in ["", "http://a:1", "xds:///a", "a:99999", "ipv4:x:1"] {
            let error = Target::grpc(bad).unwrap_err().to_string();
            assert!(error.contains("expected host:port, dns:///"), "{bad:?}: {error}");
        }
    }

    #[test]
    fn localhost_is_both_families() {
        let list = |given: &[&str]| {
            let mut found = given.iter().map(|text| text.parse().unwrap()).collect();
            both_loopbacks(&mut found, 5);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(list(&["127.0.0.1:5"]), ["127.0.0.1:5", "[::1]:5"]);
        assert_eq!(list(&["[::1]:5"]), ["[::1]:5", "127.0.0.1:5"]);
        assert_eq!(list(&["[::1]:5", "127.0.0.2:5"]), ["[::1]:5", "127.0.0.2:5"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_would_be_right() {
        for (bad, why) in [
            ("", "no scheme"),
            ("localhost", "no scheme"),
            ("localhost:50051", "for plaintext write \"http://localhost:50051\""),
            ("127.0.0.1:50051", "for plaintext write"),
            ("ftp://x:1", "\"ftp\" is not known"),
            ("http:x", "\"//\""),
            ("http://", "not a host name"),
            ("http://a b:1", "not a host name"),
            ("http://host:99999", "not a port"),
            ("http://host:", "not a port"),
            ("http://host/path", "not a host name"),
            ("http://::1:50051", "brackets"),
            ("dns://8.8.8.8/x", "dns:///"),
            ("ipv4:localhost:1", "not an IPv4"),
            ("ipv6:127.0.0.1:1", "not an IPv6"),
            ("unix:", "path is missing"),
            ("unix://x", "absolute"),
            ("unix-abstract:", "name is missing"),
            ("unix:/a\0b", "NUL"),
        ] {
            let error = Target::parse(bad).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("expected http://"), "{bad:?}: {error}");
        }
    }
}
