//! What a client remembers between handshakes: sessions to resume, and certificates it did not trust.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
    WebPkiServerVerifier,
};
use rustls::{CertificateError, DigitallySignedStruct, Error, NamedGroup, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::names::{Issuer, missing_issuer};

/// Servers whose sessions are remembered.
const SESSIONS: usize = 256;

/// rustls' session cache, which a forked child may use although a thread of its parent was in it.
///
/// Nobody waits at the gate: who finds it closed does without resumption. In a child it may stay
/// closed for ever, and what is behind it is in a state that nobody may look at then.
#[derive(Debug)]
pub(super) struct Sessions {
    gate: Mutex<()>,
    cache: ClientSessionMemoryCache,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self { gate: Mutex::new(()), cache: ClientSessionMemoryCache::new(SESSIONS) }
    }

    fn open(&self) -> Option<(&ClientSessionMemoryCache, MutexGuard<'_, ()>)> {
        Some((&self.cache, try_lock(&self.gate)?))
    }
}

/// The lock, unless somebody has it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        if let Some((cache, _open)) = self.open() {
            cache.set_kx_hint(name, group);
        }
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.open().and_then(|(cache, _open)| cache.kx_hint(name))
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        if let Some((cache, _open)) = self.open() {
            cache.set_tls12_session(name, value);
        }
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.open().and_then(|(cache, _open)| cache.tls12_session(name))
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        if let Some((cache, _open)) = self.open() {
            cache.remove_tls12_session(name);
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        if let Some((cache, _open)) = self.open() {
            cache.insert_tls13_ticket(name, value);
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.open().and_then(|(cache, _open)| cache.take_tls13_ticket(name))
    }
}

/// rustls' check of a server's certificate. It decides nothing itself; it keeps the name of the issuer
/// that was missing last, which the error that TLS gives does not carry.
#[derive(Debug)]
pub(super) struct Verifier {
    check: Arc<WebPkiServerVerifier>,
    stranger: Mutex<Option<(ServerName<'static>, Issuer)>>,
}

impl Verifier {
    pub(super) fn new(check: Arc<WebPkiServerVerifier>) -> Self {
        Self { check, stranger: Mutex::new(None) }
    }

    /// The issuer that was missing when `name` was checked last.
    pub(super) fn stranger(&self, name: &ServerName<'_>) -> Option<Issuer> {
        try_lock(&self.stranger)?.as_ref().filter(|(of, _)| of == name).map(|(_, issuer)| issuer.clone())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.check.verify_server_cert(leaf, others, name, ocsp, now);
        if let Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) = &checked
            && let Some(mut stranger) = try_lock(&self.stranger)
        {
            *stranger = missing_issuer(leaf, others).map(|issuer| (name.to_owned(), issuer));
        }
        checked
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.check.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[rustls::DistinguishedName]> {
        self.check.root_hint_subjects()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_stops_nobody() {
        let sessions = Sessions::new();
        let name = || ServerName::try_from("a.test").unwrap();
        let inside = sessions.gate.lock().unwrap();
        sessions.set_kx_hint(name(), NamedGroup::X25519);
        sessions.remove_tls12_session(&name());
        assert!(sessions.kx_hint(&name()).is_none() && sessions.take_tls13_ticket(&name()).is_none());
        drop(inside);
        assert!(sessions.kx_hint(&name()).is_none(), "nothing went in");
        sessions.set_kx_hint(name(), NamedGroup::X25519);
        assert_eq!(sessions.kx_hint(&name()), Some(NamedGroup::X25519));
    }
}
