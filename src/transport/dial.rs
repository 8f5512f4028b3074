//! From addresses to a connected socket.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::socket::Socket;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A unix socket in the file system.
    Unix(PathBuf),
    /// A unix socket in Linux' abstract name space.
    Abstract(Vec<u8>),
}

impl Address {
    /// As gRPC names peers: `ipv4:127.0.0.1:50051`, `ipv6:[::1]:50051`, `unix:/path`.
    pub fn peer(&self) -> String {
        match self {
            Self::Tcp(a @ SocketAddr::V4(_)) => format!("ipv4:{a}"),
            Self::Tcp(a @ SocketAddr::V6(_)) => format!("ipv6:{a}"),
            Self::Unix(path) => format!("unix:{}", path.display()),
            Self::Abstract(name) => format!("unix-abstract:{}", OsStr::from_bytes(name).display()),
        }
    }

    async fn connect(self) -> io::Result<(Socket, Self)> {
        let socket = match &self {
            Self::Tcp(address) => TcpStream::connect(address).await?.into(),
            Self::Unix(path) => UnixStream::connect(path).await?.into(),
            Self::Abstract(name) => {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream)?.into()
            }
        };
        Ok((socket, self))
    }
}

/// The target of log lines.
const CONNECTION: &str = "viaduct::connection";

/// The pause before the next address is tried beside the ones that are being tried.
///
/// RFC 8305, section 5, "Connection Attempt Delay".
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to one of `addresses`: in their order, but without waiting long for one that is slow.
///
/// # Errors
///
/// Where none of them takes the connection: a sentence that names each address and its error.
pub async fn dial(addresses: &[Address]) -> Result<(Socket, Address), String> {
    let mut waiting = interleave(addresses).into_iter();
    let mut attempts = JoinSet::new();
    let mut failures: Vec<String> = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move {
                let peer = address.peer();
                tracing::debug!(target: CONNECTION, "connecting to {peer}");
                address.connect().await.map_err(|error| {
                    tracing::debug!(target: CONNECTION, "cannot connect to {peer}: {error}");
                    format!("{peer}: {error}")
                })
            });
        }
        // The next address is tried after the delay or at the next failure.
        let ended = if waiting.len() > 0 {
            match tokio::time::timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match ended {
            Some(Ok(Ok(connected))) => return Ok(connected),
            Some(Ok(Err(failure))) => failures.push(failure),
            Some(Err(broken)) => failures.push(broken.to_string()),
            None if waiting.len() > 0 => {}
            None if failures.is_empty() => return Err("there is no address to connect to".into()),
            None => return Err(failures.join("; ")),
        }
    }
}

/// Puts the address families in turn, the first address first (RFC 8305, section 4).
fn interleave(addresses: &[Address]) -> Vec<Address> {
    let is_v6 = |a: &Address| matches!(a, Address::Tcp(SocketAddr::V6(_)));
    let Some(first) = addresses.first().map(is_v6) else { return Vec::new() };
    let (mut same, mut other): (Vec<_>, Vec<_>) = addresses.iter().cloned().partition(|a| is_v6(a) == first);
    same.reverse();
    other.reverse();
    let mut out = Vec::with_capacity(addresses.len());
    while let Some(address) = same.pop() {
        out.push(address);
        out.extend(other.pop());
    }
    out.extend(other.into_iter().rev());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Address {
        Address::Tcp(text.parse().unwrap())
    }

    #[test]
    fn families_take_turns() {
        let all = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"].map(tcp);
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "1.1.1.3:1"].map(tcp);
        assert_eq!(interleave(&all), order);
        assert!(interleave(&[]).is_empty());
    }

    #[test]
    fn the_first_that_answers_is_taken_and_failures_are_named() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let dead = Address::Tcp(closed.local_addr().unwrap());
            drop(closed);
            let alive = Address::Tcp(listener.local_addr().unwrap());
            let (_, chosen) = dial(&[dead.clone(), alive.clone()]).await.unwrap();
            assert_eq!(chosen, alive);
            let error = dial(std::slice::from_ref(&dead)).await.unwrap_err();
            assert!(error.contains(&dead.peer()) && error.contains("refused"), "{error}");
        });
    }
}
