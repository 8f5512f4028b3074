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
use crate::batch::Batch;
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
    /// The call, and what it has not sent yet.
    live: Bound<(Core, Batch<Core>)>,
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
        let batch = Batch::new(call.clone());
        let live = Bound::new((call, batch));
        Self { channel, live, decoder, encoding, iteration: Iteration::default() }
    }

    fn live(&self) -> Result<&(Core, Batch<Core>), Thrown> {
        self.live.get().ok_or_else(|| errors::rpc_exception(&inherited(), &HeaderMap::new()))
    }

    pub(crate) fn core(&self) -> Result<&Core, Thrown> {
        self.live().map(|(call, _)| call)
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
            None => match call.tell() {
                Some((status, trailers)) if status.code() != Code::Ok => {
                    Err(errors::call_exception(call.method().as_str(), status, trailers))
                }
                _ => Ok(None),
            },
        }
    }

    /// Sends what has been gathered and half-closes.
    pub(crate) fn half_close(&self) -> Result<(), Thrown> {
        let (call, batch) = self.live()?;
        if batch.flush() == Ok(false) {
            let scheduler = scheduler::scheduler()?;
            batch.schedule(&scheduler.reactor);
            wait(&scheduler, batch.emptied())?;
        }
        call.half_close();
        Ok(())
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: &Zval) -> Result<(), Thrown> {
        let message = payload(message, "message")?;
        let (call, batch) = self.live()?;
        let framed = arguments::frame(&self.channel, call.method(), message.as_bytes(), self.encoding)?;
        let scheduler = scheduler::scheduler()?;
        let mut sent = batch.push(framed);
        // Alone it leaves at once; in a row it waits for those that follow.
        if sent.is_ok() && scheduler.is_due() {
            sent = batch.flush();
            scheduler.nudge();
        }
        if sent.is_ok() {
            batch.schedule(&scheduler.reactor);
            if sent == Ok(false) {
                wait(&scheduler, batch.emptied())?;
            }
            return Ok(());
        }
        // The status says why; responses that are still to be read stay.
        let theirs = call.clone();
        let (status, trailers) = wait(&scheduler, async move { theirs.wait_end().await })?;
        let status = match status.code() {
            Code::Ok => Status::ok("the server has ended the call with OK; the message was not sent"),
            _ => status,
        };
        Err(errors::call_exception(call.method().as_str(), &status, &trailers))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Nobody will read the rest; a task that still sends for the call must not keep it.
        if let Some((call, _)) = self.live.get() {
            call.cancel();
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
    Ok(metadata::to_php(core.tell().map_or(&none, |(_, trailers)| trailers)))
}

pub(super) fn status_of<T: HasStream>(call: Call<'_>) -> Result<Option<Zval>, Thrown> {
    call.no_arguments()?;
    let object = |status: &Status| status::object_of(status).map(ObjectBox::into_value);
    match T::stream(call)?.live.get() {
        None => object(&inherited()).map(Some),
        Some((core, _)) => core.tell().map(|(status, _)| object(status)).transpose(),
    }
}

pub(super) fn peer<T: HasStream>(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let stream = T::stream(call)?;
    Ok(match stream.live.get() {
        Some((core, _)) => string(core.peer().as_bytes()),
        None => string(stream.channel.target().text.as_bytes()),
    })
}

pub(super) fn cancel<T: HasStream>(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    if let Some((core, _)) = T::stream(call)?.live.get() {
        core.cancel();
        scheduler::scheduler()?.nudge();
    }
    Ok(())
}
