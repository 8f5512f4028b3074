//! Tokens that a service account signs itself (AIP-4111; RFC 7519, RFC 7515).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tonic::Status;

use super::Token;
use crate::error::{InvalidArgument, quote};
use crate::tls::{provider, try_lock};

/// How long a token is good: the most that Google takes.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The services whose tokens are kept.
const KEPT: usize = 64;

/// The key of a service account.
pub(super) struct ServiceAccount {
    email: String,
    key_id: String,
    key: Arc<dyn SigningKey>,
    /// By audience.
    tokens: Mutex<HashMap<String, Token>>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// The account that a key file describes; `file` names the file in messages.
    pub(super) fn new(json: &Value, file: &str) -> Result<Self, InvalidArgument> {
        let text = |name: &str| match json.get(name).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(InvalidArgument::new(format!(
                "{file} is no key of a service account: it has no {}; expected a text",
                quote(name)
            ))),
        };
        let (email, key_id) = (text("client_email")?.to_owned(), text("private_key_id")?.to_owned());
        // Errors of the parsers are not told: they could quote what they read.
        let key = PrivateKeyDer::from_pem_slice(text("private_key")?.as_bytes())
            .ok()
            .and_then(|der| provider().key_provider.load_private_key(der).ok())
            .filter(|key| key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).is_some())
            .ok_or_else(|| {
                InvalidArgument::new(format!(
                    "\"private_key\" in {file} is not usable; expected an RSA key (2048 bits or more) as PEM"
                ))
            })?;
        Ok(Self { email, key_id, key, tokens: Mutex::default() })
    }

    /// `Bearer …` for a service.
    pub(super) fn token(&self, service_url: &str) -> Result<HeaderValue, Status> {
        let audience = audience(service_url)?;
        // Who finds the lock held (another thread; for ever in a forked child) signs for itself.
        let mut tokens = try_lock(&self.tokens);
        if let Some(token) = tokens.as_ref().and_then(|t| t.get(&audience)).filter(|t| t.is_fresh()) {
            return Ok(token.value.clone());
        }
        let now = SystemTime::now();
        let token = self
            .sign(&audience, now)
            .and_then(|text| Token::new(&text, now + LIFETIME))
            .ok_or_else(|| Status::unauthenticated("the service account's key cannot sign a token"))?;
        if let Some(tokens) = &mut tokens {
            if tokens.len() >= KEPT {
                tokens.clear();
            }
            tokens.insert(audience, token.clone());
        }
        Ok(token.value)
    }

    fn sign(&self, audience: &str, now: SystemTime) -> Option<String> {
        let issued = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "sub": self.email,
            "aud": audience,
            "iat": issued,
            "exp": issued + LIFETIME.as_secs(),
        });
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?;
        let signature = signer.sign(signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// `https://host/` of `https://host/package.Service`: whom a token is for (AIP-4111).
fn audience(service_url: &str) -> Result<String, Status> {
    service_url
        .split_once("://")
        .and_then(|(scheme, rest)| {
            let host = rest.split('/').next().filter(|host| !host.is_empty())?;
            (scheme == "https").then(|| format!("{scheme}://{host}/"))
        })
        .ok_or_else(|| {
            Status::unauthenticated(format!(
                "no token for {}: it is no service's URL; expected \"https://host/package.Service\"",
                quote(service_url)
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_is_the_host() {
        let of = |url| audience(url).map_err(|s| s.message().to_owned());
        assert_eq!(of("https://a.test/p.S").unwrap(), "https://a.test/");
        assert_eq!(of("https://a.test:8443").unwrap(), "https://a.test:8443/");
        for wrong in ["", "a.test", "http://a.test/p.S", "https:///p.S"] {
            assert!(of(wrong).unwrap_err().contains("expected"), "{wrong}");
        }
    }
}
