//! The server's side: who we are, and whether clients must show who they are.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::client::{read_identity, refused};
use super::{ALPN_H2, pem, provider};
use crate::error::InvalidArgument;

/// A server's TLS credentials. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    mutual: bool,
}

impl ServerTls {
    /// Credentials from PEM texts: the chain (leaf first), its key, and, for mutual TLS, the roots
    /// that clients' certificates must come from. With `client_ca` a client without a certificate is
    /// refused.
    ///
    /// # Errors
    ///
    /// A text that holds no certificate or key, or a key that does not fit its certificate.
    pub fn new(cert: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<Self, InvalidArgument> {
        let (chain, key) = read_identity(cert, key, "the server")?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| InvalidArgument::new(format!("TLS cannot be set up: {e}")))?;
        let builder = match client_ca {
            Some(text) => {
                let (roots, _) = pem::roots(text, "the clients' CA certificates")?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                    .build()
                    .map_err(|e| {
                        InvalidArgument::new(format!("the clients' CA certificates cannot be used: {e}"))
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|e| refused("the server", &e))?;
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        Ok(Self { config: Arc::new(config), mutual: client_ca.is_some() })
    }

    /// The configuration for [`tokio_rustls::TlsAcceptor`].
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether clients must show a certificate.
    pub fn is_mutual(&self) -> bool {
        self.mutual
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("mutual", &self.mutual).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let make = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (a, b) = (make(), make());
        let (a_pem, b_key) = (a.cert.pem(), b.signing_key.serialize_pem());
        let said = ServerTls::new(a_pem.as_bytes(), b_key.as_bytes(), None).unwrap_err().to_string();
        assert!(said.contains("the server's private key does not belong"), "{said}");
        let a_key = a.signing_key.serialize_pem();
        let good = ServerTls::new(a_pem.as_bytes(), a_key.as_bytes(), Some(a_pem.as_bytes())).unwrap();
        assert_eq!(format!("{good:?}"), "ServerTls { mutual: true, .. }");
        assert!(ServerTls::new(a_pem.as_bytes(), a_key.as_bytes(), Some(b"x")).is_err());
    }
}
