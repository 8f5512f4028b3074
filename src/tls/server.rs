//! The server's side: who we are, under which name, and whether clients must show who they are.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::client::{read_identity, refused};
use super::{ALPN_H2, pem, provider};
use crate::error::InvalidArgument;

/// A certificate chain and its key, with the names that the certificate is for.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Identity {
    /// An identity from PEM texts: the chain (leaf first) and the private key of the leaf.
    ///
    /// # Errors
    ///
    /// A text that holds no certificate or key, or a key that does not fit its certificate.
    pub fn new(cert: &[u8], key: &[u8]) -> Result<Self, InvalidArgument> {
        let (chain, key) = read_identity(cert, key, "the server")?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|e| refused("the server", &e))?;
        let leaf = key.cert.first().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
        let names = leaf.map(|leaf| leaf.valid_dns_names().map(str::to_ascii_lowercase).collect());
        Ok(Self { key: Arc::new(key), names: names.unwrap_or_default() })
    }

    /// The DNS names of the certificate (subject alternative names), in lower case; `*.` stands
    /// for one label.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Whether clients show certificates. The texts are PEM: the roots that these must come from.
#[derive(Debug, Clone, Copy, Default)]
pub enum ClientAuth<'a> {
    /// They are not asked.
    #[default]
    None,
    /// Who shows one must show a good one; who shows none is served.
    Optional(&'a [u8]),
    /// Who shows none is refused.
    Required(&'a [u8]),
}

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
        let clients = client_ca.map_or(ClientAuth::None, ClientAuth::Required);
        Self::with_identities(Identity::new(cert, key)?, Vec::new(), clients)
    }

    /// Credentials of a server with several names. A client is shown the identity whose certificate
    /// is for the name that it asks for (SNI, RFC 6066, section 3): one that has exactly this name,
    /// else one with a wildcard for it, else `default`. Of several the first is taken whose key the
    /// client can check (RSA and ECDSA beside each other).
    ///
    /// # Errors
    ///
    /// The clients' roots are not readable.
    pub fn with_identities(
        default: Identity,
        more: Vec<Identity>,
        clients: ClientAuth<'_>,
    ) -> Result<Self, InvalidArgument> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| InvalidArgument::new(format!("TLS cannot be set up: {e}")))?;
        let builder = match clients {
            ClientAuth::None => builder.with_no_client_auth(),
            ClientAuth::Optional(ca) | ClientAuth::Required(ca) => {
                const WHAT: &str = "the clients' CA certificates";
                let roots = Arc::new(pem::roots(pem::certificates(ca, WHAT)?, WHAT)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = match clients {
                    ClientAuth::Optional(_) => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier = verifier
                    .build()
                    .map_err(|e| InvalidArgument::new(format!("{WHAT} cannot be used: {e}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName { default, more }));
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        // Sessions travel with the clients, sealed: the server keeps none, and none is pushed out.
        config.ticketer = rustls::crypto::ring::Ticketer::new()
            .map_err(|e| InvalidArgument::new(format!("TLS session tickets cannot be set up: {e}")))?;
        Ok(Self { config: Arc::new(config), mutual: matches!(clients, ClientAuth::Required(_)) })
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

/// Chooses an identity by the name that the client asks for.
#[derive(Debug)]
struct ByName {
    default: Identity,
    more: Vec<Identity>,
}

impl ByName {
    /// The identities for `name`, the best first; the default where there is none.
    fn find(&self, name: Option<&str>, usable: impl Fn(&Identity) -> bool) -> &Identity {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return &self.default };
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let all = || std::iter::once(&self.default).chain(&self.more);
        let exact = all().filter(|i| i.names.contains(&name));
        let by_wildcard = all().filter(|i| {
            i.names.iter().any(|n| n.strip_prefix("*.").is_some_and(|under| parent == Some(under)))
        });
        let mut first = None;
        for identity in exact.chain(by_wildcard) {
            if usable(identity) {
                return identity;
            }
            first.get_or_insert(identity);
        }
        first.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable = |i: &Identity| i.key.key.choose_scheme(hello.signature_schemes()).is_some();
        Some(Arc::clone(&self.find(hello.server_name(), usable).key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Identity::new(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
    }

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

    #[test]
    fn the_name_decides_exactly_then_by_wildcard() {
        let by_name = ByName {
            default: identity(&["default.test"]),
            more: vec![identity(&["*.a.test", "a.test"]), identity(&["X.a.test"]), identity(&["x.a.test"])],
        };
        let found = |name, skip: usize| {
            let skipped = &by_name.more[skip];
            let found = by_name.find(name, |i| !std::ptr::eq(i, skipped));
            by_name.more.iter().position(|i| std::ptr::eq(i, found))
        };
        assert_eq!(found(Some("x.a.test"), 0), Some(1));
        assert_eq!(found(Some("x.a.test"), 1), Some(2), "the second of the name, as the first is of no use");
        assert_eq!(found(Some("Y.A.test"), 1), Some(0));
        assert_eq!(found(Some("a.test"), 1), Some(0));
        assert_eq!(found(Some("y.a.test"), 0), Some(0), "of no use, and yet the only one of the name");
        for other in [Some("x.y.a.test"), Some("b.test"), Some("test"), Some("default.test"), None] {
            assert_eq!(found(other, 0), None, "{other:?}");
        }
    }
}
