//! What the service manager is told: sd_notify(3).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells the one that NOTIFY_SOCKET names, if there is one: `READY=1`, `RELOADING=1`, `STOPPING=1`.
pub(super) fn tell(state: &str) {
    if let Ok(name) = std::env::var("NOTIFY_SOCKET")
        && let Err(error) = send(&name, state)
    {
        tracing::warn!(%error, socket = name, "the service manager cannot be told {state}");
    }
}

fn send(name: &str, state: &str) -> std::io::Result<()> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_one_datagram() {
        let name = format!("viaduct-manager-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(&format!("@{name}"), "READY=1").unwrap();
        let mut text = [0; 16];
        let length = manager.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"READY=1");
        assert!(send("/nowhere", "READY=1").is_err());
    }
}
