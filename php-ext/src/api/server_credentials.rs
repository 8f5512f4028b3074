//! `Viaduct\ServerCredentials`

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::ZendClassObject;
use viaduct::error::InvalidArgument;

use crate::errors::Thrown;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// What a listener proves and demands of its clients: PEM texts. (No `Debug`: a key must not reach
/// a log.)
#[derive(Clone)]
pub(crate) struct ServerCredentials {
    pub(crate) cert: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) client_ca: Option<Vec<u8>>,
}

impl ServerCredentials {
    /// Whether a listener can use them. This is the place for the core's checks of the PEM texts.
    fn check(&self) -> Result<(), InvalidArgument> {
        let texts =
            [("cert", Some(&self.cert)), ("key", Some(&self.key)), ("clientCa", self.client_ca.as_ref())];
        match texts.into_iter().find(|(_, text)| text.is_some_and(|text| text.is_empty())) {
            Some((name, _)) => Err(InvalidArgument::new(format!("{name} is empty; expected a PEM text"))),
            None => Ok(()),
        }
    }
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
    let credentials = ServerCredentials {
        cert: a.get::<&[u8]>(0)?.to_vec(),
        key: a.get::<&[u8]>(1)?.to_vec(),
        client_ca: a.nullable::<&[u8]>(2)?.map(<[u8]>::to_vec),
    };
    credentials.check()?;
    Ok(credentials.into_object())
}
