//! `Grpc\ServerCredentials`

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::ZendClassObject;
use viaduct::tls::ServerTls;

use super::exceptions::{expecting, invalid_argument};
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
                .arg(untyped("pem_cert_chain")),
            MethodFlags::Public | MethodFlags::Static,
        )]
    }
}

/// With roots, clients must show a certificate that comes from them.
fn create_ssl(call: Call<'_>) -> Result<ZBox<ZendClassObject<ServerCredentials>>, Thrown> {
    let read = || {
        let a = call.arguments(3..=3)?;
        Ok((a.nullable::<&[u8]>(0)?, a.get::<&[u8]>(1)?, a.get::<&[u8]>(2)?))
    };
    let (roots, key, chain) = expecting("createSsl expects 3 strings", read())?;
    let roots = roots.filter(|roots| !roots.is_empty());
    let tls = ServerTls::new(chain, key, roots).map_err(|error| invalid_argument(&error.to_string()))?;
    Ok(ServerCredentials { tls }.into_object())
}
