//! A server's handlers, and the threads that run them where it has some.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::callback::{Finalised, Userdata, call_out};
use super::completion::{Event, viaduct_event_kind::VIADUCT_EVENT_CALL};
use super::error::{Error, VIADUCT_RESULT_SYSTEM};
use super::handle;
use super::queue::Queue;
use super::runtime::Runtime;
use super::server::viaduct_method_kind;
use super::server_call::viaduct_server_call;
use crate::reactor::fork;
use crate::server::{Incoming, Place};

type Function = unsafe extern "C" fn(*mut c_void, *mut viaduct_server_call);

/// Who gets the calls of a method.
#[derive(Debug)]
pub(super) enum Handler {
    /// A function, and what it is given.
    Callback(Function, Finalised),
    /// A queue.
    Queue(Arc<Queue>, Userdata),
}

/// The handlers by the router's numbers.
#[derive(Debug, Default)]
pub(super) struct Handlers {
    methods: Vec<(viaduct_method_kind, Arc<Handler>)>,
    work: Option<Arc<Work>>,
}

impl Handlers {
    pub(super) fn push(&mut self, kind: viaduct_method_kind, handler: Handler) {
        self.methods.push((kind, Arc::new(handler)));
    }

    pub(super) fn use_pool(&mut self, pool: Option<&Pool>) {
        self.work = pool.map(|pool| Arc::clone(&pool.work));
    }

    /// Gives a call to its handler.
    pub(super) fn run(&self, incoming: Incoming, place: Place, runtime: Arc<Runtime>) {
        // The server is being freed where it is not there.
        let Some((kind, handler)) = self.methods.get(incoming.method as usize) else { return };
        let call = viaduct_server_call::new(incoming, *kind, runtime);
        match (&**handler, &self.work) {
            (Handler::Queue(queue, userdata), _) => {
                queue.push(Event { call: Some(call), ..Event::new(VIADUCT_EVENT_CALL) }, *userdata);
            }
            (Handler::Callback(..), Some(work)) => work.add(Arc::clone(handler), call, place),
            (Handler::Callback(function, own), None) => {
                // Whatever it does must not wait: it holds up the runtime.
                call_out(|| begin(*function, own.userdata, call));
            }
        }
    }
}

fn begin(function: Function, userdata: Userdata, call: viaduct_server_call) {
    let call = handle::give(call);
    // SAFETY: the C program gave function and pointer for each other, and owns the call from here.
    unsafe { function(userdata.0, call) };
}

/// Calls that wait for a thread.
#[derive(Debug, Default)]
struct Work {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    calls: VecDeque<(Arc<Handler>, viaduct_server_call, Place)>,
    stopped: bool,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, handler: Arc<Handler>, call: viaduct_server_call, place: Place) {
        self.lock().calls.push_back((handler, call, place));
        self.more.notify_one();
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return;
            }
            let Some((handler, call, place)) = state.calls.pop_front() else {
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            if let Handler::Callback(function, own) = &*handler {
                begin(*function, own.userdata, call);
            }
            drop((handler, place));
            state = self.lock();
        }
    }
}

/// Threads that run handlers, which may wait there.
#[derive(Debug)]
pub(super) struct Pool {
    work: Arc<Work>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// So many threads; `None` where there are to be none.
    pub(super) fn start(threads: usize) -> Result<Option<Self>, Error> {
        if threads == 0 {
            return Ok(None);
        }
        let mut pool = Self { work: Arc::default(), threads: Vec::with_capacity(threads) };
        for _ in 0..threads {
            let work = Arc::clone(&pool.work);
            let builder = thread::Builder::new().name("viaduct-handler".into());
            let thread = fork::without_signals(|| builder.spawn(move || work.run())).map_err(|error| {
                Error::new(VIADUCT_RESULT_SYSTEM, format!("no thread for handlers can be started: {error}"))
            })?;
            pool.threads.push(thread);
        }
        Ok(Some(pool))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.work.lock();
        state.stopped = true;
        // They are answered by being dropped.
        let left = std::mem::take(&mut state.calls);
        drop(state);
        drop(left);
        self.work.more.notify_all();
        let own = thread::current().id();
        if !self.threads.iter().any(|thread| thread.thread().id() == own) {
            for thread in self.threads.drain(..) {
                // A panic there has been printed.
                let _ = thread.join();
            }
        }
    }
}
