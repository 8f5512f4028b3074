//! Failed handshakes, in sentences.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use rustls_pki_types::UnixTime;

use super::names::Issuer;

/// Why a handshake failed, as the error that the socket or the TLS layer gave.
///
/// The sentence has no full stop, so that it can stand inside another.
pub fn explain(error: &io::Error) -> String {
    if let Some(tls) = error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        return explain_tls(tls);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection during the TLS handshake (does it speak TLS?)".into()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the peer reset the connection during the TLS handshake (does it speak TLS?)".into()
        }
        _ => format!("the TLS handshake failed: {error}"),
    }
}

/// Why the TLS layer refused, or was refused by, the peer.
pub fn explain_tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::NoCertificatesPresented => {
            "the peer sent no client certificate, and this server requires one".into()
        }
        Error::NoApplicationProtocol => no_h2(),
        Error::AlertReceived(alert) => self::alert(*alert),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "the peer does not speak TLS (plaintext on the other side?)".into(),
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon)
        | Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            "the peers have no signature scheme in common (what kind of key has the certificate?)".into()
        }
        Error::PeerIncompatible(why) => {
            format!("the peer offers nothing that TLS 1.2 or 1.3 with modern ciphers can use: {why:?}")
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}

/// What is said where ALPN did not choose HTTP/2.
pub(crate) fn no_h2() -> String {
    "the peer does not agree on HTTP/2 (ALPN \"h2\") over TLS".into()
}

/// What is said where a certificate does not lead to a root of ours.
pub(super) fn unknown_issuer(issuer: Option<&Issuer>) -> String {
    let name = match issuer {
        Some(Issuer::Itself) => {
            return "the peer's certificate comes from an unknown issuer: it is signed by itself, and is none \
                    of the trusted roots"
                .into();
        }
        Some(Issuer::Named(name)) => format!(", {name}"),
        None => String::new(),
    };
    format!(
        "the peer's certificate comes from an unknown issuer{name}: it does not lead to a trusted root (a CA \
         missing on this side, or an intermediate missing on the other)"
    )
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "the peer's certificate has expired".into(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the peer's certificate has expired: it was valid until {}, and today is {}",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYet => "the peer's certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the peer's certificate is not valid yet: it begins on {}, and today is {} (check the clock)",
            date(*not_before),
            date(*time)
        ),
        CertificateError::UnknownIssuer => unknown_issuer(None),
        CertificateError::NotValidForName => "the peer's certificate is for another name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let has = match presented.as_slice() {
                [] => "names none".to_owned(),
                names => format!("is for {}", names.iter().map(|n| plain(n)).collect::<Vec<_>>().join(", ")),
            };
            format!("the peer's certificate is for another name: wanted {}, it {has}", expected.to_str())
        }
        CertificateError::Revoked => "the peer's certificate has been revoked".into(),
        CertificateError::BadSignature => {
            "the peer's certificate has a bad signature: it was not signed by the trusted CA, or by \
             another one of the same name"
                .into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the peer's certificate is not meant for this purpose (extended key usage: a server needs \
             serverAuth, a client clientAuth)"
                .into()
        }
        CertificateError::BadEncoding => "the certificate is not readable (bad encoding)".into(),
        // webpki's names for what it met; a CA as an end entity is the frequent one.
        other => {
            let text = format!("{other:?}");
            if text.contains("CaUsedAsEndEntity") {
                "the peer uses a CA certificate as its own; expected one that is signed by the CA".into()
            } else {
                format!("the peer's certificate is not acceptable: {text}")
            }
        }
    }
}

fn alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the peer requires a client certificate, and none was given".into()
        }
        AlertDescription::UnknownCA => "the peer does not know the issuer of our certificate".into(),
        AlertDescription::CertificateExpired => "the peer says that our certificate has expired".into(),
        AlertDescription::CertificateRevoked => "the peer says that our certificate was revoked".into(),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => "the peer does not accept our certificate".into(),
        AlertDescription::UnrecognisedName => "the peer does not serve the name we asked for".into(),
        AlertDescription::NoApplicationProtocol => no_h2(),
        AlertDescription::ProtocolVersion => "the peer speaks neither TLS 1.2 nor TLS 1.3".into(),
        AlertDescription::HandshakeFailure => {
            "the peer broke off the handshake: no cipher in common, or it wants a client certificate".into()
        }
        other => format!("the peer broke off the TLS handshake with the alert {other:?}"),
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)`, as rustls presents them, without the wrapping.
fn plain(presented: &str) -> &str {
    let bare = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    bare.trim_matches('"')
}

/// `YYYY-MM-DD` of a point in time, in UTC. Days to a civil date after Howard Hinnant.
fn date(time: UnixTime) -> String {
    let days = i64::try_from(time.as_secs() / 86_400).unwrap_or(0) + 719_468;
    let era = days.div_euclid(146_097);
    let doe = days.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::ServerName;
    use std::time::Duration;

    #[test]
    fn the_problem_is_named() {
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let said = |e: CertificateError| explain_tls(&Error::InvalidCertificate(e));
        let expired =
            CertificateError::ExpiredContext { time: at(1_700_000_000), not_after: at(951_782_400) };
        assert!(said(expired).contains("until 2000-02-29, and today is 2023-11-14"));
        assert!(said(CertificateError::UnknownIssuer).contains("unknown issuer"));
        let name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.example").unwrap(),
            presented: vec![
                "DnsName(\"b.example\")".into(),
                "DnsName(\"c.example\")".into(),
                "IpAddress(::1)".into(),
            ],
        };
        assert!(said(name).contains("wanted a.example, it is for b.example, c.example, ::1"));
        let needs = explain_tls(&Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(needs.contains("requires a client certificate"));
        assert!(explain_tls(&Error::NoApplicationProtocol).contains("\"h2\""));
        assert!(explain(&io::ErrorKind::UnexpectedEof.into()).contains("closed the connection"));
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, Error::NoCertificatesPresented);
        assert!(explain(&wrapped).contains("no client certificate"));
    }
}
