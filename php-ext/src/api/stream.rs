//! What the three classes of streaming calls have in common.

use ext_php_rs::flags::DataType;
use ext_php_rs::types::Zval;
use http::HeaderMap;
use viaduct::client::{Call as Core, Channel};
use viaduct::codec::Encoding;
use viaduct::reactor::fork::Bound;
use viaduct::{Code, Status};

use super::iteration::Iteration;
use super::{arguments, status};
use crate::errors::{self, Thrown};
use crate::message::{Decoder, payload};
use crate::metadata;
use crate::scheduler::{self, wait};
use crate::zend::call::Call;
use crate::zend::object::ObjectBox;
use crate::zend::string;

/// A streaming call. In a forked child it is over.
pub(crate) struct Stream {
    channel: Channel,
    call: Bound<Core>,
    decoder: Decoder,
    encoding: Option<Encoding>,
    pub(crate) iteration: Iteration,
}

/// How calls that were inherited through `fork` end.
pub(crate) fn inherited() -> Status {
    Status::unavailable("the call was made before the fork and belongs to the parent process")
}

impl Stream {
    pub(crate) fn new(channel: Channel, call: Core, decoder: Decoder, encoding: Option<Encoding>) -> Self {
        Self { channel, call: Bound::new(call), decoder, encoding, iteration: Iteration::default() }
    }

    pub(crate) fn core(&self) -> Result<&Core, Thrown> {
        self.call.get().ok_or_else(|| errors::rpc_exception(&inherited(), &HeaderMap::new()))
    }

    pub(crate) fn decoder(&self) -> Decoder {
        self.decoder
    }

    /// The next message; `None` at the end of a stream that ended Ok.
    pub(crate) fn receive(&self) -> Result<Option<Zval>, Thrown> {
        let call = self.core()?;
        let message = match call.try_recv() {
            Some(message) => Some(message),
            None => {
                let call = call.clone();
                wait(&scheduler::scheduler()?, async move { call.recv().await })?
            }
        };
        match message {
            Some(message) => self.decoder.decode(&message, "response").map(Some),
            None => match call.end() {
                Some((status, trailers)) if status.code() != Code::Ok => {
                    Err(errors::rpc_exception(status, trailers))
                }
                _ => Ok(None),
            },
        }
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: &Zval) -> Result<(), Thrown> {
        let message = payload(message, "message")?;
        let framed = arguments::frame(&self.channel, message.as_bytes(), self.encoding)?;
        let call = self.core()?;
        let scheduler = scheduler::scheduler()?;
        let sent = match call.try_send(framed) {
            Ok(None) => {
                scheduler.nudge();
                Ok(())
            }
            Ok(Some(framed)) => {
                let call = call.clone();
                wait(&scheduler, async move { call.send(framed).await })?
            }
            Err(closed) => Err(closed),
        };
        if sent.is_ok() {
            return Ok(());
        }
        // The status says why; responses that are still to be read stay.
        let theirs = call.clone();
        let (status, trailers) = wait(&scheduler, async move { theirs.wait_end().await })?;
        match status.code() {
            Code::Ok => Ok(()),
            _ => Err(errors::rpc_exception(&status, &trailers)),
        }
    }
}

/// A class that is a streaming call.
pub(crate) trait HasStream {
    fn stream<'a>(call: Call<'a>) -> Result<&'a Stream, Thrown>;
}

/// The methods that every streaming call has: `common_methods!(ClientStream)`.
macro_rules! common_methods {
    ($type:ty) => {{
        use $crate::api::iteration::method;
        use $crate::api::stream;
        vec![
            method("headers", handler!(stream::headers::<$type>), DataType::Array, false),
            method("trailers", handler!(stream::trailers::<$type>), DataType::Array, false),
            method("status", handler!(stream::status_of::<$type>), stream::STATUS, true),
            method("peer", handler!(stream::peer::<$type>), DataType::String, false),
            method("cancel", handler!(stream::cancel::<$type>), DataType::Void, false),
        ]
    }};
}
pub(super) use common_methods;

pub(super) const STATUS: DataType = DataType::object("Viaduct\\Status");

pub(super) fn headers<T: HasStream>(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let core = T::stream(call)?.core()?.clone();
    let headers = match core.headers() {
        Some(headers) => headers.clone(),
        None => wait(&scheduler::scheduler()?, async move { core.wait_headers().await })?,
    };
    Ok(metadata::to_php(&headers))
}

pub(super) fn trailers<T: HasStream>(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let core = T::stream(call)?.core()?;
    let none = HeaderMap::new();
    Ok(metadata::to_php(core.end().map_or(&none, |(_, trailers)| trailers)))
}

pub(super) fn status_of<T: HasStream>(call: Call<'_>) -> Result<Option<Zval>, Thrown> {
    call.no_arguments()?;
    let object = |status: &Status| status::object_of(status).map(ObjectBox::into_value);
    match T::stream(call)?.call.get() {
        None => object(&inherited()).map(Some),
        Some(core) => core.end().map(|(status, _)| object(status)).transpose(),
    }
}

pub(super) fn peer<T: HasStream>(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let stream = T::stream(call)?;
    Ok(match stream.call.get() {
        Some(core) => string(core.peer().as_bytes()),
        None => string(stream.channel.target().text.as_bytes()),
    })
}

pub(super) fn cancel<T: HasStream>(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    if let Some(core) = T::stream(call)?.call.get() {
        core.cancel();
        scheduler::scheduler()?.nudge();
    }
    Ok(())
}
