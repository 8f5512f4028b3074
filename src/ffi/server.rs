//! Servers: handlers by path, run on the runtime's thread, on threads of their own, or by whoever takes
//! calls from a queue.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::task::AbortHandle;

use super::callback::{Finalised, Userdata, is_inside, viaduct_finaliser};
use super::completion::{
    Completion, Event, start, viaduct_completion, viaduct_event_kind::VIADUCT_EVENT_DRAINED,
};
use super::credentials::viaduct_server_credentials;
use super::error::{
    Error, VIADUCT_RESULT_INVALID_ARGUMENT, VIADUCT_RESULT_NULL, VIADUCT_RESULT_SYSTEM,
    VIADUCT_RESULT_WRONG_STATE, c_string, viaduct_result,
};
use super::fence::{free, with};
use super::handle::{self, Object};
use super::handlers::{Handler, Handlers, Pool};
use super::input::{Out, invalid, options, patience, text, zero};
use super::queue::viaduct_queue;
use super::runtime::{Runtime, viaduct_runtime};
use super::server_call::viaduct_server_call;
use super::server_options::viaduct_server_options;
use crate::reactor;
use crate::server::{Inbox, ListenError, Listener, RequestShape, Router, Server, ServerConfig, ServerHandle};

/// How many messages a method's requests and responses have.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_method_kind {
    /// One request, one response.
    VIADUCT_UNARY = 0,
    /// One request, any number of responses.
    VIADUCT_SERVER_STREAMING = 1,
    /// Any number of requests, one response.
    VIADUCT_CLIENT_STREAMING = 2,
    /// Any number of both.
    VIADUCT_BIDI_STREAMING = 3,
}

use viaduct_method_kind::*;

/// A function that gets a call. It owns the call: it frees it with `viaduct_server_call_free`, or somebody
/// else does so later, on any thread, once the call has been answered.
pub type viaduct_handler =
    Option<unsafe extern "C" fn(userdata: *mut c_void, call: *mut viaduct_server_call)>;

/// A server. Any number of threads may use it at once.
pub struct viaduct_server {
    runtime: Arc<Runtime>,
    state: Mutex<State>,
    threads: usize,
}

impl Object for viaduct_server {
    const KIND: u8 = handle::SERVER;
}

enum State {
    Building {
        config: Box<ServerConfig>,
        router: Router,
        handlers: Handlers,
        listeners: Vec<Listener>,
    },
    Running {
        server: ServerHandle,
        dispatch: AbortHandle,
        handlers: Arc<Mutex<Handlers>>,
        pool: Option<Pool>,
    },
    /// It could not be started.
    Broken,
}

/// Handlers that run between two turns of the reactor.
const HANDLERS_A_TURN: usize = 64;

impl viaduct_server {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Result<ServerHandle, Error> {
        match &*self.lock() {
            State::Running { server, .. } => Ok(server.clone()),
            _ => Err(Error::new(VIADUCT_RESULT_WRONG_STATE, "the server has not been started")),
        }
    }

    fn add(&self, path: *const c_char, kind: i32, handler: impl FnOnce() -> Handler) -> Result<(), Error> {
        let path = text(path, "the path")?;
        let kind = kind_of(kind)?;
        let shape = match kind {
            VIADUCT_UNARY | VIADUCT_SERVER_STREAMING => RequestShape::One,
            VIADUCT_CLIENT_STREAMING | VIADUCT_BIDI_STREAMING => RequestShape::Many,
        };
        match &mut *self.lock() {
            State::Building { router, handlers, .. } => {
                router.add(path, shape)?;
                // The router's numbers are 0, 1, 2 …
                handlers.push(kind, handler());
                Ok(())
            }
            _ => Err(started()),
        }
    }
}

fn kind_of(kind: i32) -> Result<viaduct_method_kind, Error> {
    Ok(match kind {
        0 => VIADUCT_UNARY,
        1 => VIADUCT_SERVER_STREAMING,
        2 => VIADUCT_CLIENT_STREAMING,
        3 => VIADUCT_BIDI_STREAMING,
        other => return Err(invalid(format!("{other} is no viaduct_method_kind"))),
    })
}

fn started() -> Error {
    Error::new(VIADUCT_RESULT_WRONG_STATE, "the server has been started already; expected this before")
}

fn cannot_listen(error: &ListenError) -> Error {
    let result = match error {
        ListenError::Invalid(_) => VIADUCT_RESULT_INVALID_ARGUMENT,
        ListenError::Io { .. } => VIADUCT_RESULT_SYSTEM,
    };
    Error::new(result, error.to_string())
}

impl Drop for viaduct_server {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Running { server, dispatch, handlers, pool } = state {
            server.abort();
            dispatch.abort();
            drop(pool.take());
            // Inside a handler they are in use; then they go when the handler has returned.
            if !is_inside() {
                let gone = std::mem::take(&mut *lock(handlers));
                drop(gone);
            }
        }
    }
}

fn lock(handlers: &Mutex<Handlers>) -> MutexGuard<'_, Handlers> {
    handlers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes calls out of the inbox and to their handlers.
async fn dispatch(inbox: Inbox, handlers: Arc<Mutex<Handlers>>, runtime: Weak<Runtime>) {
    loop {
        inbox.ready().await;
        {
            let handlers = lock(&handlers);
            for _ in 0..HANDLERS_A_TURN {
                let Some((incoming, place)) = inbox.take() else { break };
                // Without a runtime there is nobody left to answer with.
                let Some(runtime) = runtime.upgrade() else { return };
                handlers.run(incoming, place, runtime);
            }
        }
        // Answers leave and cancellations come in.
        reactor::turn().await;
    }
}

/// Makes a server. The caller frees it with `viaduct_server_free`. `server_options` may be NULL.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_new(
    runtime: *mut viaduct_runtime,
    server_options: *const viaduct_server_options,
    server: *mut *mut viaduct_server,
) -> viaduct_result {
    zero(server);
    with(runtime, |runtime| {
        let place = Out::new(server, "the server")?;
        let (config, threads) = options(server_options)?.read()?;
        place.set(handle::give(viaduct_server {
            runtime: runtime.runtime(),
            state: Mutex::new(State::Building {
                config: Box::new(config),
                router: Router::new(),
                handlers: Handlers::default(),
                listeners: Vec::new(),
            }),
            threads,
        }));
        Ok(())
    })
}

/// Adds a method: calls of it go to a function.
///
/// `path` is "/package.Service/Method", `kind` a `viaduct_method_kind`. The function runs on the
/// runtime's thread, where it must be quick and what would have to wait gives VIADUCT_RESULT_INSIDE_CALLBACK;
/// or, where the options say so, on one of the server's threads, where it may wait. Several calls may
/// run at once. `finaliser`, which may be NULL, gets `userdata` when no call will any more, at the latest
/// soon after `viaduct_server_free`; not where this function gives an error.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_INVALID_ARGUMENT for a path
/// that is invalid or is there already, or VIADUCT_RESULT_WRONG_STATE after the start.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_handle(
    server: *mut viaduct_server,
    path: *const c_char,
    kind: i32,
    handler: viaduct_handler,
    userdata: *mut c_void,
    finaliser: viaduct_finaliser,
) -> viaduct_result {
    with(server, |server| {
        let handler = handler.ok_or_else(|| Error::new(VIADUCT_RESULT_NULL, "the handler is NULL"))?;
        server.add(path, kind, || {
            Handler::Callback(handler, Finalised { userdata: Userdata(userdata), finaliser })
        })
    })
}

/// Adds a method: calls of it go to a queue, as VIADUCT_EVENT_CALL. `path` and `kind` are as in
/// `viaduct_server_handle`. The queue may be freed at any time; calls are then answered INTERNAL.
///
/// Gives what `viaduct_server_handle` does.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_handle_queue(
    server: *mut viaduct_server,
    path: *const c_char,
    kind: i32,
    queue: *mut viaduct_queue,
    userdata: *mut c_void,
) -> viaduct_result {
    with(server, |server| {
        let queue = handle::get(queue)?.queue();
        server.add(path, kind, || Handler::Queue(queue, Userdata(userdata)))
    })
}

/// Listens: on "http://host:port", "https://host:port", "unix:/path" or "unix-abstract:name". Port 0 takes
/// a free one. `credentials` belong to "https" and may be NULL otherwise. Connections wait until the start.
///
/// `target`, which may be NULL, gets where clients find the server, with the port that was taken; the caller
/// frees the string with `viaduct_string_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_INVALID_ARGUMENT for an
/// address that is invalid or does not go with the credentials, VIADUCT_RESULT_SYSTEM where the system refuses, or
/// VIADUCT_RESULT_WRONG_STATE after the start.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_listen(
    server: *mut viaduct_server,
    address: *const c_char,
    credentials: *const viaduct_server_credentials,
    target: *mut *mut c_char,
) -> viaduct_result {
    zero(target);
    with(server, |server| {
        let address = text(address, "the address")?;
        let tls = handle::get_optional(credentials)?.map(|credentials| credentials.0.clone());
        match &mut *server.lock() {
            State::Building { listeners, .. } => {
                let listener = Listener::bind(address, tls).map_err(|error| cannot_listen(&error))?;
                if let Some(place) = Out::optional(target) {
                    place.set(c_string(listener.target()).into_raw());
                }
                listeners.push(listener);
                Ok(())
            }
            _ => Err(started()),
        }
    })
}

/// Begins to serve.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INVALID_ARGUMENT where it listens on nothing,
/// VIADUCT_RESULT_SYSTEM where the system refuses, or VIADUCT_RESULT_WRONG_STATE where it was started before.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_start(server: *mut viaduct_server) -> viaduct_result {
    with(server, |server| {
        let mut state = server.lock();
        if matches!(&*state, State::Building { listeners, .. } if listeners.is_empty()) {
            return Err(invalid(
                "the server listens on nothing; expected viaduct_server_listen before".into(),
            ));
        }
        if !matches!(*state, State::Building { .. }) {
            return Err(started());
        }
        let runtime = server.runtime.handle()?;
        let _inside = runtime.enter();
        if let State::Building { config, router, mut handlers, listeners } =
            std::mem::replace(&mut *state, State::Broken)
        {
            let pool = Pool::start(server.threads)?;
            handlers.use_pool(pool.as_ref());
            // Without threads the runtime's own is free for as many as it takes in one turn.
            let free = if server.threads > 0 { server.threads } else { HANDLERS_A_TURN };
            let inbox = Inbox::with_handlers(config.max_queued, free);
            let serving = Server::start(*config, router, listeners, inbox.clone())
                .map_err(|error| cannot_listen(&error))?;
            let handlers = Arc::new(Mutex::new(handlers));
            let task = runtime.spawn(dispatch(inbox, Arc::clone(&handlers), Arc::downgrade(&server.runtime)));
            *state = State::Running { server: serving, dispatch: task.abort_handle(), handlers, pool };
        }
        Ok(())
    })
}

/// Stops accepting and tells clients to go away. Running calls go on, for as long as the options allow.
/// It does not wait, so it may be called anywhere, also inside a handler; the second time it does nothing.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_WRONG_STATE where it was not started.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_shutdown(server: *mut viaduct_server) -> viaduct_result {
    with(server, |server| {
        server.running()?.drain();
        Ok(())
    })
}

/// Waits until a server that was shut down has drained: its last call is over, and its connections and
/// sockets are closed. Up to `timeout_ms`, for ever where that is negative. A handler that waits for this
/// waits for itself.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_WRONG_STATE where it was not
/// started, or VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_wait(server: *mut viaduct_server, timeout_ms: i64) -> viaduct_result {
    with(server, |server| {
        let running = server.running()?;
        server.runtime.wait(patience(timeout_ms), running.drained())
    })
}

/// Starts `viaduct_server_wait`. The event is VIADUCT_EVENT_DRAINED.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion, or
/// VIADUCT_RESULT_WRONG_STATE where it was not started.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_wait_start(
    server: *mut viaduct_server,
    completion: viaduct_completion,
) -> viaduct_result {
    with(server, |server| {
        let running = server.running()?;
        let completion = Completion::new(completion, VIADUCT_EVENT_DRAINED)?;
        start(server.runtime.handle()?, completion, async move {
            running.drained().await;
            Event::new(VIADUCT_EVENT_DRAINED)
        });
        Ok(())
    })
}

/// Frees a server. NULL is fine. What still runs is cut: shut it down and wait before, where calls are to
/// be finished. No handler begins after this; it waits for those that run on other threads, except for a
/// handler that calls it.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_server_free(server: *mut viaduct_server) -> viaduct_result {
    free(server)
}
