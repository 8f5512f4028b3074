//! PHP functions for the tests: each shows one part of the extension alone (feature `probe`).

use bytes::Bytes;
use ext_php_rs::args::Arg;
use ext_php_rs::builders::{FunctionBuilder, ModuleBuilder};
use ext_php_rs::flags::DataType;
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use viaduct::codec::{Deframer, Encoding, Message, frame};

use crate::api::status;
use crate::errors::{self, Thrown};
use crate::message::{self, Decoder};
use crate::zend::call::{Call, Callable, Throwable, handler};
use crate::zend::object::ObjectBox;
use crate::{metadata, zend};

pub(crate) fn register(module: ModuleBuilder<'_>) -> ModuleBuilder<'_> {
    module
        .function(
            FunctionBuilder::new("ViaductProbe\\payload", handler!(payload))
                .arg(Arg::new("message", DataType::Mixed))
                .returns(DataType::String, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\decode", handler!(decode))
                .arg(Arg::new("payload", DataType::String))
                .arg(Arg::new("class", DataType::String).allow_null().default("null"))
                .arg(Arg::new("cut", DataType::Long).default("16384"))
                .required_args(1)
                .returns(DataType::Mixed, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\metadata", handler!(round_trip))
                .arg(Arg::new("metadata", DataType::Array))
                .returns(DataType::Array, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\status", handler!(status_of))
                .arg(Arg::new("exception", DataType::object("Throwable")))
                .returns(DataType::object("Viaduct\\Status"), false, true),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\again", handler!(again))
                .arg(Arg::new("exception", DataType::object("Throwable")))
                .arg(Arg::new("cancelled", DataType::Bool).default("false"))
                .required_args(1)
                .returns(DataType::Void, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\scalars", handler!(scalars))
                .arg(Arg::new("int", DataType::Long))
                .arg(Arg::new("float", DataType::Double).default("0.5"))
                .arg(Arg::new("string", DataType::String).default("'s'"))
                .arg(Arg::new("bool", DataType::Bool).allow_null().default("null"))
                .required_args(1)
                .returns(DataType::String, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\variadic", handler!(variadic))
                .arg(Arg::new("function", DataType::Callable))
                .arg(Arg::new("arguments", DataType::Mixed).is_variadic())
                .returns(DataType::String, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\numbered", handler!(numbered))
                .arg(Arg::new("arguments", DataType::Mixed).is_variadic())
                .returns(DataType::Long, false, false),
        )
        .function(
            FunctionBuilder::new("ViaductProbe\\fail", handler!(fail))
                .arg(Arg::new("kind", DataType::String))
                .returns(DataType::Void, false, false),
        )
}

/// The payload of a message.
fn payload(call: Call<'_>) -> Result<Zval, Thrown> {
    let message = call.arguments(1..=1)?.get::<&Zval>(0)?;
    Ok(zend::string(message::payload(message, "message")?.as_bytes()))
}

/// A message that arrives in pieces of `cut` bytes.
fn decode(call: Call<'_>) -> Result<Zval, Thrown> {
    let a = call.arguments(1..=3)?;
    let payload = a.get::<&[u8]>(0)?;
    let decoder = Decoder::for_class(a.nullable::<&ZendStr>(1)?, "class")?;
    let cut = usize::try_from(a.get_or(2, 16_384)?).unwrap_or(1).max(1);
    decoder.decode(&arrive(payload, cut).unwrap_or_default(), "response")
}

fn arrive(payload: &[u8], cut: usize) -> Option<Message> {
    let mut deframer = Deframer::new(Encoding::Identity, usize::MAX);
    for piece in frame(payload, Encoding::Identity).ok()?.chunks(cut) {
        deframer.push(Bytes::copy_from_slice(piece));
    }
    deframer.next().ok()?
}

/// Metadata to the core and back.
fn round_trip(call: Call<'_>) -> Result<Zval, Thrown> {
    let array = call.arguments(1..=1)?.get::<&ZendHashTable>(0)?;
    Ok(metadata::to_php(&metadata::from_php(array, "metadata")?))
}

/// The status that an exception stands for; null for those that are not ours.
fn status_of(call: Call<'_>) -> Result<Option<ObjectBox>, Thrown> {
    let Throwable(exception) = call.arguments(1..=1)?.get(0)?;
    errors::status_of(exception).map(|(status, _)| status::object_of(&status)).transpose()
}

/// Throws an exception like the one given: to the core and back.
fn again(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=2)?;
    let Throwable(exception) = a.get(0)?;
    let cancelled = a.get_or(1, false)?;
    errors::status_of(exception).map_or(Ok(()), |(status, trailers)| {
        Err(if cancelled {
            errors::cancelled_exception(&status, &trailers)
        } else {
            errors::rpc_exception(&status, &trailers)
        })
    })
}

/// The arguments as they arrive.
fn scalars(call: Call<'_>) -> Result<String, Thrown> {
    let a = call.arguments(1..=4)?;
    let int: i64 = a.get(0)?;
    let float = a.get_or(1, 0.5)?;
    let string = a.get_or::<&[u8]>(2, b"s")?;
    let bool = a.nullable::<bool>(3)?;
    Ok(format!("{int} {float} {} {bool:?}", String::from_utf8_lossy(string)))
}

/// How many arguments there are, and how many with names.
fn variadic(call: Call<'_>) -> Result<String, Thrown> {
    let (a, named) = call.variadic(1)?;
    let Callable(_) = a.get(0)?;
    Ok(format!("{} {}", a.count(), named.map_or(0, ZendHashTable::len)))
}

/// How many arguments there are; names are refused.
fn numbered(call: Call<'_>) -> Result<i64, Thrown> {
    Ok(i64::from(call.arguments(0..=u32::MAX)?.count()))
}

/// Ends in every other way a function can.
fn fail(call: Call<'_>) -> Result<(), Thrown> {
    match call.arguments(1..=1)?.get::<&[u8]>(0)? {
        b"logic" => Err(errors::logic("out of turn")),
        b"runtime" => Err(errors::runtime("cannot be bound")),
        #[allow(clippy::panic)]
        b"panic" => panic!("on purpose"),
        _ => Ok(()),
    }
}
