//! The admin port: a page for people, the same as JSON, metrics for Prometheus, and two short answers for whoever
//! watches over the process.
//!
//! It only tells, and changes nothing. It has a thread of its own, so that drawing a page delays no request; and few
//! connections, which do not live long.
//!
//! - [`history`]: the last minute;
//! - [`status`]: everything as JSON; [`page`]: what needs no script of it, as HTML;
//! - [`prometheus`]: the counters.

mod history;
mod page;
mod prometheus;
mod status;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use self::history::History;
use super::settings::Admin;
use super::upstream::lock;
use super::worker::Worker;
use super::{Shared, StartError};
use crate::server::lifecycle::Phase;
use crate::server::listener::Acceptor;
use crate::server::{ListenError, Listener};
use crate::transport::socket::Socket;

/// Connections at once; one more is closed.
const CONNECTIONS: usize = 64;

/// How long the head of a request may take, and a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection lives, and how long its last answer may then take.
const LIFE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(5));

/// How long accepting rests after an error that would come again at once (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Nothing from elsewhere, and no script in the page itself: what a backend calls its services stays text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What it answers to.
const PATHS: [&str; 7] = ["/", "/page.css", "/page.js", "/status.json", "/metrics", "/live", "/ready"];

/// A bound admin port. It serves until it is dropped.
#[derive(Debug)]
pub(super) struct Port {
    settings: Admin,
    target: String,
    worker: Worker,
    acceptor: Option<Acceptor>,
}

/// The admin port that is to be.
pub(super) enum Next {
    /// The one that is there.
    Same,
    /// Another, or none.
    Other(Option<Box<Port>>),
}

impl Port {
    fn bind(settings: &Admin) -> Result<Self, StartError> {
        // As the listeners: a proxy that takes over from another one binds while that one still drains.
        let bound = Listener::bind_shared(&settings.address, None, true)?;
        let worker = Worker::named("viaduct-admin").map_err(StartError::Thread)?;
        let mut port =
            Self { settings: settings.clone(), target: bound.target().to_owned(), worker, acceptor: None };
        let runtime = port.worker.handle().clone();
        let _inside = runtime.enter();
        let failed = |source| ListenError::Io { address: settings.address.clone(), source };
        port.acceptor = Some(bound.activate().map_err(failed)?.0);
        Ok(port)
    }

    fn serve(&mut self, shared: &Arc<Shared>) {
        let Some(acceptor) = self.acceptor.take() else { return };
        let history = Mutex::new(History::new(shared, Instant::now()));
        let view = Arc::new(View { shared: Arc::clone(shared), history });
        self.worker.handle().spawn(watch(Arc::clone(&view)));
        self.worker.handle().spawn(accept(acceptor, view));
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.worker.stop();
    }
}

/// Binds the port, where it is another than before.
///
/// # Errors
///
/// The address is none, or cannot be listened on.
pub(super) fn prepare(shared: &Shared, wanted: Option<&Admin>) -> Result<Next, StartError> {
    if lock(&shared.admin).as_ref().map(|port| &port.settings) == wanted {
        return Ok(Next::Same);
    }
    Ok(Next::Other(wanted.map(Port::bind).transpose()?.map(Box::new)))
}

/// Serves on what was prepared, and no more on what was before.
pub(super) fn put(shared: &Arc<Shared>, next: Next) {
    let Next::Other(mut port) = next else { return };
    if let Some(port) = &mut port {
        port.serve(shared);
    }
    let before = std::mem::replace(&mut *lock(&shared.admin), port);
    drop(before);
}

/// Where it listens, as clients would dial it.
pub(super) fn target(shared: &Shared) -> Option<String> {
    lock(&shared.admin).as_ref().map(|port| port.target.clone())
}

/// What there is to be seen.
struct View {
    shared: Arc<Shared>,
    history: Mutex<History>,
}

async fn watch(view: Arc<View>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once, when nothing has happened yet.
    seconds.tick().await;
    loop {
        let now = seconds.tick().await;
        lock(&view.history).tick(&view.shared, &view.shared.notes, now.into());
    }
}

async fn accept(acceptor: Acceptor, view: Arc<View>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match poll_fn(|cx| acceptor.poll_accept(cx)).await {
            Ok((socket, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let view = Arc::clone(&view);
                tokio::spawn(async move {
                    connection(socket, view).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(socket: Socket, view: Arc<View>) {
    let service = service_fn(|request| {
        let answer = answer(&view, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(16 << 10)
            .serve_connection(TokioIo::new(socket), service)
    );
    // However it ends: there is nobody to tell.
    if tokio::time::timeout(LIFE.0, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LIFE.1, connection).await;
    }
}

fn answer<B>(view: &View, request: &Request<B>) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let draining = *view.shared.phase.borrow() != Phase::Serving;
    let status = || status::describe(&view.shared, &lock(&view.history));
    let path = request.uri().path();
    let is_known = PATHS.contains(&path);
    let may = matches!(*request.method(), Method::GET | Method::HEAD);
    let (code, kind, body): (_, _, Bytes) = match path {
        _ if is_known && !may => (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".into()),
        "/" => (StatusCode::OK, "text/html; charset=utf-8", page::html(&status()).into()),
        "/page.css" => (StatusCode::OK, "text/css; charset=utf-8", Bytes::from_static(page::CSS)),
        "/page.js" => (StatusCode::OK, "text/javascript; charset=utf-8", Bytes::from_static(page::JS)),
        "/status.json" => (StatusCode::OK, "application/json", status().to_string().into()),
        "/metrics" => (StatusCode::OK, prometheus::KIND, prometheus::text(&view.shared).into()),
        "/live" => (StatusCode::OK, TEXT, "live\n".into()),
        "/ready" if draining => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".into()),
        "/ready" => (StatusCode::OK, TEXT, "ready\n".into()),
        _ => (StatusCode::NOT_FOUND, TEXT, "not found; see /\n".into()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    if code == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
