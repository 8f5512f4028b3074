//! PEM texts to certificates and keys.

use rustls::RootCertStore;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::InvalidArgument;

/// The certificates in `text`, at least one. `what` names the text in messages.
pub(super) fn certificates(text: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, InvalidArgument> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|e| InvalidArgument::new(format!("{what} is not readable as PEM: {}", reason(&e))))?;
    if found.is_empty() {
        return Err(InvalidArgument::new(format!(
            "{what} holds no certificate; expected PEM with \"-----BEGIN CERTIFICATE-----\"{}",
            given(text)
        )));
    }
    Ok(found)
}

/// The private key in `text`. `what` names the text in messages.
pub(super) fn private_key(text: &[u8], what: &str) -> Result<PrivateKeyDer<'static>, InvalidArgument> {
    if contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(text, b"Proc-Type: 4,ENCRYPTED") {
        return Err(InvalidArgument::new(format!(
            "{what} is encrypted; expected a key without a passphrase (openssl pkey -in key.pem -out plain.pem)"
        )));
    }
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(InvalidArgument::new(format!(
            "{what} holds no private key; expected PEM with \"-----BEGIN PRIVATE KEY-----\", \
             \"RSA PRIVATE KEY\" or \"EC PRIVATE KEY\"{}",
            given(text)
        ))),
        Err(e) => Err(InvalidArgument::new(format!("{what} is not readable as PEM: {}", reason(&e)))),
    }
}

/// Certificates as roots of trust. `what` names the text that they come from in messages.
pub(super) fn roots(
    found: Vec<CertificateDer<'static>>,
    what: &str,
) -> Result<RootCertStore, InvalidArgument> {
    let mut store = RootCertStore::empty();
    let count = found.len();
    for (at, one) in found.into_iter().enumerate() {
        store.add(one).map_err(|e| {
            InvalidArgument::new(format!(
                "certificate {} of {count} in {what} cannot be a root of trust: {}",
                at + 1,
                super::explain_tls(&e)
            ))
        })?;
    }
    Ok(store)
}

/// Never quotes what was given: it may be a key.
fn reason(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no \"-----END …-----\" line",
        pem::Error::IllegalSectionStart { .. } => "a \"-----BEGIN …\" line is not complete",
        pem::Error::Base64Decode(_) => "a section's content is not base64",
        _ => "it could not be read",
    }
}

fn given(text: &[u8]) -> &'static str {
    if text.is_empty() {
        ", got an empty text"
    } else if text.starts_with(&[0x30]) {
        ", got what looks like DER"
    } else if is_name(text) {
        ", got what looks like a file's name: give the file's content"
    } else if contains(text, b"PRIVATE KEY-----") {
        ", got a private key"
    } else if contains(text, b"-----BEGIN CERTIFICATE-----") {
        ", got a certificate"
    } else {
        ""
    }
}

/// Whether a text looks like the name of a file.
fn is_name(text: &[u8]) -> bool {
    let one_word = text.len() < 256 && !text.starts_with(b"-") && !text.iter().any(u8::is_ascii_whitespace);
    let ends = [&b".pem"[..], b".crt", b".cer", b".key", b".der", b".p12", b".pfx"];
    one_word && (text.contains(&b'/') || ends.iter().any(|ending| text.ends_with(ending)))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_said() {
        let cert = |t: &[u8]| certificates(t, "the CA").unwrap_err().to_string();
        assert!(cert(b"").contains("an empty text"));
        for name in ["/etc/ssl/ca.pem", "ca.crt", "../tls/ca", "file:///etc/ca.pem"] {
            assert!(cert(name.as_bytes()).contains("give the file's content"), "{name}");
        }
        assert!(!cert(b"Just some/text of more than a word").contains("file's name"));
        assert!(cert(b"-----BEGIN CERTIFICATE-----\nAAAA\n").contains("END"));
        let key = |t: &[u8]| private_key(t, "the key").unwrap_err().to_string();
        assert!(key(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n").contains("without a passphrase"));
        assert!(key(b"nonsense").contains("holds no private key"));
    }
}
