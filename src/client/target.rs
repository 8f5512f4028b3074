//! Targets: where a channel leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use http::uri::Authority;

use super::{resolver, services};
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
    /// Nothing that resolves, and why.
    Unresolvable(String),
    /// Nothing that any resolver is for, and why.
    Refused(String),
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

    /// Reads a target as the official library does: it refuses none. Of text that is no target calls say so, with
    /// UNAVAILABLE where it might be a name, with UNKNOWN where no resolver is meant.
    ///
    /// What has none of the schemes in "gRPC Name Resolution" is a name to resolve. It may have the port 0, where nobody
    /// listens, or a service's name as its port, and what follows a `/` is ignored.
    #[must_use]
    pub fn grpc(text: &str) -> Self {
        // There a target ends where a string of C does.
        let text = text.split('\0').next().unwrap_or_default();
        let wrong = |why: &str| format!("target {}: {why}; {EXPECTED_GRPC}", quote(text));
        let refused = |why: &str| Self::unusable(text, Endpoint::Refused(wrong(why)));
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        match scheme {
            "ipv4" | "ipv6" => {
                Self::addresses(text, scheme == "ipv6", rest, None).unwrap_or_else(|why| refused(&why))
            }
            "unix" | "unix-abstract" => Self::read(text, EXPECTED_GRPC)
                .unwrap_or_else(|why| Self::unusable(text, Endpoint::Refused(why.to_string()))),
            "xds" => Self::unusable(text, Endpoint::Unresolvable(wrong("xds is not supported"))),
            _ => {
                let name = match text.strip_prefix("dns:") {
                    None => text,
                    Some(rest) => match rest.strip_prefix("//").map(|rest| rest.split_once('/')) {
                        None => rest,
                        Some(Some(("", name))) => name,
                        Some(_) => {
                            return refused("a name server of one's own is not supported: write dns:///");
                        }
                    },
                };
                if name.is_empty() {
                    return refused("the name is missing");
                }
                Self::name(text, name)
                    .unwrap_or_else(|why| Self::unusable(text, Endpoint::Unresolvable(wrong(&why))))
            }
        }
    }

    /// A target that calls fail with.
    fn unusable(text: &str, endpoint: Endpoint) -> Self {
        Self {
            text: text.to_owned(),
            tls: Scheme::Open,
            authority: "localhost".into(),
            server_name: "localhost".into(),
            endpoint,
        }
    }

    /// `host`, `host:port` or an IPv6 address without brackets, as [`grpc`](Self::grpc) reads them.
    fn name(text: &str, name: &str) -> Result<Self, String> {
        if let Some((scheme, _)) = name.split_once("://") {
            return Err(format!("{} is no scheme of a gRPC target", quote(scheme)));
        }
        let name = name.split('/').next().unwrap_or_default();
        let bare = !name.starts_with('[') && name.matches(':').count() > 1;
        let (host, port) = if bare { (name, None) } else { split_port(name)? };
        let (port, number) = match port {
            None => (443, None),
            Some("") => (443, Some(443)),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => (number(digits, 0)?, None),
            Some(service) => {
                let port = services::port(service)
                    .ok_or_else(|| format!("the service {} is in no list of ports", quote(service)))?;
                (port, Some(port))
            }
        };
        let mut target = Self::endpoint(text, host, port, Scheme::Open)?;
        target.authority = match (bare, number) {
            (true, _) => format!("[{host}]"),
            (false, None) => name.to_owned(),
            (false, Some(number)) if host.contains(':') => format!("[{host}]:{number}"),
            (false, Some(number)) => format!("{host}:{number}"),
        };
        if Authority::try_from(&*target.authority).is_err() {
            return Err(format!("{} is not a host name", quote(host)));
        }
        Ok(target)
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
                Self::host(text, host, port, tls).map_err(|why| wrong(&why))
            }
            "dns" => {
                let host = match rest.strip_prefix("//") {
                    None => rest,
                    Some(rest) => match rest.split_once('/') {
                        Some(("", host)) => host,
                        _ => return Err(wrong("a name server of one's own is not supported: write dns:///")),
                    },
                };
                Self::host(text, host, 443, Scheme::Open).map_err(|why| wrong(&why))
            }
            "ipv4" | "ipv6" => {
                Self::addresses(text, scheme == "ipv6", rest, Some(443)).map_err(|why| wrong(&why))
            }
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

    fn host(text: &str, host_port: &str, default: u16, tls: Scheme) -> Result<Self, String> {
        let (host, port) = split_port(host_port)?;
        let port = port.map_or(Ok(default), |port| number(port, 1))?;
        let target = Self::endpoint(text, host, port, tls)?;
        Ok(Self { authority: host_port.to_owned(), ..target })
    }

    fn endpoint(text: &str, host: &str, port: u16, tls: Scheme) -> Result<Self, String> {
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
            authority: host.to_owned(),
            server_name: host.to_owned(),
            endpoint,
        })
    }

    /// Without a `default` each has its port.
    fn addresses(text: &str, v6: bool, list: &str, default: Option<u16>) -> Result<Self, String> {
        let mut addresses = Vec::new();
        for item in list.trim_start_matches("//").trim_start_matches('/').split(',') {
            let (host, port) = split_port(item)?;
            let port = match port {
                Some(port) => number(port, 1)?,
                None => default.ok_or_else(|| format!("{} has no port", quote(item)))?,
            };
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
            Endpoint::Unresolvable(why) | Endpoint::Refused(why) => Err(why.clone()),
        }
    }

    /// Why no channel to it is of any use, where that is so.
    pub(super) fn refusal(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Refused(why) => Some(why),
            _ => None,
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
            Endpoint::Unresolvable(_) | Endpoint::Refused(_) => None,
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
fn split_port(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a \"[\" is not closed")?;
        return match rest {
            "" => Ok((host, None)),
            _ => Ok((host, Some(rest.strip_prefix(':').ok_or("after \"]\" comes \":port\"")?))),
        };
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err("an IPv6 address stands in brackets".to_owned()),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

/// A port of at least `least`.
fn number(port: &str, least: u16) -> Result<u16, String> {
    match port.parse::<u16>() {
        Ok(number) if number >= least && port.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        _ => Err(format!("{} is not a port from {least} to 65535", quote(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        match Target::parse(text).unwrap().endpoint {
            Endpoint::Addresses(list) => list.iter().map(Address::peer).collect(),
            Endpoint::Host(host, port) => vec![format!("{host} {port}")],
            Endpoint::Unresolvable(why) | Endpoint::Refused(why) => panic!("{why}"),
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
        let host = |text: &str, name: &str, port, authority: &str| {
            let read = Target::grpc(text);
            assert_eq!(read.endpoint, Endpoint::Host(name.into(), port), "{text}");
            assert_eq!((&*read.text, &*read.authority, read.tls), (text, authority, Scheme::Open), "{text}");
        };
        host("localhost:1", "localhost", 1, "localhost:1");
        host("localhost:0", "localhost", 0, "localhost:0");
        host("greeter", "greeter", 443, "greeter");
        host("dns:///a:1", "a", 1, "a:1");
        host("dns:a", "a", 443, "a");
        host("greeter:", "greeter", 443, "greeter:443");
        host("greeter:http", "greeter", 80, "greeter:80");
        host("greeter:50051/path?query", "greeter", 50051, "greeter:50051");
        host("dns:///greeter:1/path", "greeter", 1, "greeter:1");
        let address = |text: &str, address: &str, authority: &str| {
            let read = Target::grpc(text);
            let Endpoint::Addresses(list) = &read.endpoint else { panic!("{text}: {read:?}") };
            assert_eq!((&*list[0].peer(), &*read.authority), (address, authority), "{text}");
        };
        address("[::1]:5", "ipv6:[::1]:5", "[::1]:5");
        address("::1", "ipv6:[::1]:443", "[::1]");
        address("[::1]:https", "ipv6:[::1]:443", "[::1]:443");
        address("127.0.0.1:5", "ipv4:127.0.0.1:5", "127.0.0.1:5");
        // As a string of C.
        assert_eq!(Target::grpc("127.0.0.1:5\0x"), Target::grpc("127.0.0.1:5"));
    }

    #[test]
    fn grpc_refuses_no_target_and_says_of_each_what_is_wrong() {
        for (text, why) in [
            ("http://a:1", "\"http\" is no scheme of a gRPC target"),
            ("dns:///http://a:1", "\"http\" is no scheme"),
            (":443", "\"\" is not a host name"),
            ("a b:1", "\"a b\" is not a host name"),
            ("\u{fffd}", "is not a host name"),
            ("a:99999", "\"99999\" is not a port from 0 to 65535"),
            ("a:no-such-service", "\"no-such-service\" is in no list of ports"),
            ("a:1:2", "\"a:1:2\" is not a host name"),
            ("[::1", "not closed"),
            ("xds:///a", "xds is not supported"),
        ] {
            let Endpoint::Unresolvable(said) = Target::grpc(text).endpoint else { panic!("{text}") };
            assert!(said.contains(why) && said.contains("expected host:port, dns:///"), "{text}: {said}");
        }
        for (text, why) in [
            ("", "the name is missing"),
            ("dns:", "the name is missing"),
            ("dns:///", "the name is missing"),
            ("dns://8.8.8.8/a", "dns:///"),
            ("ipv4:127.0.0.1", "\"127.0.0.1\" has no port"),
            ("ipv4:x:1", "not an IPv4"),
            ("ipv6:[::1]", "has no port"),
            ("unix:", "path is missing"),
            ("unix://x", "absolute"),
        ] {
            let target = Target::grpc(text);
            let said = target.refusal().unwrap_or_else(|| panic!("{text}: {target:?}"));
            assert!(said.contains(why) && said.contains("expected host:port, dns:///"), "{text}: {said}");
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
