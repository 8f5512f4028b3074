//! The client's side: whom to trust, and who we are if asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::{fmt, io};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::sessions::{Sessions, Verifier, try_lock};
use super::{ALPN_H2, explain, pem, provider};
use crate::error::{InvalidArgument, quote};

/// A digest (SHA-256) of all the material of a [`ClientTls`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Four bytes tell two apart in a log.
        write!(f, "Fingerprint({:02x?}…)", &self.0[..4])
    }
}

/// A client's TLS credentials. Cheap to clone.
///
/// Credentials of equal material share their sessions, so that a connection resumes what another one
/// began (TLS 1.3 tickets; TLS 1.2 tickets and session IDs): clones, and those that are made anew.
#[derive(Clone)]
pub struct ClientTls {
    shared: Arc<Shared>,
    server_name: Option<ServerName<'static>>,
    fingerprint: Fingerprint,
    roots: &'static str,
    identity: bool,
}

/// Whether they trust and prove the same.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.server_name == other.server_name
    }
}

/// What credentials of equal material share.
struct Shared {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

/// The materials that are remembered, with their keys, after the last use of them.
const REMEMBERED: usize = 32;

impl ClientTls {
    /// Credentials from PEM texts.
    ///
    /// `ca` are the roots to trust; without it the system's, read once per process. `identity` is
    /// the certificate chain (leaf first) and its private key, for servers that ask for one.
    /// `server_name` replaces the host's name in the handshake and in the check of the certificate.
    ///
    /// # Errors
    ///
    /// A text that holds no certificate or key, a key that does not fit its certificate, a name that
    /// is neither a DNS name nor an IP address, or a system without roots.
    pub fn new(
        ca: Option<&[u8]>,
        identity: Option<(&[u8], &[u8])>,
        server_name: Option<&str>,
    ) -> Result<Self, InvalidArgument> {
        let mut digest = Digest::new();
        let roots = ca.map(|text| pem::certificates(text, "the CA certificates")).transpose()?;
        match &roots {
            Some(given) => {
                digest.part(b"roots given");
                given.iter().for_each(|c| digest.part(c));
            }
            None => digest.part(b"roots of the system"),
        }
        let identity = identity.map(|(cert, key)| read_identity(cert, key, "the client")).transpose()?;
        if let Some((chain, key)) = &identity {
            digest.part(b"identity");
            chain.iter().for_each(|c| digest.part(c));
            digest.part(key.secret_der());
        }
        let server_name = server_name.map(parse_name).transpose()?;
        if let Some(name) = &server_name {
            digest.part(b"name");
            digest.part(name.to_str().as_bytes());
        }
        let fingerprint = digest.finish();
        let (given, has_identity) = (roots.is_some(), identity.is_some());
        Ok(Self {
            shared: shared(fingerprint, || Shared::new(roots, identity))?,
            server_name,
            fingerprint,
            roots: if given { "given" } else { "system" },
            identity: has_identity,
        })
    }

    /// The configuration for [`tokio_rustls::TlsConnector`].
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.shared.config)
    }

    /// Why a handshake with `host` failed, as [`explain()`](super::explain()), with the name of an issuer that is not known.
    pub fn explain(&self, host: &str, error: &io::Error) -> String {
        let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) = tls
            && let Some(issuer) = self.name_for(host).ok().and_then(|n| self.shared.verifier.stranger(&n))
        {
            return explain::unknown_issuer(Some(&issuer));
        }
        super::explain(error)
    }

    /// The name to ask for and to check: the override, or `host`.
    ///
    /// # Errors
    ///
    /// `host` is neither a DNS name nor an IP address, and there is no override.
    pub fn name_for(&self, host: &str) -> Result<ServerName<'static>, InvalidArgument> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }

    /// Equal for equal material: roots, chain, key and name override.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("roots", &self.roots)
            .field("identity", &self.identity)
            .field("server_name", &self.server_name)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn new(
        roots: Option<Vec<CertificateDer<'static>>>,
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, InvalidArgument> {
        let roots = match roots {
            Some(given) => Arc::new(pem::roots(given, "the CA certificates")?),
            None => system_roots()?,
        };
        let check = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|e| InvalidArgument::new(format!("the CA certificates cannot be used: {e}")))?;
        let verifier = Arc::new(Verifier::new(check));
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| InvalidArgument::new(format!("TLS cannot be set up: {e}")))?
            // "Dangerous" is what rustls calls every verifier that is given; this one asks rustls' own.
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        let mut config = match identity {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(|e| refused("the client", &e))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        config.resumption = Resumption::store(Arc::new(Sessions::new()));
        Ok(Self { config: Arc::new(config), verifier })
    }
}

/// What is remembered under `fingerprint`, or what `make` makes.
fn shared(
    fingerprint: Fingerprint,
    make: impl FnOnce() -> Result<Shared, InvalidArgument>,
) -> Result<Arc<Shared>, InvalidArgument> {
    static KNOWN: Mutex<VecDeque<(Fingerprint, Arc<Shared>)>> = Mutex::new(VecDeque::new());
    // A forked child may find the lock held for ever: then nothing is shared.
    let Some(mut known) = try_lock(&KNOWN) else { return make().map(Arc::new) };
    let found = known.iter().position(|(one, _)| *one == fingerprint).and_then(|at| known.remove(at));
    let shared = match found {
        Some((_, shared)) => shared,
        None => Arc::new(make()?),
    };
    known.push_back((fingerprint, Arc::clone(&shared)));
    if known.len() > REMEMBERED {
        known.pop_front();
    }
    Ok(shared)
}

/// A chain and its key; `whose` completes "… certificate".
pub(super) fn read_identity(
    cert: &[u8],
    key: &[u8],
    whose: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), InvalidArgument> {
    let chain = pem::certificates(cert, &format!("{whose}'s certificate chain"))?;
    let key = pem::private_key(key, &format!("{whose}'s private key"))?;
    Ok((chain, key))
}

/// Why rustls refused a chain and its key.
pub(super) fn refused(whose: &str, error: &rustls::Error) -> InvalidArgument {
    InvalidArgument::new(match error {
        rustls::Error::InconsistentKeys(_) => format!(
            "{whose}'s private key does not belong to its certificate; expected the key of the first \
             certificate in the chain"
        ),
        rustls::Error::General(_) => format!(
            "{whose}'s private key cannot be used ({error}); expected RSA (2048 bits or more), ECDSA P-256 \
             or P-384, or Ed25519"
        ),
        other => format!("{whose}'s certificate cannot be used: {}", super::explain_tls(other)),
    })
}

fn parse_name(name: &str) -> Result<ServerName<'static>, InvalidArgument> {
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        InvalidArgument::new(format!(
            "{} cannot be checked against a certificate; expected a DNS name or an IP address",
            quote(name)
        ))
    })
}

fn system_roots() -> Result<Arc<RootCertStore>, InvalidArgument> {
    // The system's store is some 150 certificates: reading it takes 10 ms, so it is read once.
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs);
        if !store.is_empty() {
            return Ok(Arc::new(store));
        }
        let why = found.errors.first().map(|e| format!(" ({e})")).unwrap_or_default();
        Err(format!(
            "this system has no root certificates{why}; expected a CA bundle (package ca-certificates, or \
             SSL_CERT_FILE), or roots given explicitly"
        ))
    };
    ROOTS.get_or_init(read).clone().map_err(InvalidArgument::new)
}

/// SHA-256 over parts, each behind its length, so that no two lists of parts run together.
struct Digest(Box<dyn rustls::crypto::hash::Context>);

impl Digest {
    fn new() -> Self {
        let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
        let hash = match suite {
            rustls::SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
            rustls::SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
        };
        Self(hash.start())
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> Fingerprint {
        let mut out = [0; 32];
        let whole = self.0.finish();
        for (to, from) in out.iter_mut().zip(whole.as_ref()) {
            *to = *from;
        }
        Fingerprint(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn the_fingerprint_covers_all_material_and_is_stable() {
        let ((a, a_key), (b, b_key)) = (pair(), pair());
        let make = |ca: &str, id: Option<(&str, &str)>, name| {
            let id = id.map(|(c, k)| (c.as_bytes(), k.as_bytes()));
            ClientTls::new(Some(ca.as_bytes()), id, name).unwrap().fingerprint()
        };
        assert_eq!(make(&a, None, None), make(&a, None, None));
        let all = [
            make(&a, None, None),
            make(&b, None, None),
            make(&a, Some((&a, &a_key)), None),
            make(&a, Some((&b, &b_key)), None),
            make(&a, None, Some("x.example")),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
    }

    #[test]
    fn mistakes_are_sentences_and_keys_stay_private() {
        let ((a, a_key), (b, b_key)) = (pair(), pair());
        let text = |r: Result<ClientTls, InvalidArgument>| r.unwrap_err().to_string();
        let wrong = ClientTls::new(Some(a.as_bytes()), Some((a.as_bytes(), b_key.as_bytes())), None);
        assert!(text(wrong).contains("does not belong to its certificate"));
        let swapped = ClientTls::new(Some(a.as_bytes()), Some((a_key.as_bytes(), a.as_bytes())), None);
        assert!(text(swapped).contains("got a private key"));
        assert!(text(ClientTls::new(Some(a.as_bytes()), None, Some("no name"))).contains("\"no name\""));
        let good = ClientTls::new(Some(b.as_bytes()), Some((b.as_bytes(), b_key.as_bytes())), None).unwrap();
        let shown = format!("{good:?}");
        assert!(shown.contains("identity: true") && shown.len() < 300, "{shown}");
        assert!(good.name_for("[::1]").is_ok() && good.name_for("a b").is_err());
    }
}
