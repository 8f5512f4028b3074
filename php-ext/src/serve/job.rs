//! Running a handler for one call.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::Zval;
use http::HeaderMap;
use viaduct::deadline::Deadline;
use viaduct::reactor::fork::Bound;
use viaduct::server::{Incoming, ServerCall};
use viaduct::{Code, Status};

use super::handler::{Handler, Parameter};
use super::messages::Messages;
use super::{Answer, Serving, overdue};
use crate::api::context::Context;
use crate::api::iteration::HasMessages as _;
use crate::api::method_kind::MethodKind;
use crate::api::request_stream::RequestStream;
use crate::batch::Batch;
use crate::errors::{self, Thrown};
use crate::message::payload;
use crate::scheduler::{self, Scope, wait};
use crate::zend::class::Class as _;
use crate::zend::is_fatal;

/// What the handler's waits and outgoing calls inherit.
struct CallScope {
    call: ServerCall,
    shared: overdue::LocalShared,
}

impl Scope for CallScope {
    fn deadline(&self) -> Option<Deadline> {
        self.call.deadline()
    }

    fn cancelled(&self) -> Pin<Box<dyn Future<Output = Status>>> {
        let (call, shared) = (self.call.clone(), Rc::clone(&self.shared));
        Box::pin(async move {
            match call.cancelled().await {
                Some(status) => status,
                // Answered: nothing will cancel it any more, unless that was not the handler's answer.
                None => {
                    shared.cut().await;
                    overdue::cut_status()
                }
            }
        })
    }
}

/// Runs the handler of a call. `None` where it has answered itself.
pub(super) fn run(serving: &Rc<Serving>, incoming: Incoming) -> Option<Answer> {
    let handler = serving.handlers.get(incoming.method as usize).map(Rc::clone)?;
    let trailers = Rc::new(RefCell::new(HeaderMap::new()));
    let scope = Rc::new(CallScope { call: incoming.call.clone(), shared: Rc::clone(&serving.shared) });
    if let Ok(scheduler) = scheduler::scheduler() {
        let _ = scheduler.set_scope(Some(Rc::clone(&scope) as Rc<dyn Scope>));
    }
    let answered = answer(serving, &handler, incoming, &trailers).unwrap_or_else(|thrown| {
        let (status, mut more) = explain(serving, &handler, thrown);
        for (name, value) in trailers.take() {
            if let Some(name) = name {
                more.append(name, value);
            }
        }
        Some(Answer::Finish(scope.call.clone(), status, more))
    });
    if let Some(scheduler) = scheduler::running() {
        let _ = scheduler.set_scope(None);
    }
    answered
}

/// Calls the handler and takes what it returns.
fn answer(
    serving: &Serving,
    handler: &Handler,
    incoming: Incoming,
    trailers: &Rc<RefCell<HeaderMap>>,
) -> Result<Option<Answer>, Thrown> {
    let Incoming { call, message, .. } = incoming;
    let mut message = message;
    let mut arguments = Vec::with_capacity(2);
    for parameter in &handler.parameters {
        arguments.push(match parameter {
            Parameter::Context => {
                let context = Context::new(Bound::new(call.clone()), Rc::clone(trailers)).into_object();
                zval(context)?
            }
            Parameter::Request => match message.take() {
                Some(message) => handler.decoder.decode(&message, "request")?,
                None => zval(RequestStream::new(Bound::new(call.clone()), handler.decoder).into_iterator())?,
            },
        });
    }
    let returned = handler.callable.call(&mut arguments);
    // The handler may have kept the objects; what it has not kept goes now.
    drop(arguments);
    let returned = returned?;
    Ok(match handler.kind {
        MethodKind::Unary | MethodKind::ClientStream => {
            let payload = payload(&returned, "the handler's return value")?;
            let framed = frame(serving, &call, payload.as_bytes())?;
            Some(Answer::Reply(call, framed, trailers.take()))
        }
        MethodKind::ServerStream | MethodKind::Bidi => {
            send_all(serving, &call, returned)?.then(|| Answer::Finish(call, Status::ok(""), trailers.take()))
        }
    })
}

fn zval<T: ext_php_rs::class::RegisteredClass>(
    object: ZBox<ext_php_rs::types::ZendClassObject<T>>,
) -> Result<Zval, Thrown> {
    use ext_php_rs::convert::IntoZval as _;
    object.into_zval(false).map_err(|e| errors::error(e.to_string()))
}

fn frame(serving: &Serving, call: &ServerCall, message: &[u8]) -> Result<bytes::Bytes, Thrown> {
    let framed = match serving.max_send {
        Some(limit) if message.len() > limit => Err(Status::resource_exhausted(format!(
            "a response of {} bytes is too long; the limit is {limit} bytes (maxSendBytes)",
            message.len()
        ))),
        _ => viaduct::codec::frame(message, call.encoding()),
    };
    framed.map_err(|status| errors::rpc_exception(&status, &HeaderMap::new()))
}

/// Sends what a streaming handler returns. `false` where the call ended before its time.
fn send_all(serving: &Serving, call: &ServerCall, returned: Zval) -> Result<bool, Thrown> {
    let batch = Batch::new(call.clone());
    let outcome = gather_all(serving, call, &batch, returned);
    // What was yielded before the handler threw is sent, too. An exception must not be on its way
    // while the fiber is suspended; one that cannot be caught ends it without another wait.
    let outcome = match outcome {
        Err(thrown) => match thrown.catch() {
            Ok(exception) => Err(Thrown::Object(exception)),
            Err(pending) => {
                let _ = batch.flush();
                return Err(pending);
            }
        },
        sent => sent,
    };
    let left = match batch.flush() {
        Ok(false) => {
            let scheduler = scheduler::scheduler()?;
            batch.schedule(&scheduler.reactor);
            wait(&scheduler, batch.emptied())?;
            batch.flush()
        }
        done => done,
    };
    Ok(outcome? && left.is_ok())
}

fn gather_all(
    serving: &Serving,
    call: &ServerCall,
    batch: &Batch<ServerCall>,
    returned: Zval,
) -> Result<bool, Thrown> {
    let mut messages = Messages::of(returned)?;
    let mut first = true;
    while let Some(message) = messages.next()? {
        let payload = payload(&message, "a message that the handler yields")?;
        let framed = frame(serving, call, payload.as_bytes())?;
        drop(payload);
        let scheduler = scheduler::scheduler()?;
        let Ok(room) = batch.push(framed) else { return Ok(false) };
        if std::mem::take(&mut first) && batch.flush().is_err() {
            // The headers go with the first message, and not some time later.
            return Ok(false);
        }
        batch.schedule(&scheduler.reactor);
        if !room {
            wait(&scheduler, batch.emptied())?;
        }
    }
    Ok(true)
}

/// The status for what a handler threw; what is not meant for clients goes to the error log.
fn explain(serving: &Serving, handler: &Handler, thrown: Thrown) -> (Status, HeaderMap) {
    let exception = match thrown.catch() {
        Ok(exception) => exception,
        Err(pending) => {
            if is_fatal() {
                // Exhausted memory unwinds like `exit()`.
                return (super::fatal(), HeaderMap::new());
            }
            if errors::take_exit() {
                serving.exit.set(true);
                serving.stop.tell();
            } else {
                // The fiber is being destroyed.
                pending.throw();
            }
            return (Status::internal("the handler ended its process"), HeaderMap::new());
        }
    };
    if let Some((status, trailers)) = errors::status_of(exception.get()) {
        let status = match status.code() {
            Code::Ok => Status::internal("the handler threw an exception with the code Ok"),
            _ => status,
        };
        return (status, trailers);
    }
    let text = errors::describe(exception.get());
    errors::log(&format!("viaduct: the handler of {} ({}) threw: {text}", handler.method, handler.place));
    let status =
        if serving.expose_errors { Status::internal(text) } else { Status::internal("internal error") };
    // Its destructor may run PHP code.
    drop(exception);
    (status, HeaderMap::new())
}
