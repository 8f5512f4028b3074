//! `Grpc\ServerCredentials`

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendHashTable};
use viaduct::error::InvalidArgument;
use viaduct::tls::{ClientAuth, Identity, ServerTls};

use super::exceptions::{expecting, invalid_argument};
use crate::api::server_credentials::identities;
use crate::errors::Thrown;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};

/// What a secure port proves and demands. (No `Debug`: a key must not reach a log.)
pub(crate) struct ServerCredentials {
    pub(crate) tls: ServerTls,
}

rust_class!(ServerCredentials, "Grpc\\ServerCredentials");

impl Class for ServerCredentials {
    const FLAGS: ClassFlags = OPEN;

    fn methods() -> Methods {
        vec![(
            FunctionBuilder::new("createSsl", handler!(create_ssl))
                .arg(untyped("pem_root_certs"))
                .arg(untyped("pem_private_key"))
                .arg(untyped("pem_cert_chain"))
                .arg(untyped("more").default("[]"))
                .required_args(3),
            MethodFlags::Public | MethodFlags::Static,
        )]
    }
}

/// With roots, clients must show a certificate that comes from them. `more` is beyond the official
/// extension: certificates for other names.
fn create_ssl(call: Call<'_>) -> Result<ZBox<ZendClassObject<ServerCredentials>>, Thrown> {
    let a = expecting("createSsl expects 3 strings", call.arguments(3..=4))?;
    let read = || Ok((a.nullable::<&[u8]>(0)?, a.get::<&[u8]>(1)?, a.get::<&[u8]>(2)?));
    let (roots, key, chain) = expecting("createSsl expects 3 strings", read())?;
    let more = match a.count() {
        3 => None,
        _ => Some(expecting("createSsl expects an array after 3 strings", a.get::<&ZendHashTable>(3))?),
    };
    let tls = || -> Result<ServerTls, InvalidArgument> {
        let clients = roots.filter(|roots| !roots.is_empty()).map_or(ClientAuth::None, ClientAuth::Required);
        let more = more.map_or_else(|| Ok(Vec::new()), identities)?;
        ServerTls::with_identities(Identity::new(chain, key)?, more, clients)
    };
    let tls = tls().map_err(|error| invalid_argument(&error.to_string()))?;
    Ok(ServerCredentials { tls }.into_object())
}
