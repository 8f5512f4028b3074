//! The client's TLS handshake: HTTP/2 must come out of it, where it is not made for something else.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::socket::Socket;
use crate::tls::{self, ClientTls};

/// Speaks TLS over `socket` with a server that must have a certificate for `host`.
///
/// # Errors
///
/// A sentence: what was wrong with the certificate, or that HTTP/2 is not spoken.
pub async fn secure(tls: &ClientTls, host: &str, socket: Socket) -> Result<TlsStream<Socket>, String> {
    let stream = connect(tls, tls.config(), host, socket).await?;
    match stream.get_ref().1.alpn_protocol() {
        Some(tls::ALPN_H2) => Ok(stream),
        _ => Err(format!("the TLS handshake failed: {}", tls::no_h2())),
    }
}

/// The same for another protocol than HTTP/2: `alpn` is offered, and none need be chosen.
///
/// # Errors
///
/// As [`secure`].
#[cfg(feature = "proxy")]
pub async fn secure_for(
    tls: &ClientTls,
    host: &str,
    socket: Socket,
    alpn: &[&[u8]],
) -> Result<TlsStream<Socket>, String> {
    // The copy shares roots, keys and sessions.
    let mut config = (*tls.config()).clone();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    connect(tls, Arc::new(config), host, socket).await
}

async fn connect(
    tls: &ClientTls,
    config: Arc<ClientConfig>,
    host: &str,
    socket: Socket,
) -> Result<TlsStream<Socket>, String> {
    let name = tls.name_for(host).map_err(|error| error.to_string())?;
    TlsConnector::from(config)
        .connect(name, socket)
        .await
        .map_err(|error| format!("the TLS handshake failed: {}", tls.explain(host, &error)))
}
