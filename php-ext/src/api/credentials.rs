//! `Viaduct\Credentials`

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendStr};
use viaduct::error::{InvalidArgument, quote};
use viaduct::tls::ClientTls;

use crate::errors::{self, Thrown};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// What a channel proves and demands of its peer.
pub(crate) struct Credentials {
    pub(crate) kind: CredentialsKind,
}

/// The two kinds of credentials. (No `Debug`: a key must not reach a log.)
#[derive(Clone)]
pub(crate) enum CredentialsKind {
    Tls(ClientTls),
    Insecure,
}

rust_class!(Credentials, "Viaduct\\Credentials");

impl Class for Credentials {
    fn methods() -> Methods {
        let text = |name| Arg::new(name, DataType::String).allow_null().default("null");
        vec![
            (
                FunctionBuilder::new("tls", handler!(tls))
                    .arg(text("ca"))
                    .arg(text("cert"))
                    .arg(text("key"))
                    .arg(text("serverName"))
                    .required_args(0)
                    .returns(DataType::object("Viaduct\\Credentials"), false, false),
                MethodFlags::Public | MethodFlags::Static,
            ),
            (
                FunctionBuilder::new("insecure", handler!(insecure)).returns(
                    DataType::object("Viaduct\\Credentials"),
                    false,
                    false,
                ),
                MethodFlags::Public | MethodFlags::Static,
            ),
        ]
    }
}

fn tls(call: Call<'_>) -> Result<ZBox<ZendClassObject<Credentials>>, Thrown> {
    let a = call.arguments(0..=4)?;
    let ca: Option<&[u8]> = a.nullable(0)?;
    let cert: Option<&[u8]> = a.nullable(1)?;
    let key: Option<&[u8]> = a.nullable(2)?;
    let server_name = a.nullable(3)?.map(server_name).transpose()?;
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(errors::invalid_argument("cert is given without key; expected both, or neither"));
        }
        (None, Some(_)) => {
            return Err(errors::invalid_argument("key is given without cert; expected both, or neither"));
        }
    };
    let kind = CredentialsKind::Tls(ClientTls::new(ca, identity, server_name.as_deref())?);
    Ok(Credentials { kind }.into_object())
}

fn server_name(name: &ZendStr) -> Result<String, InvalidArgument> {
    match name.as_str() {
        Ok(name) if !name.is_empty() && name.is_ascii() => Ok(name.to_owned()),
        _ => Err(InvalidArgument::new(format!(
            "serverName is {}; expected a host name or an IP address",
            quote(&String::from_utf8_lossy(name.as_bytes()))
        ))),
    }
}

fn insecure(call: Call<'_>) -> Result<ZBox<ZendClassObject<Credentials>>, Thrown> {
    call.no_arguments()?;
    Ok(Credentials { kind: CredentialsKind::Insecure }.into_object())
}
