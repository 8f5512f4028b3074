//! How the peers say where they listen.

use std::io::{self, Write};

use tokio::net::TcpListener;

/// Listens on loopback and says so on stdout: `port N`.
///
/// # Errors
/// Those of the socket and of stdout.
pub async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(&format!("port {}", listener.local_addr()?.port()))?;
    Ok(listener)
}

/// A line on stdout, at once: it is a pipe as a rule.
///
/// # Errors
/// Those of stdout.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
