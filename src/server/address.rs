//! Where to listen, as text.

use std::path::PathBuf;

use crate::error::{InvalidArgument, quote};

/// A listen address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `http://host:port`, or `https://host:port` where `tls`.
    Tcp { host: String, port: u16, tls: bool },
    /// `unix:/path` or `unix:///path`.
    Unix(PathBuf),
    /// `unix-abstract:name` (Linux).
    Abstract(String),
}

/// What is said about every address that is none.
const EXPECTED: &str = "expected \"http://host:port\", \"https://host:port\", \":port\", \"unix:/path\" or \
                        \"unix-abstract:name\"";

/// The longest path of a Unix socket on Linux, without the final NUL.
const LONGEST_PATH: usize = 107;

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidArgument> {
        let wrong =
            |why: &str| InvalidArgument::new(format!("cannot listen on {}: {why}; {EXPECTED}", quote(text)));
        if text.contains('\0') {
            return Err(wrong("it has a NUL byte"));
        }
        if let Some(name) = text.strip_prefix("unix-abstract:") {
            return match name.len() {
                0 => Err(wrong("the name is empty")),
                1..=LONGEST_PATH => Ok(Self::Abstract(name.to_owned())),
                _ => Err(wrong("the name is longer than 107 bytes")),
            };
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.len() {
                0 => Err(wrong("the path is empty")),
                1..=LONGEST_PATH => Ok(Self::Unix(path.into())),
                _ => Err(wrong("the path is longer than 107 bytes")),
            };
        }
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(unschemed(text)),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let port = port.parse().map_err(|_| wrong("its port is not a number from 0 to 65535"))?;
        let bare = match host.strip_prefix('[') {
            Some(inner) => {
                let inner = inner.strip_suffix(']').ok_or_else(|| wrong("its \"[\" is not closed"))?;
                if inner.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(wrong("what stands in brackets is no IPv6 address"));
                }
                inner
            }
            None if host.contains(':') => return Err(wrong("an IPv6 address needs brackets")),
            None => host,
        };
        if bare.is_empty() || bare.contains(['/', '@', '?', '#', ' ']) {
            return Err(wrong("its host is empty or not a host"));
        }
        Ok(Self::Tcp { host: bare.to_owned(), port, tls })
    }
}

/// `:port` as an address: all of the machine's.
pub(crate) fn everywhere(scheme: &str, port: &str) -> String {
    // "[::]" takes IPv4 as well; where the system has no IPv6, it is no address.
    let host = if std::net::UdpSocket::bind("[::]:0").is_ok() { "[::]" } else { "0.0.0.0" };
    format!("{scheme}://{host}:{port}")
}

/// What is wrong with an address without a scheme that is known, and what may have been meant.
fn unschemed(text: &str) -> InvalidArgument {
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let (why, meant) = match text.split_once("://") {
        None if port.is_some() => (
            "it has no scheme".to_owned(),
            format!("; did you mean \"http://{text}\" (plaintext) or \"https://{text}\" (TLS)?"),
        ),
        None => ("it has no scheme".to_owned(), String::new()),
        Some((scheme, _)) => (format!("its scheme is {}", quote(scheme)), String::new()),
    };
    InvalidArgument::new(format!("cannot listen on {}: {why}; {EXPECTED}{meant}", quote(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let tcp = |host: &str, port, tls| Address::Tcp { host: host.into(), port, tls };
        let good = |text: &str| Address::parse(text).unwrap();
        assert_eq!(good("http://0.0.0.0:50051"), tcp("0.0.0.0", 50051, false));
        assert_eq!(good("https://[::1]:0"), tcp("::1", 0, true));
        assert_eq!(good("http://localhost:80/"), tcp("localhost", 80, false));
        assert_eq!(good("unix:/run/x.sock"), Address::Unix("/run/x.sock".into()));
        assert_eq!(good("unix:///run/x.sock"), Address::Unix("/run/x.sock".into()));
        assert_eq!(good("unix:x.sock"), Address::Unix("x.sock".into()));
        assert_eq!(good("unix-abstract:x"), Address::Abstract("x".into()));
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (bad, why) in [
            ("", "scheme"),
            ("127.0.0.1:80", "did you mean \"http://127.0.0.1:80\" (plaintext)"),
            ("localhost", "it has no scheme"),
            (":70000", "no scheme"),
            ("dns:///x:1", "its scheme is \"dns\""),
            ("http://localhost", "no port"),
            ("http://:80", "host"),
            ("http://a/b:80", "host"),
            ("http://x:65536", "port"),
            ("http://::1:80", "brackets"),
            ("http://[x]:80", "IPv6"),
            ("unix:", "empty"),
            ("unix-abstract:", "empty"),
            ("unix:/a\0b", "NUL"),
        ] {
            let said = Address::parse(bad).unwrap_err().to_string();
            assert!(said.contains(why) && said.contains(EXPECTED), "{bad:?}: {said}");
        }
        assert!(Address::parse(&format!("unix:/{}", "x".repeat(200))).is_err());
    }
}
