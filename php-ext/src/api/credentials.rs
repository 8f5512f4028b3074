//! `Viaduct\Credentials`

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendStr};
use viaduct::error::{InvalidArgument, quote};

use crate::errors::Thrown;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// What a channel proves and demands of its peer.
pub(crate) struct Credentials {
    pub(crate) kind: CredentialsKind,
}

/// The two kinds of credentials. (No `Debug`: a key must not reach a log.)
#[derive(Clone)]
pub(crate) enum CredentialsKind {
    /// PEM texts; certificate and key come together.
    Tls {
        ca: Option<Vec<u8>>,
        cert: Option<Vec<u8>>,
        key: Option<Vec<u8>>,
        server_name: Option<String>,
    },
    Insecure,
}

impl CredentialsKind {
    /// Whether a channel can use them. This is the place for the core's checks of the PEM texts.
    fn check(&self) -> Result<(), InvalidArgument> {
        let Self::Tls { cert, key, .. } = self else { return Ok(()) };
        match (cert, key) {
            (Some(_), None) => {
                Err(InvalidArgument::new("cert is given without key; expected both, or neither"))
            }
            (None, Some(_)) => {
                Err(InvalidArgument::new("key is given without cert; expected both, or neither"))
            }
            _ => Ok(()),
        }
    }
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
    let owned = |text: Option<&[u8]>| text.map(<[u8]>::to_vec);
    let kind = CredentialsKind::Tls {
        ca: owned(a.nullable(0)?),
        cert: owned(a.nullable(1)?),
        key: owned(a.nullable(2)?),
        server_name: a.nullable(3)?.map(server_name).transpose()?,
    };
    kind.check()?;
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
