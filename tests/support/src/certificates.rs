//! Certificates for tests, made on the spot.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate chain and its key, as PEM texts.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The chain, leaf first.
    pub cert: String,
    /// The key of the leaf.
    pub key: String,
    /// The leaf in DER.
    pub der: Vec<u8>,
}

/// A CA.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

impl Authority {
    /// A root with the common name `name`.
    ///
    /// # Panics
    ///
    /// Where it cannot be made; so do the others.
    pub fn new(name: &str) -> Self {
        Self::make(name, None)
    }

    /// A CA under this one.
    pub fn under(&self, name: &str) -> Self {
        Self::make(name, Some(&self.issuer))
    }

    fn make(name: &str, by: Option<&Issuer<'static, KeyPair>>) -> Self {
        let mut params = CertificateParams::new([]).expect("no names are legal");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let cert = match by {
            None => params.self_signed(&key),
            Some(by) => params.signed_by(&key, by),
        };
        let pem = cert.expect("a CA's certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `names` (DNS names or IP addresses), good for some years.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |_| {})
    }

    /// The same, after a change.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("legal names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
    }

    /// One that was good until 2020-01-31.
    pub fn expired(&self, name: &str) -> Pair {
        self.issue_with(&[name], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 31))
    }

    /// One that will be good from 2090-12-01.
    pub fn early(&self, name: &str) -> Pair {
        self.issue_with(&[name], |params| params.not_before = rcgen::date_time_ymd(2090, 12, 1))
    }
}
