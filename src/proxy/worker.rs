//! The threads that carry the traffic.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::reactor::fork;

/// A thread with a runtime of its own.
#[derive(Debug)]
pub(super) struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// # Errors
    ///
    /// The system gives no thread or no epoll instance.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        Self::named(&format!("viaduct-proxy-{number}"))
    }

    /// As [`start`](Self::start), for something else than traffic.
    pub(super) fn named(name: &str) -> io::Result<Self> {
        let runtime = build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = fork::without_signals(|| {
            start_thread(name, move || {
                // An error means that the owner is gone, which is as good.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits on the calling thread for what runs on this one.
    pub(super) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = std::sync::mpsc::channel();
        self.handle.spawn(async move {
            // Nobody waits any more: then nobody needs it.
            let _ = tell.send(future.await);
        });
        told.recv().ok()
    }

    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            let _ = stop.send(());
        }
        // It cannot wait for itself, where a task of whoever embeds the proxy lets go of it.
        let own = std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != own) {
            // A panic there has been printed by then.
            let _ = thread.join();
        }
    }
}

/// A runtime of its own frame, by which valgrind knows what it holds: tests-php/valgrind.supp.
#[inline(never)]
fn build() -> io::Result<Runtime> {
    // It has no blocking threads: nothing here needs one, and its end would wait for them.
    Builder::new_current_thread().enable_all().build()
}

/// The thread, in a frame of its own, too.
#[inline(never)]
fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}
