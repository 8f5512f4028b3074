//! TLS: who we are, whom we trust, and what went wrong.
//!
//! [`ClientTls`] and [`ServerTls`] are made from PEM texts, once, where the user gives them: what is
//! wrong with them is said then and in a sentence, not at the first call. Both ask for HTTP/2 by ALPN
//! and use rustls with ring, named explicitly: the host process may have installed another default.
//! [`explain`] turns a failed handshake into a sentence that names the certificate's problem.

#![forbid(unsafe_code)]

mod client;
mod explain;
mod names;
mod pem;
mod server;
mod sessions;

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

pub use client::{ClientTls, Fingerprint};
pub(crate) use explain::no_h2;
pub use explain::{explain, explain_tls};
pub use server::{ClientAuth, Identity, ServerTls};
pub(crate) use sessions::try_lock;

/// The one protocol that is offered and taken.
pub const ALPN_H2: &[u8] = b"h2";

/// The cryptography under every configuration: ring.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}
