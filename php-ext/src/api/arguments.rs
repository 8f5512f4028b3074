//! What the methods that make calls have in common: their parameters.

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::DataType;
use ext_php_rs::types::{ZendHashTable, ZendStr};
use http::HeaderMap;
use viaduct::client::{CallOptions, Channel, Method};
use viaduct::codec::Encoding;
use viaduct::deadline::Deadline;
use viaduct::error::quote;

use super::compression::Compression;
use super::range::seconds;
use crate::errors::{self, Thrown};
use crate::message::Decoder;
use crate::metadata;
use crate::scheduler::Scheduler;
use crate::zend::call::{Arguments, Case};

/// What is said of a call beside its request.
pub(crate) struct CallArguments {
    pub(crate) method: Method,
    pub(crate) decoder: Decoder,
    pub(crate) options: CallOptions,
}

/// Adds the parameters: `method`, `request` where there is one, and the rest.
pub(crate) fn parameters(builder: FunctionBuilder<'static>, request: bool) -> FunctionBuilder<'static> {
    let nullable = |name, of| Arg::new(name, of).allow_null().default("null");
    let builder = builder.arg(Arg::new("method", DataType::String));
    let builder = if request { builder.arg(Arg::new("request", DataType::Mixed)) } else { builder };
    builder
        .arg(nullable("responseClass", DataType::String))
        .arg(Arg::new("metadata", DataType::Array).default("[]"))
        .arg(nullable("timeout", DataType::Double))
        .arg(nullable("waitForReady", DataType::Bool))
        .arg(nullable("compression", DataType::object("Viaduct\\Compression")))
        .required_args(if request { 2 } else { 1 })
}

/// Reads them; `rest` is the number of `responseClass`.
pub(crate) fn read(
    scheduler: &Scheduler,
    arguments: Arguments<'_>,
    rest: u32,
) -> Result<CallArguments, Thrown> {
    let method: &ZendStr = arguments.get(0)?;
    let Ok(text) = method.as_str() else {
        return Err(errors::invalid_argument(format!(
            "{} is not a method: it is not UTF-8; expected \"/package.Service/Method\"",
            quote(&String::from_utf8_lossy(method.as_bytes()))
        )));
    };
    let method = Method::parse(text)?;
    let decoder = Decoder::for_class(arguments.nullable(rest)?, "responseClass")?;
    let metadata = if arguments.count() > rest + 1 {
        metadata::from_php(arguments.get::<&ZendHashTable>(rest + 1)?, "metadata")?
    } else {
        HeaderMap::new()
    };
    let timeout: Option<f64> = arguments.nullable(rest + 2)?;
    let timeout = timeout.map(|t| seconds("timeout", t)).transpose()?;
    let inherited = scheduler.scope().and_then(|scope| scope.deadline());
    let options = CallOptions {
        metadata,
        deadline: Deadline::earliest(timeout.map(Deadline::after), inherited),
        wait_for_ready: arguments.nullable(rest + 3)?,
        encoding: arguments.nullable::<Case<Compression>>(rest + 4)?.map(|c| Encoding::from(c.0)),
        authority: None,
    };
    Ok(CallArguments { method, decoder, options })
}

/// Frames a message; what is too long is refused before anything is sent.
pub(crate) fn frame(
    channel: &Channel,
    method: &Method,
    message: &[u8],
    encoding: Option<Encoding>,
) -> Result<bytes::Bytes, Thrown> {
    let refused = |status| errors::call_exception(method.as_str(), &status, &HeaderMap::new());
    channel.frame(message, encoding).map_err(refused)
}
