//! Bound sockets. Binding needs no runtime; accepting does.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcp, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener as StdUnix, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::address::{Address, everywhere};
use super::inherited;
use super::stream::PeerAddr;
use crate::error::{InvalidArgument, quote};
use crate::reactor::fork::Tracked;
use crate::tls::ServerTls;
use crate::transport::socket::Socket;

/// Connections that the kernel keeps for us while we do not accept. It caps it at `somaxconn`.
const BACKLOG: i32 = 4096;

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is none, or does not go with the credentials.
    #[error(transparent)]
    Invalid(#[from] InvalidArgument),
    /// The system refused.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address as it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket that listens. Connections wait in the kernel until a server is started with it.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    tls: Option<ServerTls>,
    target: String,
}

#[derive(Debug)]
enum Bound {
    Tcp(StdTcp),
    Unix(StdUnix, Option<SocketFile>),
}

impl Listener {
    /// Binds `address`: `http://host:port`, `https://host:port`, `:port` (all of the machine's addresses; TLS where there is
    /// `tls`), `unix:/path`, `unix:///path` or `unix-abstract:name`. Port 0 takes a free one; [`target`](Self::target) says
    /// which.
    ///
    /// `tls` belongs to `https://`, and may stand with the Unix addresses. The file of a Unix socket
    /// is replaced where nobody accepts on it, and removed when the listener goes.
    ///
    /// # Errors
    ///
    /// The address is none, the credentials are missing or too many, or the system refuses.
    pub fn bind(address: &str, tls: Option<ServerTls>) -> Result<Self, ListenError> {
        Self::bind_shared(address, tls, false)
    }

    /// As [`bind`](Self::bind). With `share`, other sockets that say the same may listen on the same
    /// TCP port (SO_REUSEPORT), and the kernel spreads the connections.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_shared(address: &str, tls: Option<ServerTls>, share: bool) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Io { address: quote(address), source };
        let port = address.strip_prefix(':').filter(|port| port.parse::<u16>().is_ok());
        let address = match port {
            Some(port) => &everywhere(if tls.is_some() { "https" } else { "http" }, port),
            None => address,
        };
        let (socket, target) = match Address::parse(address)? {
            Address::Tcp { host, port, tls: wanted } => {
                check_tls(address, wanted, tls.is_some())?;
                let (socket, bound) = bind_tcp(&host, port, share).map_err(failed)?;
                // A name stays a name: certificates are made out to names.
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                let scheme = if wanted { "https" } else { "http" };
                (Bound::Tcp(socket), format!("{scheme}://{host}:{}", bound.port()))
            }
            Address::Unix(path) => {
                let (socket, file) = bind_unix(&path).map_err(failed)?;
                (Bound::Unix(socket, Some(file)), format!("unix:{}", path.display()))
            }
            Address::Abstract(name) => {
                let socket = bind_abstract(&name).map_err(failed)?;
                (Bound::Unix(socket, None), format!("unix-abstract:{name}"))
            }
        };
        Ok(Self { socket, tls, target })
    }

    /// Binds for somebody who speaks TLS by himself, or not: the scheme (`tcp://` as well) is only a name.
    pub(crate) fn bind_bare(address: &str, share: bool) -> Result<Self, ListenError> {
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        if !matches!(scheme, "tcp" | "https") {
            return Self::bind_shared(address, None, share);
        }
        let mut bound = Self::bind_shared(&format!("http://{rest}"), None, share)?;
        bound.target = bound.target.replacen("http", scheme, 1);
        Ok(bound)
    }

    /// The socket that this process was started with for `address`, if there is one (socket activation).
    pub(crate) fn inherited(address: &str) -> Result<Option<Self>, ListenError> {
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        let parsed = match scheme {
            "tcp" => Address::parse(&format!("http://{rest}"))?,
            _ => Address::parse(address)?,
        };
        let failed = |source| ListenError::Io { address: quote(address), source };
        let Some(socket) = inherited::find(&parsed).map_err(failed)? else { return Ok(None) };
        let socket = match parsed {
            Address::Tcp { .. } => Bound::Tcp(socket.into()),
            // Its file belongs to whoever made it.
            Address::Unix(_) | Address::Abstract(_) => Bound::Unix(socket.into(), None),
        };
        Ok(Some(Self { socket, tls: None, target: address.to_owned() }))
    }

    /// A second handle of the same socket.
    pub(crate) fn twin(&self) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Io { address: self.target.clone(), source };
        let socket = match &self.socket {
            Bound::Tcp(socket) => Bound::Tcp(socket.try_clone().map_err(failed)?),
            // The file is removed by the first of them.
            Bound::Unix(socket, _) => Bound::Unix(socket.try_clone().map_err(failed)?, None),
        };
        Ok(Self { socket, tls: self.tls.clone(), target: self.target.clone() })
    }

    /// The address as a client would dial it, with the port that was bound.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Hands the socket to the runtime that this is called in.
    pub(crate) fn activate(self) -> io::Result<(Acceptor, Option<ServerTls>)> {
        let acceptor = match self.socket {
            Bound::Tcp(socket) => {
                Acceptor::Tcp { _tracked: Tracked::new(&socket), listener: TcpListener::from_std(socket)? }
            }
            Bound::Unix(socket, file) => Acceptor::Unix {
                _tracked: Tracked::new(&socket),
                listener: UnixListener::from_std(socket)?,
                _file: file,
            },
        };
        Ok((acceptor, self.tls))
    }
}

fn check_tls(address: &str, wanted: bool, given: bool) -> Result<(), InvalidArgument> {
    match (wanted, given) {
        (true, false) => Err(InvalidArgument::new(format!(
            "cannot listen on {} without credentials; expected a certificate and its key, or \"http://\"",
            quote(address)
        ))),
        (false, true) => Err(InvalidArgument::new(format!(
            "cannot listen on {} with credentials, as \"http://\" is plaintext; expected \"https://\"",
            quote(address)
        ))),
        _ => Ok(()),
    }
}

fn bind_tcp(host: &str, port: u16, share: bool) -> io::Result<(StdTcp, SocketAddr)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match bind_one(address, share) {
            Ok(done) => return Ok(done),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr, share: bool) -> io::Result<(StdTcp, SocketAddr)> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server binds although connections of the old one are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if share {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // "[::]" takes IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let socket = StdTcp::from(socket);
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

fn bind_unix(path: &Path) -> io::Result<(StdUnix, SocketFile)> {
    remove_stale(path)?;
    let socket = StdUnix::bind(path)?;
    let file = SocketFile::new(path)?;
    socket.set_nonblocking(true)?;
    Ok((socket, file))
}

#[cfg(target_os = "linux")]
fn bind_abstract(name: &str) -> io::Result<StdUnix> {
    use std::os::linux::net::SocketAddrExt as _;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let socket = StdUnix::bind_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn bind_abstract(_: &str) -> io::Result<StdUnix> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract Unix sockets exist on Linux only"))
}

/// Removes a socket file that a process left behind: one that nobody accepts on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file is there that is no socket; it is left alone",
        ));
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process accepts on this socket")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// The file of a Unix socket; removed with this, if it is still ours.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
    process: u32,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.into(), inode: (found.dev(), found.ino()), process: std::process::id() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A forked child drops what its parent still serves on, and another server may have taken the
        // path over.
        let ours = self.process == std::process::id()
            && std::fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.inode);
        if ours {
            // Gone already is as good.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A listening socket on a runtime.
#[derive(Debug)]
pub(crate) enum Acceptor {
    // A forked child closes its copy, so that the address is free when the server ends.
    Tcp { _tracked: Tracked, listener: TcpListener },
    Unix { _tracked: Tracked, listener: UnixListener, _file: Option<SocketFile> },
}

impl Acceptor {
    /// Listens no more. Returns the connections that have come in: the runtime may not have heard of them yet, and
    /// closing the socket would cut them.
    pub(crate) fn close(self) -> io::Result<Vec<(Socket, PeerAddr)>> {
        let mut rest = Vec::new();
        match self {
            Self::Tcp { listener, .. } => {
                let listener = listener.into_std()?;
                while let Ok((stream, peer)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    rest.push((TcpStream::from_std(stream)?.into(), PeerAddr::Ip(peer)));
                }
            }
            Self::Unix { listener, .. } => {
                let listener = listener.into_std()?;
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    rest.push((UnixStream::from_std(stream)?.into(), PeerAddr::Unix));
                }
            }
        }
        Ok(rest)
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, PeerAddr)>> {
        Poll::Ready(match self {
            Self::Tcp { listener, .. } => ready!(listener.poll_accept(cx))
                .map(|(stream, peer)| (Socket::from(stream), PeerAddr::Ip(peer))),
            Self::Unix { listener, .. } => {
                ready!(listener.poll_accept(cx)).map(|(stream, _)| (Socket::from(stream), PeerAddr::Unix))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_is_told_and_a_taken_port_is_refused() {
        let first = Listener::bind("http://127.0.0.1:0", None).unwrap();
        assert!(first.target().starts_with("http://127.0.0.1:") && !first.target().ends_with(":0"));
        let said = Listener::bind(first.target(), None).unwrap_err().to_string();
        assert!(said.contains(first.target()) && said.contains("cannot listen on"), "{said}");
        assert!(Listener::bind("http://[::1]:0", None).unwrap().target().starts_with("http://[::1]:"));
        assert!(Listener::bind("https://127.0.0.1:0", None).unwrap_err().to_string().contains("credentials"));
    }

    #[test]
    fn a_port_is_shared_among_those_who_say_so() {
        let first = Listener::bind_shared("http://127.0.0.1:0", None, true).unwrap();
        assert!(Listener::bind_shared(first.target(), None, true).is_ok());
        assert!(Listener::bind(first.target(), None).is_err());
    }

    #[test]
    fn stale_socket_files_are_replaced_and_live_ones_are_not() {
        let path = std::env::temp_dir().join(format!("viaduct-listener-{}.sock", std::process::id()));
        let address = format!("unix:{}", path.display());
        drop(StdUnix::bind(&path).unwrap());
        assert!(path.exists(), "a socket file outlives its socket");
        let live = Listener::bind(&address, None).unwrap();
        assert_eq!(live.target(), address);
        assert!(Listener::bind(&address, None).unwrap_err().to_string().contains("another process"));
        drop(live);
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&address, None).unwrap_err().to_string().contains("no socket"));
        std::fs::remove_file(&path).unwrap();
    }
}
