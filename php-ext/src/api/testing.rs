//! `Viaduct\Testing`: what a handler is given, made without a network.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;
use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendStr, Zval};
use http::HeaderMap;
use viaduct::Status;
use viaduct::client::Method;
use viaduct::codec::Message;
use viaduct::deadline::Deadline;

use super::context::Context;
use super::iteration::HasMessages as _;
use super::range::seconds;
use super::request_stream::RequestStream;
use super::status_code::StatusCode;
use crate::errors::{self, Thrown};
use crate::message::payload;
use crate::metadata;
use crate::zend::array::Entries;
use crate::zend::call::{Call, Case, Instance, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// PHP makes no objects of it.
pub(crate) struct Testing;

rust_class!(Testing, "Viaduct\\Testing");

/// A call that nobody made.
pub(crate) struct TestCall {
    pub(crate) method: String,
    pub(crate) peer: String,
    pub(crate) authority: String,
    pub(crate) metadata: HeaderMap,
    pub(crate) deadline: Option<Deadline>,
    cancelled: Cell<bool>,
    /// What the handler has sent.
    pub(crate) headers: RefCell<Option<HeaderMap>>,
}

impl TestCall {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.get() || self.deadline.is_some_and(Deadline::passed)
    }
}

/// Requests that nobody sent, and how the client ends them.
pub(crate) struct TestRequests {
    pub(crate) messages: RefCell<VecDeque<Message>>,
    pub(crate) end: Status,
}

impl Class for Testing {
    fn methods() -> Methods {
        let public = MethodFlags::Public | MethodFlags::Static;
        let text = |name, default| Arg::new(name, DataType::String).default(default);
        let of = |name, handler| {
            FunctionBuilder::new(name, handler).arg(Arg::new("context", DataType::object("Viaduct\\Context")))
        };
        vec![
            (
                FunctionBuilder::new("context", handler!(context))
                    .arg(text("method", "'/test.Service/Method'"))
                    .arg(Arg::new("metadata", DataType::Array).default("[]"))
                    .arg(Arg::new("timeout", DataType::Double).allow_null().default("null"))
                    .arg(text("peer", "'ipv4:127.0.0.1:50000'"))
                    .arg(text("authority", "'localhost'"))
                    .required_args(0)
                    .returns(DataType::object("Viaduct\\Context"), false, false),
                public,
            ),
            (
                FunctionBuilder::new("requestStream", handler!(request_stream))
                    .arg(Arg::new("messages", DataType::Array))
                    .arg(
                        Arg::new("end", DataType::object("Viaduct\\StatusCode"))
                            .default("Viaduct\\StatusCode::Ok"),
                    )
                    .required_args(1)
                    .returns(DataType::object("Viaduct\\RequestStream"), false, false),
                public,
            ),
            (of("cancel", handler!(cancel)).returns(DataType::Void, false, false), public),
            (of("headers", handler!(headers)).returns(DataType::Array, false, true), public),
            (of("trailers", handler!(trailers)).returns(DataType::Array, false, false), public),
        ]
    }
}

fn context(call: Call<'_>) -> Result<ZBox<ZendClassObject<Context>>, Thrown> {
    let a = call.arguments(0..=5)?;
    let text = |n, default: &str| -> Result<String, Thrown> {
        if a.count() <= n {
            return Ok(default.to_owned());
        }
        let text: &ZendStr = a.get(n)?;
        Ok(String::from_utf8_lossy(text.as_bytes()).into_owned())
    };
    let method = text(0, "/test.Service/Method")?;
    let metadata = if a.count() > 1 { Some(a.get::<&ZendHashTable>(1)?) } else { None };
    let timeout: Option<f64> = a.nullable(2)?;
    let (peer, authority) = (text(3, "ipv4:127.0.0.1:50000")?, text(4, "localhost")?);

    Method::parse(&method)?;
    let call = TestCall {
        method,
        peer,
        authority,
        metadata: metadata.map(|map| metadata::from_php(map, "metadata")).transpose()?.unwrap_or_default(),
        deadline: timeout.map(|t| seconds("timeout", t)).transpose()?.map(Deadline::after),
        cancelled: Cell::new(false),
        headers: RefCell::default(),
    };
    Ok(Context::test(call).into_object())
}

fn request_stream(call: Call<'_>) -> Result<ZBox<ZendClassObject<RequestStream>>, Thrown> {
    let a = call.arguments(1..=2)?;
    let list: &ZendHashTable = a.get(0)?;
    let Case(end) = a.get_or(1, Case(StatusCode::Ok))?;
    let mut messages = VecDeque::with_capacity(list.len());
    for (n, (_, value)) in Entries::of(list).enumerate() {
        let message = payload(value, &format!("message {n}"))?;
        messages.push_back(Message::from(Bytes::copy_from_slice(message.as_bytes())));
    }
    let end = Status::new(end.code(), format!("the test ends the requests with {end:?}"));
    Ok(RequestStream::test(TestRequests { messages: RefCell::new(messages), end }).into_iterator())
}

/// The context of the arguments, which must be one of this class' making.
fn given<'a>(call: Call<'a>, method: &str) -> Result<(&'a Context, &'a TestCall), Thrown> {
    let a = call.arguments(1..=1)?;
    let Instance(context) = a.get::<Instance<'a, Context>>(0)?;
    let made = context.as_test().ok_or_else(|| {
        errors::logic(format!(
            "Viaduct\\Testing::{method}(): the context is that of a call; expected one that Viaduct\\Testing::context() \
             has made"
        ))
    })?;
    Ok((context, made))
}

fn cancel(call: Call<'_>) -> Result<(), Thrown> {
    given(call, "cancel")?.1.cancelled.set(true);
    Ok(())
}

fn headers(call: Call<'_>) -> Result<Option<Zval>, Thrown> {
    Ok(given(call, "headers")?.1.headers.borrow().as_ref().map(metadata::to_php))
}

fn trailers(call: Call<'_>) -> Result<Zval, Thrown> {
    Ok(metadata::to_php(&given(call, "trailers")?.0.trailers()))
}
