//! TLS credentials of both sides, from PEM texts.

use std::ffi::c_char;

use super::error::viaduct_result;
use super::fence::{fenced, free};
use super::handle::{self, Object};
use super::input::{Out, choice, text_optional, viaduct_bytes, zero};
use crate::tls::{ClientAuth, ClientTls, Identity, ServerTls};

/// A client's TLS credentials. Any number of channels may be made with them, from any thread.
pub struct viaduct_credentials(pub(super) ClientTls);

impl Object for viaduct_credentials {
    const KIND: u8 = handle::CREDENTIALS;
}

/// A server's TLS credentials. Any number of addresses may be listened on with them, from any thread.
pub struct viaduct_server_credentials(pub(super) ServerTls);

impl Object for viaduct_server_credentials {
    const KIND: u8 = handle::SERVER_CREDENTIALS;
}

/// Makes a client's credentials. The texts are PEM, and are copied.
///
/// `ca` are the roots to trust; empty: the system's. `certificate` is the client's own chain (leaf
/// first) and `key` the leaf's private key, for servers that ask for them; empty both: none.
/// `server_name` replaces the target's name in the handshake and in the check of the server's
/// certificate; NULL: it does not. The caller frees them with `viaduct_credentials_free`, at any time
/// after the channels are made.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG, or
/// VIADUCT_RESULT_INVALID_ARGUMENT where a text holds no certificate or key, or they do not fit together.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_credentials_new(
    ca: viaduct_bytes,
    certificate: viaduct_bytes,
    key: viaduct_bytes,
    server_name: *const c_char,
    credentials: *mut *mut viaduct_credentials,
) -> viaduct_result {
    zero(credentials);
    fenced(|| {
        let place = Out::new(credentials, "the credentials")?;
        let ca = ca.get_optional("the CA certificates")?;
        let (certificate, key) = (certificate.get("the certificate")?, key.get("the key")?);
        let identity = (!certificate.is_empty() || !key.is_empty()).then_some((certificate, key));
        let tls = ClientTls::new(ca, identity, text_optional(server_name, "the server's name")?)?;
        place.set(handle::give(viaduct_credentials(tls)));
        Ok(())
    })
}

/// Frees a client's credentials. NULL is fine. Channels made with them go on.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_credentials_free(credentials: *mut viaduct_credentials) -> viaduct_result {
    free(credentials)
}

/// Makes a server's credentials. The texts are PEM, and are copied.
///
/// `certificate` is the chain (leaf first) and `key` the leaf's private key. `client_ca` are the roots
/// that clients' certificates must come from; empty: clients are not asked for one. `require_client`,
/// a `viaduct_choice`, says what becomes of clients that show none; by default they are refused. The
/// caller frees them with `viaduct_server_credentials_free`, at any time after listening.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG, or VIADUCT_RESULT_INVALID_ARGUMENT where a
/// text holds no certificate or key, or they do not fit together.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_credentials_new(
    certificate: viaduct_bytes,
    key: viaduct_bytes,
    client_ca: viaduct_bytes,
    require_client: i32,
    credentials: *mut *mut viaduct_server_credentials,
) -> viaduct_result {
    zero(credentials);
    fenced(|| {
        let place = Out::new(credentials, "the credentials")?;
        let (certificate, key) = (certificate.get("the certificate")?, key.get("the key")?);
        let required = choice(require_client, "require_client")?.unwrap_or(true);
        let clients = match client_ca.get_optional("the clients' CA certificates")? {
            None => ClientAuth::None,
            Some(ca) if required => ClientAuth::Required(ca),
            Some(ca) => ClientAuth::Optional(ca),
        };
        let tls = ServerTls::with_identities(Identity::new(certificate, key)?, Vec::new(), clients)?;
        place.set(handle::give(viaduct_server_credentials(tls)));
        Ok(())
    })
}

/// Frees a server's credentials. NULL is fine. Servers that listen with them go on.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_credentials_free(
    credentials: *mut viaduct_server_credentials,
) -> viaduct_result {
    free(credentials)
}
