//! The interfaces of the namespace: what code depends on that shall be tested without a network. Each is the smaller part
//! of a class of ours, which are final.

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::class::ClassEntryInfo;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::zend::ce;

use super::arguments;
use crate::zend::class::{Methods, Plain};

static CALL: Plain = Plain::new();
static UNARY_CALL: Plain = Plain::new();
static SERVER_STREAM: Plain = Plain::new();
static CLIENT_STREAM: Plain = Plain::new();
static BIDI_STREAM: Plain = Plain::new();
static CHANNEL: Plain = Plain::new();
static CONTEXT: Plain = Plain::new();
static REQUEST_STREAM: Plain = Plain::new();

const ITERATOR: ClassEntryInfo = (ce::iterator, "Iterator");
const CALL_INTERFACE: ClassEntryInfo = (|| CALL.get(), "Viaduct\\CallInterface");
pub(crate) const UNARY_CALL_INTERFACE: ClassEntryInfo = (|| UNARY_CALL.get(), "Viaduct\\UnaryCallInterface");
pub(crate) const SERVER_STREAM_INTERFACE: ClassEntryInfo =
    (|| SERVER_STREAM.get(), "Viaduct\\ServerStreamInterface");
pub(crate) const CLIENT_STREAM_INTERFACE: ClassEntryInfo =
    (|| CLIENT_STREAM.get(), "Viaduct\\ClientStreamInterface");
pub(crate) const BIDI_STREAM_INTERFACE: ClassEntryInfo =
    (|| BIDI_STREAM.get(), "Viaduct\\BidiStreamInterface");
pub(crate) const CHANNEL_INTERFACE: ClassEntryInfo = (|| CHANNEL.get(), "Viaduct\\ChannelInterface");
pub(crate) const CONTEXT_INTERFACE: ClassEntryInfo = (|| CONTEXT.get(), "Viaduct\\ContextInterface");
pub(crate) const REQUEST_STREAM_INTERFACE: ClassEntryInfo =
    (|| REQUEST_STREAM.get(), "Viaduct\\RequestStreamInterface");

/// Registers them; in MINIT, before the classes.
pub(crate) fn register() -> ext_php_rs::error::Result<()> {
    use DataType::{Array, Bool, Double, Mixed, String, Void};

    let send = || one("send", Arg::new("message", Mixed), Void);
    let receive = || none("receive", Mixed, false);

    interface(CALL_INTERFACE, &[])
        .with([
            none("headers", Array, false),
            none("trailers", Array, false),
            none("status", DataType::object("Viaduct\\Status"), true),
            none("peer", String, false),
            none("cancel", Void, false),
        ])
        .registration(|class, signatures| CALL.set(class, signatures))
        .register()?;
    interface(UNARY_CALL_INTERFACE, &[CALL_INTERFACE])
        .with([
            none("wait", Mixed, false),
            none("done", Bool, false),
            none("status", DataType::object("Viaduct\\Status"), false),
        ])
        .registration(|class, signatures| UNARY_CALL.set(class, signatures))
        .register()?;
    interface(SERVER_STREAM_INTERFACE, &[CALL_INTERFACE, ITERATOR])
        .with([receive()])
        .registration(|class, signatures| SERVER_STREAM.set(class, signatures))
        .register()?;
    interface(CLIENT_STREAM_INTERFACE, &[CALL_INTERFACE])
        .with([send(), none("finish", Mixed, false)])
        .registration(|class, signatures| CLIENT_STREAM.set(class, signatures))
        .register()?;
    interface(BIDI_STREAM_INTERFACE, &[CALL_INTERFACE, ITERATOR])
        .with([send(), none("halfClose", Void, false), receive()])
        .registration(|class, signatures| BIDI_STREAM.set(class, signatures))
        .register()?;
    interface(CHANNEL_INTERFACE, &[])
        .with([
            call("unary", true, Mixed),
            call("start", true, DataType::object("Viaduct\\UnaryCallInterface")),
            call("serverStream", true, DataType::object("Viaduct\\ServerStreamInterface")),
            call("clientStream", false, DataType::object("Viaduct\\ClientStreamInterface")),
            call("bidi", false, DataType::object("Viaduct\\BidiStreamInterface")),
        ])
        .registration(|class, signatures| CHANNEL.set(class, signatures))
        .register()?;
    interface(CONTEXT_INTERFACE, &[])
        // Not method(): PHPUnit makes no stand-in of what has a method of that name.
        .with([
            none("peer", String, false),
            none("authority", String, false),
            none("metadata", Array, false),
            none("deadline", Double, true),
            none("timeRemaining", Double, true),
            none("isCancelled", Bool, false),
            one("sendHeaders", Arg::new("metadata", Array), Void),
            one("setTrailers", Arg::new("metadata", Array), Void),
        ])
        .registration(|class, signatures| CONTEXT.set(class, signatures))
        .register()?;
    interface(REQUEST_STREAM_INTERFACE, &[ITERATOR])
        .with([
            one("as", Arg::new("messageClass", String), DataType::object("Viaduct\\RequestStreamInterface")),
            receive(),
        ])
        .registration(|class, signatures| REQUEST_STREAM.set(class, signatures))
        .register()
}

fn interface((_, name): ClassEntryInfo, parents: &[ClassEntryInfo]) -> ClassBuilder {
    let builder = ClassBuilder::new(name).flags(ClassFlags::Interface);
    parents.iter().fold(builder, |builder, parent| builder.implements(*parent))
}

trait With {
    fn with(self, methods: impl Into<Methods>) -> Self;
}

impl With for ClassBuilder {
    fn with(self, methods: impl Into<Methods>) -> Self {
        methods.into().into_iter().fold(self, |builder, (method, flags)| builder.method(method, flags))
    }
}

type Signature = (FunctionBuilder<'static>, MethodFlags);

fn flags() -> MethodFlags {
    MethodFlags::Public | MethodFlags::Abstract
}

/// A method without parameters.
fn none(name: &'static str, of: DataType, nullable: bool) -> Signature {
    (FunctionBuilder::new_abstract(name).returns(of, false, nullable), flags())
}

/// A method with one.
fn one(name: &'static str, argument: Arg<'static>, of: DataType) -> Signature {
    (FunctionBuilder::new_abstract(name).arg(argument).returns(of, false, false), flags())
}

/// A method that makes a call.
fn call(name: &'static str, request: bool, of: DataType) -> Signature {
    let method = arguments::parameters(FunctionBuilder::new_abstract(name), request);
    (method.returns(of, false, false), flags())
}
