//! `Viaduct\ServerCredentials`

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendHashTable, Zval};
use viaduct::error::{InvalidArgument, quote};
use viaduct::tls::{ClientAuth, Identity, ServerTls};

use crate::errors::Thrown;
use crate::zend::array::{Entries, Key};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::type_name;

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
                .arg(Arg::new("more", DataType::Array).default("[]"))
                .required_args(2)
                .returns(DataType::object("Viaduct\\ServerCredentials"), false, false),
            MethodFlags::Public | MethodFlags::Static,
        )]
    }
}

fn tls(call: Call<'_>) -> Result<ZBox<ZendClassObject<ServerCredentials>>, Thrown> {
    let a = call.arguments(2..=4)?;
    let default = Identity::new(a.get(0)?, a.get(1)?)?;
    let clients = a.nullable(2)?.map_or(ClientAuth::None, ClientAuth::Required);
    let more = if a.count() > 3 { identities(a.get(3)?)? } else { Vec::new() };
    let tls = ServerTls::with_identities(default, more, clients)?;
    Ok(ServerCredentials { tls }.into_object())
}

/// Reads `more`: a list of `['cert' => …, 'key' => …]`.
pub(crate) fn identities(list: &ZendHashTable) -> Result<Vec<Identity>, InvalidArgument> {
    Entries::of(list)
        .map(|(at, pair)| {
            let at = format!("more[{}]", at.text());
            let (mut cert, mut key) = (None, None);
            for (name, value) in pair.array().map(Entries::of).ok_or_else(|| {
                let got = type_name(pair);
                InvalidArgument::new(format!("{at} is of type {got}; expected an array with cert and key"))
            })? {
                match name {
                    Key::Text(b"cert") => cert = Some(text(value, &at, "cert")?),
                    Key::Text(b"key") => key = Some(text(value, &at, "key")?),
                    other => {
                        let name = quote(&other.text());
                        return Err(InvalidArgument::new(format!(
                            "{at} has the element {name}; expected cert and key"
                        )));
                    }
                }
            }
            let (Some(cert), Some(key)) = (cert, key) else {
                let missing = if cert.is_none() { "cert" } else { "key" };
                return Err(InvalidArgument::new(format!("{at} has no {missing}; expected cert and key")));
            };
            Identity::new(cert, key).map_err(|e| InvalidArgument::new(format!("{at}: {e}")))
        })
        .collect()
}

fn text<'a>(value: &'a Zval, at: &str, name: &str) -> Result<&'a [u8], InvalidArgument> {
    value.zend_str().map(|text| text.as_bytes()).ok_or_else(|| {
        let got = type_name(value);
        InvalidArgument::new(format!("{name} in {at} is of type {got}; expected a PEM text"))
    })
}
