//! `Viaduct\ServerCredentials`

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::ZendClassObject;
use viaduct::tls::ServerTls;

use crate::errors::Thrown;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// What a listener proves and demands of its clients: PEM texts. (No `Debug`: a key must not reach
/// a log.)
#[derive(Clone)]
pub(crate) struct ServerCredentials {
    pub(crate) tls: ServerTls,
}

rust_class!(ServerCredentials, "Viaduct\\ServerCredentials");

impl Class for ServerCredentials {
    fn methods() -> Methods {
        vec![(
            FunctionBuilder::new("tls", handler!(tls))
                .arg(Arg::new("cert", DataType::String))
                .arg(Arg::new("key", DataType::String))
                .arg(Arg::new("clientCa", DataType::String).allow_null().default("null"))
                .required_args(2)
                .returns(DataType::object("Viaduct\\ServerCredentials"), false, false),
            MethodFlags::Public | MethodFlags::Static,
        )]
    }
}

fn tls(call: Call<'_>) -> Result<ZBox<ZendClassObject<ServerCredentials>>, Thrown> {
    let a = call.arguments(2..=3)?;
    let tls = ServerTls::new(a.get(0)?, a.get(1)?, a.nullable(2)?)?;
    Ok(ServerCredentials { tls }.into_object())
}
