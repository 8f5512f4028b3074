//! `Viaduct\RequestStream`

use std::cell::Cell;
use std::task::Poll;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ce;
use viaduct::Code;
use viaduct::reactor::fork::Bound;
use viaduct::server::ServerCall;

use super::iteration::{HasMessages, Iteration, iterator_methods};
use crate::errors::{self, Thrown};
use crate::message::Decoder;
use crate::scheduler::{self, wait};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::iterator::Installed;
use crate::zend::object::ObjectBox;

/// The messages that a client streams to a handler.
pub(crate) struct RequestStream {
    call: Bound<ServerCall>,
    decoder: Cell<Decoder>,
    iteration: Iteration,
}

rust_class!(RequestStream, "Viaduct\\RequestStream", implements(ce::iterator, "Iterator"));

impl RequestStream {
    pub(crate) fn new(call: Bound<ServerCall>, decoder: Decoder) -> Self {
        Self { call, decoder: Cell::new(decoder), iteration: Iteration::default() }
    }
}

impl HasMessages for RequestStream {
    fn of<'a>(call: Call<'a>) -> Result<&'a Self, Thrown> {
        call.this::<Self>()
    }

    fn installed() -> &'static Installed {
        static INSTALLED: Installed = Installed::new();
        &INSTALLED
    }

    fn iteration(&self) -> &Iteration {
        &self.iteration
    }

    fn receive(&self) -> Result<Option<Zval>, Thrown> {
        let Some(call) = self.call.get() else {
            return Err(errors::logic("the call belongs to the process before the fork"));
        };
        let received = match call.try_recv() {
            Poll::Ready(received) => received,
            Poll::Pending => {
                let call = call.clone();
                wait(&scheduler::scheduler()?, async move { call.recv().await })?
            }
        };
        match received {
            Ok(Some(message)) => self.decoder.get().decode(&message, "request").map(Some),
            Ok(None) => Ok(None),
            Err(status) if matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded) => {
                Err(errors::cancelled_exception(&status, &http::HeaderMap::new()))
            }
            Err(status) => Err(errors::rpc_exception(&status, &http::HeaderMap::new())),
        }
    }
}

impl Class for RequestStream {
    fn methods() -> Methods {
        let of = FunctionBuilder::new("as", handler!(of_class))
            .arg(Arg::new("messageClass", DataType::String))
            .returns(DataType::object("Viaduct\\RequestStream"), false, false);
        let mut methods = vec![(of, MethodFlags::Public)];
        methods.extend(iterator_methods!(RequestStream));
        methods
    }
}

fn of_class(call: Call<'_>) -> Result<ObjectBox, Thrown> {
    let a = call.arguments(1..=1)?;
    let decoder = Decoder::for_class(Some(a.get(0)?), "messageClass")?;
    call.this::<RequestStream>()?.decoder.set(decoder);
    Ok(call.object()?.share())
}
