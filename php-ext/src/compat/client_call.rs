//! The client's side of `Grpc\Call`.
//!
//! A batch that begins the call waits until there is a connection, and then until the reactor has had
//! a turn: what was sent is on its way when `startBatch()` returns, however long PHP computes then.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};
use viaduct::Status;
use viaduct::client::{Call as Core, CallOptions, Method};
use viaduct::codec::{Encoding, Message};
use viaduct::deadline::Deadline;
use viaduct::reactor::fork::Bound;
use viaduct::reactor::poll_now;

use super::batch::{Ops, Outgoing, Received, error, misuse};
use super::call::uri;
use super::call_credentials::CallCredentialsValue;
use super::channel::Channel;
use super::link::Link;
use super::{metadata, outgoing};
use crate::api::stream::inherited;
use crate::batch::Batch;
use crate::ended::Ended;
use crate::errors::Thrown;
use crate::scheduler::{self, Scheduler, wait};
use crate::signals;
use crate::zend::collect::Collector;
use crate::zend::exception_pending;

/// A call to a server.
pub(crate) struct ClientCall {
    link: Rc<Link>,
    /// Empty when the channel is closed.
    channel: Rc<RefCell<Option<Rc<Link>>>>,
    method: Method,
    /// Whether it was given without a slash in front.
    bare: bool,
    authority: Option<Authority>,
    deadline: Option<Deadline>,
    /// The channel's call credentials, and the call's own.
    inherited: Option<CallCredentialsValue>,
    credentials: RefCell<Option<CallCredentialsValue>>,
    live: OnceCell<Bound<Live>>,
    /// How the call ended that never began.
    refused: OnceCell<Status>,
    /// Whether PHP was told of that; and whether it cancelled the call before.
    told: Cell<bool>,
    cancelled: Cell<bool>,
    begun: Cell<bool>,
    closed: Cell<bool>,
    asked_initial: Cell<bool>,
    asked_status: Cell<bool>,
    receiving: Cell<bool>,
    /// Set where the wait of the batch that begins the call was left.
    beginning: RefCell<Option<Arc<Ended>>>,
}

/// A call that has begun. In a forked child it is over.
struct Live {
    call: Core,
    batch: OnceCell<Batch<Core>>,
    encoding: Encoding,
}

/// What is waited for.
#[derive(Clone, Copy)]
struct Wanted {
    initial: bool,
    message: bool,
    status: bool,
}

/// Resets the flag when the batch is over, however it ends.
struct Receiving<'a>(&'a Cell<bool>);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl ClientCall {
    pub(crate) fn new(
        link: Rc<Link>,
        channel: &Channel,
        (method, bare): (Method, bool),
        authority: Option<Authority>,
        deadline: Option<Deadline>,
    ) -> Self {
        // A call that a handler makes is over when the handler's call is.
        let inherited = scheduler::running().and_then(|s| s.scope()).and_then(|scope| scope.deadline());
        Self {
            link,
            channel: channel.slot(),
            method,
            bare,
            authority,
            deadline: Deadline::earliest(deadline, inherited),
            inherited: channel.call_credentials(),
            credentials: RefCell::default(),
            live: OnceCell::new(),
            refused: OnceCell::new(),
            told: Cell::new(false),
            cancelled: Cell::new(false),
            begun: Cell::new(false),
            closed: Cell::new(false),
            asked_initial: Cell::new(false),
            asked_status: Cell::new(false),
            receiving: Cell::new(false),
            beginning: RefCell::default(),
        }
    }

    /// Sets the call's own credentials; returns a `CALL_…`.
    pub(crate) fn set_credentials(&self, credentials: CallCredentialsValue) -> i64 {
        if self.begun.get() {
            return error::ALREADY_INVOKED;
        }
        let before = self.credentials.replace(Some(credentials));
        drop(before);
        0
    }

    /// Shows the plugins of its credentials.
    pub(crate) fn show(&self, to: &mut Collector<'_>) {
        if let Some(credentials) = &self.inherited {
            credentials.show(to);
        }
        if let Ok(own) = self.credentials.try_borrow()
            && let Some(own) = &*own
        {
            own.show(to);
        }
    }

    /// The peer's address; the target as it was given while there is no connection.
    pub(crate) fn peer(&self) -> String {
        let live = self.live.get().and_then(Bound::get);
        let peer = live.and_then(|live| live.call.connected_peer());
        peer.map_or_else(|| self.link.target.clone(), |peer| uri(&peer).into_owned())
    }

    /// Ends the call with CANCELLED, unless PHP has been told how it ended.
    pub(crate) fn cancel(&self) {
        match self.live.get() {
            None => {
                let _ = self.refused.set(cancelled());
                self.cancelled.set(!self.told.get());
            }
            Some(live) => {
                let (Some(live), Some(scheduler)) = (live.get(), scheduler::running()) else { return };
                let running = live.call.end().is_none();
                live.call.cancel();
                if running {
                    scheduler.reactor.turn();
                }
            }
        }
    }

    /// Whether the channel was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.channel.borrow().is_none()
    }

    /// The next message, where it is here and nothing has to be waited for.
    pub(crate) fn next_message(&self) -> Option<Message> {
        if self.receiving.get() {
            return None;
        }
        let call = &self.live.get().and_then(Bound::get)?.call;
        if call.end().is_some() { None } else { call.try_recv() }
    }

    /// Runs a batch.
    pub(crate) fn run(&self, ops: &mut Ops<'_>) -> Result<Received, Thrown> {
        self.check(ops)?;
        let wanted = Wanted { initial: ops.recv_initial, message: ops.recv_message, status: ops.recv_status };
        let _receiving = ops.recv_message.then(|| {
            self.receiving.set(true);
            Receiving(&self.receiving)
        });
        let asked = (self.asked_initial.get(), self.asked_status.get());
        self.asked_initial.set(asked.0 || ops.recv_initial);
        self.asked_status.set(asked.1 || ops.recv_status);
        self.closed.set(self.closed.get() || ops.close);
        let received = if let Some(initial) = ops.initial.take() {
            self.begin(initial, ops.message, ops.close, wanted)
        } else {
            self.go_on(ops.message, ops.close, wanted)
        };
        if received.is_err() {
            // A signal's handler has thrown: what was not received can be asked for again.
            self.asked_initial.set(asked.0);
            self.asked_status.set(asked.1);
        }
        received
    }

    fn check(&self, ops: &Ops<'_>) -> Result<(), Thrown> {
        let begins = ops.initial.is_some();
        let begun = begins || self.begun.get() || self.refused.get().is_some();
        let again = (begins && self.begun.get())
            || (ops.close && self.closed.get())
            || (ops.recv_initial && self.asked_initial.get())
            || (ops.recv_message && self.receiving.get())
            || (ops.recv_status && self.asked_status.get());
        let sends_late = ops.message.is_some() && (self.closed.get() || self.asked_status.get());
        if ops.status.is_some() || ops.recv_close {
            Err(misuse(error::NOT_ON_CLIENT))
        } else if again {
            Err(misuse(error::TOO_MANY_OPERATIONS))
        } else if sends_late {
            Err(misuse(error::ALREADY_FINISHED))
        } else if begun {
            Ok(())
        } else {
            Err(misuse(error::NOT_INVOKED))
        }
    }

    /// The first batch.
    fn begin(
        &self,
        mut initial: HeaderMap,
        message: Option<Outgoing<'_>>,
        close: bool,
        wanted: Wanted,
    ) -> Result<Received, Thrown> {
        self.begun.set(true);
        let encoding = metadata::take_encoding(&mut initial);
        // PHP code runs here, which may cancel the call; nothing is borrowed.
        let framed = self.add_credentials(&mut initial).and_then(|()| match message {
            Some(message) => self.frame(message, self.encoding(encoding)).map(Some),
            None => Ok(None),
        });
        if exception_pending() {
            // The plugin has called `exit()`.
            return Err(Thrown::Pending);
        }
        let framed = match framed {
            Ok(framed) if self.refused.get().is_none() => framed,
            Ok(_) => return Ok(self.refusal(wanted)),
            Err(status) => {
                let _ = self.refused.set(status);
                return Ok(self.refusal(wanted));
            }
        };
        if self.bare
            && let Ok(given) = HeaderValue::from_str(self.method.as_str().trim_start_matches('/'))
        {
            initial.insert(metadata::GIVEN_PATH, given);
        }
        let scheduler = scheduler::scheduler()?;
        let options = CallOptions {
            metadata: initial,
            deadline: self.deadline,
            wait_for_ready: None,
            encoding,
            authority: self.authority.clone(),
        };
        // Together they leave in one write, and can be sent again where the server has not seen them.
        let (whole, first) = if close { (framed, None) } else { (None, framed) };
        let call = self.link.core().prepare(self.method.clone(), whole, options);
        let live = Live { call: call.clone(), batch: OnceCell::new(), encoding: self.encoding(encoding) };
        let _ = self.live.set(Bound::new(live));
        let received = if signals::are_watched() {
            let begun = call.clone();
            self.begin_all_the_same(&scheduler, async move { begin(&begun, first, close).await })?;
            wait(&scheduler, async move {
                if wanted.any() { receive(call, wanted).await } else { Received::default() }
            })?
        } else {
            wait(&scheduler, async move {
                begin(&call, first, close).await;
                if wanted.any() { receive(call, wanted).await } else { Received::default() }
            })?
        };
        if !wanted.any() {
            // Not inside the wait: tokio forgets who yields in a fiber when the turn ends before.
            scheduler.reactor.turn();
        }
        Ok(received)
    }

    /// Waits for `work`, which begins the call; it goes on where the wait is left before it is over.
    fn begin_all_the_same(
        &self,
        scheduler: &Rc<Scheduler>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Thrown> {
        let work = Arc::new(Mutex::new(Some(Box::pin(work))));
        let waited = wait(scheduler, finished(Arc::clone(&work)));
        if waited.is_err()
            && let Some(reactor) = scheduler.reactor.handle()
        {
            let begun = Arc::<Ended>::default();
            self.beginning.replace(Some(Arc::clone(&begun)));
            reactor.spawn(async move {
                finished(work).await;
                begun.set();
            });
        }
        waited
    }

    /// A later batch.
    fn go_on(&self, message: Option<Outgoing<'_>>, close: bool, wanted: Wanted) -> Result<Received, Thrown> {
        let Some(live) = self.live.get().and_then(Bound::get) else { return Ok(self.refusal(wanted)) };
        let mut sent = true;
        let scheduler = scheduler::scheduler()?;
        let beginning = self.beginning.borrow().clone();
        if let Some(beginning) = beginning {
            wait(&scheduler, async move { beginning.wait().await })?;
        }
        if let Some(message) = message {
            match self.frame(message, live.encoding) {
                Ok(framed) => sent = live.push(&scheduler, framed),
                Err(status) => live.call.end_with(status),
            }
        }
        if close || !sent {
            live.finish_sending(&scheduler, close)?;
        }
        if !wanted.any() {
            return Ok(Received::default());
        }
        live.receive(&scheduler, wanted)
    }

    /// What a call brings that never began, or that is the parent process'.
    fn refusal(&self, wanted: Wanted) -> Received {
        let status = if self.cancelled.get() {
            cancelled()
        } else {
            self.refused.get().cloned().unwrap_or_else(inherited)
        };
        self.told.set(self.told.get() || wanted.status);
        Received { status: wanted.status.then(|| (status, HeaderMap::new())), ..Received::default() }
    }

    fn encoding(&self, asked: Option<Encoding>) -> Encoding {
        asked.unwrap_or(self.link.peek().options().encoding)
    }

    fn frame(&self, message: Outgoing<'_>, encoding: Encoding) -> Result<Bytes, Status> {
        self.link.peek().frame(message.bytes, Some(message.encoding(encoding)))
    }

    /// Asks the credentials of the channel and of the call for their metadata.
    fn add_credentials(&self, metadata: &mut HeaderMap) -> Result<(), Status> {
        // A plugin may set others meanwhile.
        let own = self.credentials.borrow().clone();
        for credentials in self.inherited.iter().chain(&own) {
            if !self.link.is_secure() {
                return Err(Status::unauthenticated(format!(
                    "call credentials are sent on secure channels only; the channel to {} is insecure",
                    self.link.target
                )));
            }
            let (service_url, method) = self.names();
            for (name, value) in &credentials.metadata(&service_url, method)? {
                metadata.append(name, value.clone());
            }
        }
        Ok(())
    }

    /// The service's URL and the method's name, as plugins are told them: the port is left out where it
    /// is that of https.
    fn names(&self) -> (String, &str) {
        let host = self.authority.as_ref().map_or_else(|| self.link.peek().authority(), Authority::as_str);
        let host = host.strip_suffix(":443").unwrap_or(host);
        let (service, method) = self.method.as_str().rsplit_once('/').unwrap_or_default();
        (format!("https://{host}{service}"), method)
    }
}

fn cancelled() -> Status {
    Status::cancelled("the call was cancelled by this side")
}

impl Live {
    fn push(&self, scheduler: &Scheduler, framed: Bytes) -> bool {
        let batch = self.batch.get_or_init(|| Batch::new(self.call.clone()));
        outgoing::push(scheduler, batch, framed, false)
    }

    /// Waits until what was pushed is sent, and half-closes then where `close` says so.
    fn finish_sending(&self, scheduler: &Rc<Scheduler>, close: bool) -> Result<(), Thrown> {
        if let Some(batch) = self.batch.get()
            && batch.flush() == Ok(false)
        {
            batch.schedule(&scheduler.reactor);
            let (call, emptied) = (self.call.clone(), batch.emptied());
            wait(scheduler, async move { call.in_time(emptied).await })?;
        }
        if close {
            self.call.half_close();
            scheduler.nudge();
        }
        Ok(())
    }

    fn receive(&self, scheduler: &Rc<Scheduler>, wanted: Wanted) -> Result<Received, Thrown> {
        let call = self.call.clone();
        if call.end().is_some() {
            // All is here, and nothing of it needs the reactor.
            if let std::task::Poll::Ready(received) = poll_now(receive_all(&call, wanted)) {
                return Ok(received);
            }
        } else if wanted.only_message()
            && let Some(message) = call.try_recv()
        {
            return Ok(Received { message: Some(message), ..Received::default() });
        }
        wait(scheduler, async move { receive(call, wanted).await })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Nobody will read the rest; a task that still sends for the call must not keep it.
        self.call.cancel();
    }
}

/// Begins a call, with the message and the half-close that its first batch has.
async fn begin(call: &Core, first: Option<Bytes>, close: bool) {
    call.begin().await;
    if let Some(first) = first {
        // Where it fails the status says why.
        let _ = call.in_time(call.send(first)).await;
    }
    if close {
        call.half_close();
    }
}

/// Polls `work` until it is done, whoever else has polled it before.
async fn finished<F: Future<Output = ()>>(work: Arc<Mutex<Option<Pin<Box<F>>>>>) {
    poll_fn(|cx| {
        let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rest) = &mut *work {
            ready!(rest.as_mut().poll(cx));
        }
        *work = None;
        Poll::Ready(())
    })
    .await;
}

impl Wanted {
    fn any(self) -> bool {
        self.initial || self.message || self.status
    }

    fn only_message(self) -> bool {
        self.message && !self.initial && !self.status
    }
}

/// Receives, but no longer than the deadline.
async fn receive(call: Core, wanted: Wanted) -> Received {
    match call.in_time(receive_all(&call, wanted)).await {
        Some(received) => received,
        None => {
            Received { initial: call.headers().cloned(), status: call.tell().cloned(), ..Received::default() }
        }
    }
}

async fn receive_all(call: &Core, wanted: Wanted) -> Received {
    let mut received = Received::default();
    if wanted.initial {
        received.initial = Some(call.wait_headers().await);
    }
    if wanted.message {
        received.message = call.recv().await;
    }
    if wanted.status {
        received.status = Some(call.wait_end().await);
    }
    received
}
