//! `Viaduct\ClientStream`

use std::cell::RefCell;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use viaduct::client::Outcome;

use super::channel::response;
use super::interfaces::CLIENT_STREAM_INTERFACE;
use super::stream::{HasStream, Stream, common_methods};
use crate::errors::{self, Thrown};
use crate::scheduler::{self, wait};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// A call with many requests and one response.
pub(crate) struct ClientStream {
    stream: Stream,
    outcome: RefCell<Option<Outcome>>,
}

rust_class!(ClientStream, "Viaduct\\ClientStream", implements(CLIENT_STREAM_INTERFACE));

impl ClientStream {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, outcome: RefCell::default() }
    }
}

impl HasStream for ClientStream {
    fn stream<'a>(call: Call<'a>) -> Result<&'a Stream, Thrown> {
        Ok(&call.this::<Self>()?.stream)
    }
}

impl Class for ClientStream {
    fn methods() -> Methods {
        let mut methods = vec![
            (
                FunctionBuilder::new("send", handler!(send))
                    .arg(Arg::new("message", DataType::Mixed))
                    .returns(DataType::Void, false, false),
                MethodFlags::Public,
            ),
            (
                FunctionBuilder::new("finish", handler!(finish)).returns(DataType::Mixed, false, false),
                MethodFlags::Public,
            ),
        ];
        methods.extend(common_methods!(ClientStream));
        methods
    }
}

fn send(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let stream = ClientStream::stream(call)?;
    if stream.core()?.is_half_closed() {
        return Err(errors::logic("send() after finish(): no more messages can be sent on this stream"));
    }
    stream.send(a.get::<&Zval>(0)?)
}

fn finish(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.this::<ClientStream>()?;
    let known = this.outcome.borrow().clone();
    let outcome = match known {
        Some(outcome) => outcome,
        None => {
            this.stream.half_close()?;
            let core = this.stream.core()?.clone();
            let outcome = wait(&scheduler::scheduler()?, async move { core.response().await })?;
            // Another fiber may have waited, too: the response was the first one's.
            let first = this.outcome.borrow().clone();
            let outcome = first.unwrap_or(outcome);
            this.outcome.replace(Some(outcome.clone()));
            outcome
        }
    };
    response(this.stream.core()?.method(), &outcome, this.stream.decoder())
}
