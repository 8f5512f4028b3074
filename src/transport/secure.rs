//! The client's TLS handshake: HTTP/2 must come out of it.

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
    let name = tls.name_for(host).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(tls.config())
        .connect(name, socket)
        .await
        .map_err(|error| format!("the TLS handshake failed: {}", tls.explain(host, &error)))?;
    match stream.get_ref().1.alpn_protocol() {
        Some(tls::ALPN_H2) => Ok(stream),
        _ => Err(format!("the TLS handshake failed: {}", tls::no_h2())),
    }
}
