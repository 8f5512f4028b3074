//! `Viaduct\UnaryCall`

use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use http::HeaderMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use viaduct::Status;
use viaduct::client::{Channel, Method, Outcome};
use viaduct::reactor::fork::Bound;

use super::arguments::CallArguments;
use super::channel::response;
use super::interfaces::UNARY_CALL_INTERFACE;
use super::status;
use crate::errors::Thrown;
use crate::message::Decoder;
use crate::metadata;
use crate::scheduler::{self, Scheduler, wait};
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::object::ObjectBox;
use crate::zend::string;

/// A call that was started.
pub(crate) struct UnaryCall {
    pending: Bound<Arc<Pending>>,
    method: Method,
    decoder: Decoder,
    target: Box<str>,
}

/// What the task of the call and those who wait for it share.
struct Pending {
    outcome: OnceLock<Outcome>,
    /// Whether PHP was told of the outcome.
    told: AtomicBool,
    /// What it is where PHP cancelled the call before that.
    cancelled: OnceLock<Outcome>,
    ended: Notify,
    task: OnceLock<AbortHandle>,
}

rust_class!(UnaryCall, "Viaduct\\UnaryCall", implements(UNARY_CALL_INTERFACE));

impl Class for UnaryCall {
    fn methods() -> Methods {
        let method = |name, handler, of| FunctionBuilder::new(name, handler).returns(of, false, false);
        let public = MethodFlags::Public;
        vec![
            (method("wait", handler!(wait_for_response), DataType::Mixed), public),
            (method("done", handler!(done), DataType::Bool), public),
            (method("headers", handler!(headers), DataType::Array), public),
            (method("trailers", handler!(trailers), DataType::Array), public),
            (method("status", handler!(status_of), DataType::object("Viaduct\\Status")), public),
            (method("peer", handler!(peer), DataType::String), public),
            (method("cancel", handler!(cancel), DataType::Void), public),
        ]
    }
}

impl UnaryCall {
    /// Starts the call.
    pub(crate) fn start(
        scheduler: &Rc<Scheduler>,
        channel: Channel,
        arguments: CallArguments,
        framed: Bytes,
    ) -> Self {
        let CallArguments { method, decoder, options } = arguments;
        let target = channel.target().text.as_str().into();
        let pending = Arc::new(Pending {
            outcome: OnceLock::new(),
            told: AtomicBool::new(false),
            cancelled: OnceLock::new(),
            ended: Notify::new(),
            task: OnceLock::new(),
        });
        let theirs = Arc::clone(&pending);
        let called = method.clone();
        // Spawned from inside: no wake-up across threads.
        let task = scheduler.reactor.block_on(async {
            tokio::spawn(async move { theirs.end(channel.unary(called, framed, options).await) })
                .abort_handle()
        });
        let _ = pending.task.set(task);
        scheduler.nudge();
        Self { pending: Bound::new(pending), method, decoder, target }
    }

    /// Waits for the end of the call, and returns how it ended.
    pub(crate) fn outcome(&self) -> Result<Outcome, Thrown> {
        let Some(pending) = self.pending.get() else { return Ok(self.inherited()) };
        if let Some(outcome) = pending.tell() {
            return Ok(outcome.clone());
        }
        let theirs = Arc::clone(pending);
        let outcome = wait(&scheduler::scheduler()?, async move { theirs.wait().await })?;
        // Another fiber may have cancelled it meanwhile.
        Ok(pending.tell().cloned().unwrap_or(outcome))
    }

    /// The response, or the exception for the status.
    pub(crate) fn response(&self) -> Result<Zval, Thrown> {
        response(&self.method, &self.outcome()?, self.decoder)
    }

    fn inherited(&self) -> Outcome {
        ended(self.target.as_ref().into(), super::stream::inherited())
    }
}

fn ended(peer: Arc<str>, status: Status) -> Outcome {
    Outcome { headers: HeaderMap::new(), message: None, status, trailers: HeaderMap::new(), peer }
}

impl Pending {
    /// The outcome, once it is there, for PHP. It stays what it is from then on.
    fn tell(&self) -> Option<&Outcome> {
        let outcome = self.cancelled.get().or_else(|| self.outcome.get())?;
        self.told.store(true, Relaxed);
        Some(outcome)
    }

    fn end(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_ok() {
            self.ended.notify_waiters();
        }
    }

    async fn wait(&self) -> Outcome {
        loop {
            let mut changed = std::pin::pin!(self.ended.notified());
            changed.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            changed.await;
        }
    }
}

impl Drop for UnaryCall {
    /// Nobody can ask for the outcome any more: dropping the task's future resets the stream.
    fn drop(&mut self) {
        // The task has its share of `Pending`, so this cannot wait for the last one to go.
        if let Some(task) = self.pending.get().and_then(|pending| pending.task.get()) {
            task.abort();
        }
    }
}

fn wait_for_response(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    call.this::<UnaryCall>()?.response()
}

fn done(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    let this = call.this::<UnaryCall>()?;
    Ok(this.pending.get().is_none_or(|pending| pending.tell().is_some()))
}

fn headers(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(metadata::to_php(&call.this::<UnaryCall>()?.outcome()?.headers))
}

fn trailers(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(metadata::to_php(&call.this::<UnaryCall>()?.outcome()?.trailers))
}

fn status_of(call: Call<'_>) -> Result<ObjectBox, Thrown> {
    call.no_arguments()?;
    status::object_of(&call.this::<UnaryCall>()?.outcome()?.status)
}

fn peer(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    let this = call.this::<UnaryCall>()?;
    let ended = this.pending.get().and_then(|pending| pending.outcome.get());
    Ok(string(ended.map_or(&*this.target, |outcome| &*outcome.peer).as_bytes()))
}

fn cancel(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let this = call.this::<UnaryCall>()?;
    let Some(pending) = this.pending.get() else { return Ok(()) };
    let status = Status::cancelled("the call was cancelled by this side");
    let cancelled = ended(this.target.as_ref().into(), status);
    if pending.outcome.get().is_none() {
        // Dropping the task's future resets the stream.
        if let Some(task) = pending.task.get() {
            task.abort();
        }
        pending.end(cancelled);
        scheduler::scheduler()?.nudge();
    } else if !pending.told.load(Relaxed) {
        let _ = pending.cancelled.set(cancelled);
    }
    Ok(())
}
