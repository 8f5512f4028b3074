//! Listening sockets that this process was started with: socket activation, as in sd_listen_fds(3).
//!
//! Whoever starts the process listens. A listener whose address is that of such a socket takes it instead of binding.
//! They stay open as long as the process lives, so that a listener which goes and comes back with a new configuration
//! finds its socket again; connections wait in the kernel meanwhile.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use socket2::{SockAddr, Socket};

use super::address::Address;
use crate::reactor::fork::Tracked;
use crate::reactor::inherited;

#[derive(Debug)]
struct Inherited {
    // A forked child closes its copy.
    _tracked: Tracked,
    socket: Socket,
    address: SockAddr,
    used: AtomicBool,
}

fn all() -> &'static [Inherited] {
    static ALL: OnceLock<Vec<Inherited>> = OnceLock::new();
    ALL.get_or_init(|| {
        inherited::take().into_iter().filter_map(|fd| Inherited::new(fd).ok().flatten()).collect()
    })
}

impl Inherited {
    /// Something that does not listen is none of ours, and closed.
    fn new(fd: OwnedFd) -> io::Result<Option<Self>> {
        let socket = Socket::from(fd);
        if !socket.is_listener()? {
            return Ok(None);
        }
        // What we start has no use for it.
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Some(Self { _tracked: Tracked::new(&socket), socket, address, used: AtomicBool::new(false) }))
    }

    fn is_at(&self, wanted: &Address) -> bool {
        match wanted {
            Address::Tcp { host, port, .. } => {
                let Some(bound) = self.address.as_socket() else { return false };
                // The port first: a name need not be asked for where it would not help.
                bound.port() == *port
                    && (host.as_str(), *port)
                        .to_socket_addrs()
                        .is_ok_and(|mut all| all.any(|one| same(&one, &bound)))
            }
            Address::Unix(path) => self.address.as_pathname().is_some_and(|bound| {
                bound == path
                    || bound
                        .canonicalize()
                        .is_ok_and(|bound| path.canonicalize().is_ok_and(|path| path == bound))
            }),
            Address::Abstract(name) => self.address.as_abstract_namespace() == Some(name.as_bytes()),
        }
    }
}

/// All addresses of a machine are all of them, as IPv4 or IPv6 has it.
fn same(wanted: &SocketAddr, bound: &SocketAddr) -> bool {
    wanted.ip() == bound.ip() || wanted.ip().is_unspecified() && bound.ip().is_unspecified()
}

/// The socket that was inherited for `address`, if there is one.
pub(super) fn find(address: &Address) -> io::Result<Option<Socket>> {
    let Some(found) = all().iter().find(|one| one.is_at(address)) else { return Ok(None) };
    found.used.store(true, Relaxed);
    found.socket.try_clone().map(Some)
}

/// The addresses of those that nobody has asked for.
#[cfg(feature = "command")]
pub(crate) fn unused() -> Vec<String> {
    let idle = all().iter().filter(|one| !one.used.load(Relaxed));
    let name = |one: &Inherited| match (one.address.as_socket(), one.address.as_pathname()) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => format!("unix:{}", path.display()),
        (None, None) => "a socket without a name that can be shown".to_owned(),
    };
    idle.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_known_by_their_addresses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inherited = Inherited::new(OwnedFd::from(listener)).unwrap().unwrap();
        let at = |address: String| inherited.is_at(&Address::parse(&address).unwrap());
        assert!(at(format!("http://127.0.0.1:{port}")) && at(format!("https://localhost:{port}")));
        assert!(!at(format!("http://127.0.0.2:{port}")) && !at(format!("http://0.0.0.0:{port}")));
        assert!(!at("http://127.0.0.1:1".into()) && !at("unix:/a".into()));
        let [v4, v6] = ["0.0.0.0:1", "[::]:1"].map(|text| text.parse().unwrap());
        assert!(same(&v4, &v6) && same(&v6, &v4) && !same(&v4, &"127.0.0.1:1".parse().unwrap()));
    }

    #[test]
    fn a_socket_that_does_not_listen_is_left() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(!Inherited::new(OwnedFd::from(socket)).is_ok_and(|found| found.is_some()));
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!Inherited::new(OwnedFd::from(a)).is_ok_and(|found| found.is_some()));
    }
}
