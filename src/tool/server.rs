//! The server that a subcommand talks to.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use http::HeaderMap;

use super::Failure;
use crate::client::target::Scheme;
use crate::client::{CallOptions, Channel, ChannelOptions, Target};
use crate::deadline::Deadline;
use crate::discovery::OverChannel;
use crate::error::quote;
use crate::metadata;
use crate::tls::ClientTls;

/// How long a question about the server may take where no --timeout is given.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where to, as whom, with what.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArguments {
    /// http://host:port, https://host:port, dns:///host:port, ipv4:address:port, ipv6:[address]:port,
    /// unix:/path, unix-abstract:name; localhost:port and loopback addresses mean http://
    #[arg(value_name = "TARGET")]
    target: String,
    /// Send this metadata, with every call; the value of a key that ends in -bin is base64. May be repeated
    #[arg(short = 'H', long = "header", value_name = "KEY: VALUE")]
    headers: Vec<String>,
    /// Give up after this span, all in all: 5s, 1.5s, 500ms, 2m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    timeout: Option<Duration>,
    /// No TLS, where the target leaves it open (dns:, ipv4:, ipv6:)
    #[arg(long)]
    plaintext: bool,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// This side's certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of this side's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The name that the server's certificate must have, where it is not the target's
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Send this as :authority instead of the target's host and port
    #[arg(long, value_name = "AUTHORITY")]
    authority: Option<String>,
    /// Take messages up to this length
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20)]
    max_receive: usize,
}

/// A server, and what to say with each call.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) channel: Channel,
    metadata: HeaderMap,
    deadline: Option<Deadline>,
}

impl ServerArguments {
    /// The server. Nothing is sent yet; the time begins to run.
    pub(super) fn open(&self) -> Result<Server, Failure> {
        let mut metadata = HeaderMap::new();
        for header in &self.headers {
            add(&mut metadata, header)?;
        }
        let target = Target::parse(&with_scheme(&self.target))?;
        let options = ChannelOptions {
            authority: self.authority.clone(),
            max_receive: self.max_receive,
            ..ChannelOptions::default()
        };
        let channel = Channel::new(target.clone(), self.tls(&target)?, options)?;
        Ok(Server { channel, metadata, deadline: self.timeout.map(Deadline::after) })
    }

    fn tls(&self, target: &Target) -> Result<Option<ClientTls>, Failure> {
        let given = self.ca.is_some() || self.cert.is_some() || self.server_name.is_some();
        if self.plaintext && (given || target.tls == Scheme::Tls) {
            return Err(Failure::Usage(format!(
                "--plaintext does not go with {}; expected one of the two",
                if given { "--ca, --cert or --server-name" } else { "https://" }
            )));
        }
        let wanted = match target.tls {
            Scheme::Tls => true,
            Scheme::Open => !self.plaintext,
            // The channel refuses them with http://.
            Scheme::Local | Scheme::Plaintext => given,
        };
        if !wanted {
            return Ok(None);
        }
        let file = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        let (ca, cert, key) = (file(&self.ca)?, file(&self.cert)?, file(&self.key)?);
        let identity = cert.as_deref().zip(key.as_deref());
        Ok(Some(ClientTls::new(ca.as_deref(), identity, self.server_name.as_deref())?))
    }
}

impl Server {
    /// What a call says of itself.
    pub(super) fn options(&self) -> CallOptions {
        CallOptions { metadata: self.metadata.clone(), deadline: self.deadline, ..CallOptions::default() }
    }

    /// The way to ask the server about itself.
    pub(super) fn questions(&self) -> OverChannel {
        OverChannel { channel: self.channel.clone(), options: self.options(), timeout: Some(PATIENCE) }
    }

    /// The target as it was understood.
    pub(super) fn name(&self) -> &str {
        &self.channel.target().text
    }
}

/// Reads a file that an argument names.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::Usage(format!("the file {} cannot be read: {error}", quote(&path.display().to_string())))
    })
}

/// The target; what never leaves the machine needs no scheme to say that it is plaintext.
fn with_scheme(text: &str) -> String {
    let local = |(host, port): (&str, &str)| {
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let ip = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        port.parse::<u16>().is_ok() && (ip || host.eq_ignore_ascii_case("localhost"))
    };
    if text.rsplit_once(':').is_some_and(local) { format!("http://{text}") } else { text.to_owned() }
}

/// Adds `key: value`.
fn add(map: &mut HeaderMap, header: &str) -> Result<(), Failure> {
    let Some((key, value)) = header.split_once(':') else {
        return Err(Failure::Usage(format!(
            "header {} has no colon; expected \"key: value\"",
            quote(header)
        )));
    };
    let (key, value) = (key.trim(), value.trim());
    if key.to_ascii_lowercase().ends_with("-bin") {
        let Some(raw) = metadata::decode_binary(value.as_bytes()) else {
            return Err(Failure::Usage(format!(
                "header {} has the value {}; expected base64, as its key ends in \"-bin\"",
                quote(key),
                quote(value)
            )));
        };
        return Ok(metadata::append(map, key, &raw)?);
    }
    Ok(metadata::append(map, key, value.as_bytes())?)
}

/// Metadata as lines `key: value`; the values of keys that end in `-bin` are base64.
pub(super) fn lines(map: &HeaderMap) -> Vec<String> {
    metadata::entries(map)
        .map(|(key, value)| {
            if key.ends_with("-bin") {
                format!("{key}: {}", base64::engine::general_purpose::STANDARD.encode(value))
            } else {
                format!("{key}: {}", String::from_utf8_lossy(&value).escape_debug())
            }
        })
        .collect()
}

/// Reads a span: a number and `ms`, `s`, `m` or `h`; seconds where there is no unit.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match text.get(digits.len()..) {
        Some("ms") => 0.001,
        Some("" | "s") => 1.0,
        Some("m") => 60.0,
        Some("h") => 3600.0,
        _ => return Err("expected a number and ms, s, m or h, such as 1.5s".to_owned()),
    };
    digits
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .ok_or_else(|| "expected a number that is not negative, and a unit, such as 1.5s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_needs_no_scheme() {
        for local in ["localhost:1", "127.0.0.1:50051", "[::1]:50051", "127.8.8.8:80"] {
            assert_eq!(with_scheme(local), format!("http://{local}"));
        }
        for other in
            ["10.0.0.1:80", "example.com:80", "https://localhost:1", "dns:///localhost:1", "unix:/a", ""]
        {
            assert_eq!(with_scheme(other), other);
        }
    }

    #[test]
    fn spans_have_units() {
        for (text, milliseconds) in
            [("5s", 5000), ("1.5s", 1500), ("500ms", 500), ("2m", 120_000), ("3", 3000)]
        {
            assert_eq!(span(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "s", "-1s", "1d", "infs", "NaN", "1e400s", "1 s"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_are_text_or_base64() {
        let mut map = HeaderMap::new();
        add(&mut map, "X-Tenant:  a: b ").unwrap();
        add(&mut map, "trace-bin: AP8K").unwrap();
        add(&mut map, "trace-bin: AQ==").unwrap();
        assert_eq!(lines(&map), ["x-tenant: a: b", "trace-bin: AP8K", "trace-bin: AQ=="]);
        for (bad, why) in
            [("no colon", "no colon"), ("a-bin: ?", "base64"), ("a b: c", "\"a b\""), ("te: x", "belongs")]
        {
            match add(&mut map, bad) {
                Err(Failure::Usage(text)) => assert!(text.contains(why), "{text}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}
