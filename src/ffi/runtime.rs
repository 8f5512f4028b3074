//! The runtime: the thread that moves the bytes.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;

use super::callback::{is_inside, may_wait};
use super::completion::poll_once;
use super::error::{
    Error, VIADUCT_RESULT_FORKED, VIADUCT_RESULT_SYSTEM, VIADUCT_RESULT_TIMEOUT, viaduct_result,
};
use super::fence::{fenced, free};
use super::handle::{self, Object};
use super::input::{Out, zero};
use crate::reactor::Reactor;

/// A thread that moves the bytes of channels and servers, and runs callbacks.
///
/// One is enough for a process. Channels, calls and servers keep it running: it ends when it and the
/// last of them have been freed. Any thread may use it.
pub struct viaduct_runtime(Arc<Runtime>);

impl Object for viaduct_runtime {
    const KIND: u8 = handle::RUNTIME;
}

impl viaduct_runtime {
    pub(super) fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.0)
    }
}

/// What the handles share. Tasks never hold it: it cannot be dropped by its own thread's hand.
#[derive(Debug)]
pub(super) struct Runtime {
    reactor: ManuallyDrop<Reactor>,
}

impl Runtime {
    fn new() -> Result<Self, Error> {
        let reactor = Reactor::threaded().map_err(|error| {
            Error::new(VIADUCT_RESULT_SYSTEM, format!("no runtime can be started: {error}"))
        })?;
        // Whoever came to wait before the thread drives would drive in its place, and run handlers.
        if let Some(handle) = reactor.handle() {
            let (tell, told) = std::sync::mpsc::channel();
            handle.spawn(async move { tell.send(()) });
            let _ = told.recv();
        }
        Ok(Self { reactor: ManuallyDrop::new(reactor) })
    }

    /// The way to start tasks.
    pub(super) fn handle(&self) -> Result<&Handle, Error> {
        self.reactor.handle().ok_or_else(|| {
            Error::new(
                VIADUCT_RESULT_FORKED,
                "the runtime was made before a fork; in the child make a new one",
            )
        })
    }

    /// Waits for `work` on this thread: for ever, or up to `patience`. What is ready at once is given
    /// inside a callback, too.
    pub(super) fn wait<F: Future>(&self, patience: Option<Duration>, work: F) -> Result<F::Output, Error> {
        let handle = self.handle()?;
        // It stays where it is: what is given on is an address.
        let work = pin!(work);
        let too_long = || Error::new(VIADUCT_RESULT_TIMEOUT, "it did not happen within the given time");
        if is_inside() || patience.is_some_and(|span| span.is_zero()) {
            let _inside = handle.enter();
            return match poll_once(work) {
                Poll::Ready(done) => Ok(done),
                Poll::Pending => {
                    if patience.is_none_or(|span| !span.is_zero()) {
                        may_wait()?;
                    }
                    Err(too_long())
                }
            };
        }
        self.reactor.block_on(async move {
            match patience {
                None => Ok(work.await),
                Some(span) => tokio::time::timeout(span, work).await.map_err(|_| too_long()),
            }
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: it is taken here and nowhere else, and not used after.
        let reactor = unsafe { ManuallyDrop::take(&mut self.reactor) };
        if is_inside() || Handle::try_current().is_ok() {
            // This may be its own thread, which cannot wait for itself.
            let end = std::thread::Builder::new().name("viaduct-end".into());
            // Without a thread for it, it is dropped here, and its thread left alone after 100 ms.
            let _ = end.spawn(move || drop(reactor));
        }
    }
}

/// Starts a runtime. The caller frees it with `viaduct_runtime_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_SYSTEM where the system gives no thread or
/// descriptor.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_runtime_new(runtime: *mut *mut viaduct_runtime) -> viaduct_result {
    zero(runtime);
    fenced(|| {
        let place = Out::new(runtime, "the runtime")?;
        place.set(handle::give(viaduct_runtime(Arc::new(Runtime::new()?))));
        Ok(())
    })
}

/// Frees a runtime. NULL is fine. It goes on as long as there are channels, calls or servers of it;
/// freeing the last of these waits for its thread, up to 100 ms.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_runtime_free(runtime: *mut viaduct_runtime) -> viaduct_result {
    free(runtime)
}
