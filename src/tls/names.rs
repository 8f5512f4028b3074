//! Who issued a certificate, for messages. Nothing here decides about trust.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::error::quote;

/// The issuer at which the chain that a peer sent ends: the one that is not known.
///
/// `None` where a certificate is not readable, or the issuer has no name.
pub(super) fn missing_issuer(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<Issuer> {
    let leaf = EndEntityCert::try_from(leaf).ok()?;
    if leaf.issuer() == leaf.subject() {
        return Some(Issuer::Itself);
    }
    let others: Vec<_> = others.iter().filter_map(|c| EndEntityCert::try_from(c).ok()).collect();
    let mut issuer = leaf.issuer();
    // Each step uses up a certificate at most: chains that bite their tail end, too.
    for _ in 0..others.len() {
        match others.iter().find(|c| c.subject() == issuer && c.issuer() != issuer) {
            Some(next) => issuer = next.issuer(),
            None => break,
        }
    }
    display(issuer).map(Issuer::Named)
}

/// What [`missing_issuer`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Issuer {
    /// The certificate is signed by itself.
    Itself,
    /// The issuer's name, quoted.
    Named(String),
}

/// The common name and the organization of a distinguished name (RFC 5280, section 4.1.2.4), quoted.
/// `name` is the DER of the RDNSequence without its outermost header.
fn display(name: &[u8]) -> Option<String> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
    const UNIT: &[u8] = &[0x55, 0x04, 0x0b];
    let mut found = Vec::new();
    for (kind, label) in [(COMMON_NAME, "CN"), (ORGANIZATION, "O"), (UNIT, "OU")] {
        if let Some(text) = attribute(name, kind) {
            found.push(format!("{label}={}", String::from_utf8_lossy(text)));
        }
    }
    (!found.is_empty()).then(|| quote(&found.join(", ")))
}

/// The first attribute of the type `kind`.
fn attribute<'a>(mut name: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    const SET: u8 = 0x31;
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    while let Some((tag, mut set, rest)) = element(name) {
        name = rest;
        while let Some((inner, pair, rest)) = element(set) {
            set = rest;
            let (oid_tag, oid, value) = element(pair)?;
            if (tag, inner, oid_tag, oid) == (SET, SEQUENCE, OBJECT_IDENTIFIER, kind) {
                return element(value).map(|(_, text, _)| text);
            }
        }
    }
    None
}

/// One DER element: its tag, its content, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer as Signer, KeyPair};

    fn authority(name: &str, by: Option<&Signer<'_, KeyPair>>) -> (Signer<'static, KeyPair>, Vec<u8>) {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Örg");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = match by {
            Some(by) => params.signed_by(&key, by).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        (Signer::new(params, key), cert.der().to_vec())
    }

    #[test]
    fn the_end_of_the_chain_is_named() {
        let (root, root_cert) = authority("root", None);
        let (middle, middle_cert) = authority("middle", Some(&root));
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(["a.example".to_owned()]).unwrap().signed_by(&key, &middle).unwrap();
        let middle_cert = CertificateDer::from(middle_cert);
        let root_cert = CertificateDer::from(root_cert);
        let named = |name: &str| Some(Issuer::Named(format!("\"CN={name}, O=Örg\"")));
        assert_eq!(missing_issuer(leaf.der(), &[]), named("middle"));
        assert_eq!(missing_issuer(leaf.der(), std::slice::from_ref(&middle_cert)), named("root"));
        assert_eq!(missing_issuer(leaf.der(), &[root_cert.clone(), middle_cert]), named("root"));
        assert_eq!(missing_issuer(&root_cert, &[]), Some(Issuer::Itself));
    }

    #[test]
    fn no_input_is_too_short_or_too_strange() {
        let (_, cert) = authority("root", None);
        for end in 0..cert.len() {
            let _ = display(&cert[..end]);
            assert_eq!(missing_issuer(&CertificateDer::from(&cert[..end]), &[]), None);
        }
        assert!(element(&[0x30, 0x84, 1, 1, 1, 1]).is_none() && element(&[0x30, 0x80]).is_none());
        let long = [&[0x30, 0x81, 0x80][..], &[7; 0x81]].concat();
        assert_eq!(element(&long), Some((0x30, &[7; 0x80][..], &[7][..])));
    }
}
