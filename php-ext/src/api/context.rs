//! `Viaduct\Context`

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendHashTable, Zval};
use http::HeaderMap;
use viaduct::Status;
use viaduct::reactor::fork::Bound;
use viaduct::server::{Refused, ServerCall};

use super::interfaces::CONTEXT_INTERFACE;
use super::testing::TestCall;
use crate::errors::{self, Thrown};
use crate::metadata;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::string;

/// What a handler knows and says beside its messages.
pub(crate) struct Context {
    source: Source,
    /// Shared with the job that ends the call.
    trailers: Rc<RefCell<HeaderMap>>,
}

enum Source {
    Call(Bound<ServerCall>),
    /// `Viaduct\Testing` made it.
    Test(Box<TestCall>),
}

/// The same of a call and of a test's.
macro_rules! either {
    ($context:expr, $call:ident => $of_call:expr, $test:ident => $of_test:expr) => {
        match &$context.source {
            Source::Call(call) => {
                let $call = live(call)?;
                $of_call
            }
            Source::Test($test) => $of_test,
        }
    };
}

rust_class!(Context, "Viaduct\\Context", implements(CONTEXT_INTERFACE));

impl Context {
    pub(crate) fn new(call: Bound<ServerCall>, trailers: Rc<RefCell<HeaderMap>>) -> Self {
        Self { source: Source::Call(call), trailers }
    }

    pub(crate) fn test(call: TestCall) -> Self {
        Self { source: Source::Test(Box::new(call)), trailers: Rc::default() }
    }

    pub(crate) fn as_test(&self) -> Option<&TestCall> {
        match &self.source {
            Source::Test(call) => Some(call),
            Source::Call(_) => None,
        }
    }

    pub(crate) fn trailers(&self) -> Ref<'_, HeaderMap> {
        self.trailers.borrow()
    }
}

fn live(call: &Bound<ServerCall>) -> Result<&ServerCall, Thrown> {
    call.get().ok_or_else(|| errors::logic("the call belongs to the process before the fork"))
}

impl Class for Context {
    fn methods() -> Methods {
        let public = MethodFlags::Public;
        let get = |name, handler, of, nullable| {
            (FunctionBuilder::new(name, handler).returns(of, false, nullable), public)
        };
        let set = |name, handler| {
            (
                FunctionBuilder::new(name, handler).arg(Arg::new("metadata", DataType::Array)).returns(
                    DataType::Void,
                    false,
                    false,
                ),
                public,
            )
        };
        vec![
            get("method", handler!(method), DataType::String, false),
            get("peer", handler!(peer), DataType::String, false),
            get("authority", handler!(authority), DataType::String, false),
            get("metadata", handler!(metadata_of), DataType::Array, false),
            get("deadline", handler!(deadline), DataType::Double, true),
            get("timeRemaining", handler!(time_remaining), DataType::Double, true),
            get("isCancelled", handler!(is_cancelled), DataType::Bool, false),
            set("sendHeaders", handler!(send_headers)),
            set("setTrailers", handler!(set_trailers)),
        ]
    }
}

fn method(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Context>()?;
    Ok(string(either!(this, call => call.path(), test => test.method.as_str()).as_bytes()))
}

fn peer(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Context>()?;
    Ok(string(either!(this, call => call.peer(), test => test.peer.clone()).as_bytes()))
}

fn authority(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Context>()?;
    Ok(string(either!(this, call => call.authority(), test => test.authority.as_str()).as_bytes()))
}

fn metadata_of(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Context>()?;
    Ok(metadata::to_php(either!(this, call => call.headers(), test => &test.metadata)))
}

fn deadline(call: Call<'_>) -> Result<Option<f64>, Thrown> {
    let remaining = time_remaining(call)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(remaining.map(|remaining| now.as_secs_f64() + remaining))
}

fn time_remaining(call: Call<'_>) -> Result<Option<f64>, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Context>()?;
    let deadline = either!(this, call => call.deadline(), test => test.deadline);
    Ok(deadline.map(|deadline| deadline.remaining().as_secs_f64()))
}

fn is_cancelled(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Context>()?;
    Ok(either!(this, call => call.is_cancelled(), test => test.is_cancelled()))
}

fn send_headers(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let headers = metadata::from_php(a.get::<&ZendHashTable>(0)?, "metadata")?;
    let this = call.this::<Context>()?;
    let twice = || errors::logic("the headers of this call have been sent already");
    either!(this,
        call => match call.send_headers(headers) {
            Ok(()) => Ok(()),
            // Nothing that is sent arrives any more, and the handler will learn it.
            Err(_) if call.is_cancelled() => Ok(()),
            Err(why @ Refused::HeadersTooLong { .. }) => {
                Err(errors::rpc_exception(&Status::resource_exhausted(why.to_string()), &HeaderMap::new()))
            }
            Err(_) => Err(twice()),
        },
        test => match &mut *test.headers.borrow_mut() {
            _ if test.is_cancelled() => Ok(()),
            Some(_) => Err(twice()),
            sent => {
                *sent = Some(headers);
                Ok(())
            }
        }
    )
}

fn set_trailers(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let trailers = metadata::from_php(a.get::<&ZendHashTable>(0)?, "metadata")?;
    call.this::<Context>()?.trailers.replace(trailers);
    Ok(())
}
