//! `Viaduct\Context`

use std::cell::RefCell;
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

use crate::errors::{self, Thrown};
use crate::metadata;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::string;

/// What a handler knows and says beside its messages.
pub(crate) struct Context {
    call: Bound<ServerCall>,
    /// Shared with the job that ends the call.
    trailers: Rc<RefCell<HeaderMap>>,
}

rust_class!(Context, "Viaduct\\Context");

impl Context {
    pub(crate) fn new(call: Bound<ServerCall>, trailers: Rc<RefCell<HeaderMap>>) -> Self {
        Self { call, trailers }
    }

    fn call(&self) -> Result<&ServerCall, Thrown> {
        self.call.get().ok_or_else(|| errors::logic("the call belongs to the process before the fork"))
    }
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
    Ok(string(call.this::<Context>()?.call()?.path().as_bytes()))
}

fn peer(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(string(call.this::<Context>()?.call()?.peer().as_bytes()))
}

fn authority(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(string(call.this::<Context>()?.call()?.authority().as_bytes()))
}

fn metadata_of(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(metadata::to_php(call.this::<Context>()?.call()?.headers()))
}

fn deadline(call: Call<'_>) -> Result<Option<f64>, Thrown> {
    let remaining = time_remaining(call)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(remaining.map(|remaining| now.as_secs_f64() + remaining))
}

fn time_remaining(call: Call<'_>) -> Result<Option<f64>, Thrown> {
    call.no_arguments()?;
    let deadline = call.this::<Context>()?.call()?.deadline();
    Ok(deadline.map(|deadline| deadline.remaining().as_secs_f64()))
}

fn is_cancelled(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    Ok(call.this::<Context>()?.call()?.is_cancelled())
}

fn send_headers(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let headers = metadata::from_php(a.get::<&ZendHashTable>(0)?, "metadata")?;
    let core = call.this::<Context>()?.call()?;
    match core.send_headers(headers) {
        Ok(()) => Ok(()),
        // Nothing that is sent arrives any more, and the handler will learn it.
        Err(_) if core.is_cancelled() => Ok(()),
        Err(why @ Refused::HeadersTooLong { .. }) => {
            Err(errors::rpc_exception(&Status::resource_exhausted(why.to_string()), &HeaderMap::new()))
        }
        Err(_) => Err(errors::logic("the headers of this call have been sent already")),
    }
}

fn set_trailers(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let trailers = metadata::from_php(a.get::<&ZendHashTable>(0)?, "metadata")?;
    call.this::<Context>()?.trailers.replace(trailers);
    Ok(())
}
