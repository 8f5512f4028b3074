//! `Viaduct\RequestStream`

use std::cell::Cell;
use std::task::Poll;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use viaduct::codec::Message;
use viaduct::reactor::fork::Bound;
use viaduct::server::ServerCall;
use viaduct::{Code, Status};

use super::interfaces::REQUEST_STREAM_INTERFACE;
use super::iteration::{HasMessages, Iteration, iterator_methods};
use super::testing::TestRequests;
use crate::errors::{self, Thrown};
use crate::message::Decoder;
use crate::scheduler::{self, wait};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::iterator::Installed;
use crate::zend::object::ObjectBox;

/// The messages that a client streams to a handler.
pub(crate) struct RequestStream {
    source: Source,
    decoder: Cell<Decoder>,
    iteration: Iteration,
}

enum Source {
    Call(Bound<ServerCall>),
    /// `Viaduct\Testing` made it.
    Test(TestRequests),
}

rust_class!(RequestStream, "Viaduct\\RequestStream", implements(REQUEST_STREAM_INTERFACE));

impl RequestStream {
    pub(crate) fn new(call: Bound<ServerCall>, decoder: Decoder) -> Self {
        Self { source: Source::Call(call), decoder: Cell::new(decoder), iteration: Iteration::default() }
    }

    pub(crate) fn test(requests: TestRequests) -> Self {
        Self {
            source: Source::Test(requests),
            decoder: Cell::new(Decoder::Strings),
            iteration: Iteration::default(),
        }
    }

    /// The next message; `None` once the client half-closed.
    fn next(&self) -> Result<Result<Option<Message>, Status>, Thrown> {
        let call = match &self.source {
            Source::Call(call) => call,
            Source::Test(requests) => {
                return Ok(match requests.messages.borrow_mut().pop_front() {
                    Some(message) => Ok(Some(message)),
                    None if requests.end.code() == Code::Ok => Ok(None),
                    None => Err(requests.end.clone()),
                });
            }
        };
        let Some(call) = call.get() else {
            return Err(errors::logic("the call belongs to the process before the fork"));
        };
        match call.try_recv() {
            Poll::Ready(received) => Ok(received),
            Poll::Pending => {
                let call = call.clone();
                wait(&scheduler::scheduler()?, async move { call.recv().await })
            }
        }
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
        match self.next()? {
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
